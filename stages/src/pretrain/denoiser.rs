//! The stage `pretrain_denoiser`: a text-to-image model of the shapes world, trained from nothing.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use mitune_diffusion::clip::ClipTextModel;
use mitune_diffusion::model::{DenoisingNetwork, DiffusionModel};
use mitune_diffusion::prediction::PredictionType;
use mitune_diffusion::schedule::NoiseSchedule;
use mitune_diffusion::scheduler::SchedulerConfig;
use mitune_diffusion::tokenizer::Tokenizer;
use mitune_diffusion::training::{
    ConditionedBatch, Denoising, DenoisingBatch, ObjectiveTrainer, initialize, train_only,
};
use mitune_diffusion::unet::UNet2DConditionModel;
use mitune_diffusion::vae::AutoencoderKL;
use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::shapes_tokenizer;
use super::autoencoder_training::image_batch;
use super::data_config::ShapesDataConfig;
use super::denoiser_training::{ConditionalDenoiser, denoiser_noise, timestep_batch, token_tensor};
use super::model_parts::{load_autoencoder, load_networks, put_model};
use super::training_config::TrainingConfig;
use crate::contract::demand::check_network;
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::whole;
use crate::contract::{
    Content, Dtype, ExpectedTable, InputPort, MODEL_PORT, OutputPort, Stage, StageConfig, StageContext,
    StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::shapes::data::ShapesData;
use crate::tables::schema;
use crate::training::training_run::TrainingRun;

/// Trains a denoiser with its text encoder on noisy captions and assembles a whole model with the autoencoder.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainDenoiserConfig {
    /// The autoencoder whose latents it works on.
    pub autoencoder: Reference,
    /// Model of another stage to go on from. By default, weights are drawn from the seed.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Channels of each level, finest first.
    pub channels: Vec<usize>,
    /// Residual blocks to a level. By default, 1.
    #[serde(default = "whole::<usize, 1>")]
    pub layers_per_block: usize,
    /// Groups of the group norms. By default, 16.
    #[serde(default = "whole::<usize, 16>")]
    pub norm_groups: usize,
    /// Attention heads of the denoiser and of the text encoder. By default, 4.
    #[serde(default = "whole::<usize, 4>")]
    pub heads: usize,
    /// Width of the text encoder. By default, 96.
    #[serde(default = "whole::<usize, 96>")]
    pub text_width: usize,
    /// Layers of the text encoder. By default, 2.
    #[serde(default = "whole::<usize, 2>")]
    pub text_layers: usize,
    /// Tokens to a prompt, start and end included. By default, 16.
    #[serde(default = "whole::<usize, 16>")]
    pub context_length: usize,
    /// Training data.
    #[serde(default)]
    pub data: ShapesDataConfig,
    /// Optimizer and length.
    pub training: TrainingConfig,
    /// Seed of weights, timesteps and noise. By default, the pipeline's.
    #[serde(default)]
    pub seed: Option<u64>,
}

impl StageConfig for PretrainDenoiserConfig {
    const KIND: &'static str = "pretrain_denoiser";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        check_network(
            &self.channels,
            self.layers_per_block,
            self.text_layers,
            self.text_width,
        )?;
        let data = self.data.open()?;
        let seed = self.seed.unwrap_or(defaults.seed);
        Ok(Box::new(PretrainDenoiser {
            config: Self {
                seed: Some(seed),
                ..self
            },
            data,
            seed,
        }))
    }
}

struct PretrainDenoiser {
    config: PretrainDenoiserConfig,
    data: ShapesData,
    seed: u64,
}

/// Everything an update needs besides the networks that are trained.
struct Teacher {
    autoencoder: AutoencoderKL,
    tokenizer: Tokenizer,
    schedule: NoiseSchedule,
    device: Device,
    tracked: Device,
}

impl Stage for PretrainDenoiser {
    fn kind(&self) -> &'static str {
        PretrainDenoiserConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["autoencoder", MODEL_PORT])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut ports = vec![InputPort::one(
            "autoencoder",
            &[Content::Autoencoder],
            &self.config.autoencoder,
        )];
        ports.extend(
            self.config
                .model_from
                .iter()
                .map(|reference| InputPort::one(MODEL_PORT, &[Content::Model], reference)),
        );
        ports
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[
            OutputPort {
                name: "model",
                content: Content::Model,
            },
            OutputPort {
                name: "losses",
                content: Content::Losses,
            },
        ]
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(Dtype::F32)
    }

    fn rng(&self) -> Option<&'static str> {
        Some("blake3-xof box-muller, by (seed, purpose, batch)/1")
    }

    fn effort(&self, _: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        Some(self.config.training.effort())
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "losses").then(|| ExpectedTable {
            columns: schema::losses(),
            rows: None,
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let temporary = tempfile::tempdir().map_err(StageError::failed)?;
        let device = context.device()?;
        let (vae_config, autoencoder) = load_autoencoder(context, temporary.path(), device)?;
        let folder = temporary.path().join("tokenizer");
        let tokenizer = shapes_tokenizer(&folder, self.config.context_length)?;
        let unet_config = self.config.unet_config(&vae_config)?;
        let text_config = self.config.text_config(&tokenizer);
        let scheduler_config = SchedulerConfig::stable_diffusion();
        let networks = match &self.config.model_from {
            Some(reference) => load_networks(context, reference, &unet_config, &text_config)?,
            None => ConditionalDenoiser {
                unet: UNet2DConditionModel::new(&unet_config, device),
                text_encoder: ClipTextModel::new(&text_config, device).map_err(StageError::configuration)?,
            },
        };
        let networks = train_only(networks, |_| true);
        let networks = match &self.config.model_from {
            Some(_) => networks,
            None => initialize(networks, self.seed),
        };
        let parameters = networks.num_params();
        let teacher = Teacher {
            autoencoder,
            tokenizer,
            schedule: scheduler_config.schedule().map_err(StageError::failed)?,
            device: device.clone(),
            tracked: device.clone().autodiff(),
        };
        let TrainingConfig {
            steps,
            checkpoint_every,
            ..
        } = self.config.training;
        let settings = self.config.training.settings();
        let mut trainer =
            ObjectiveTrainer::new(networks, Denoising, settings).map_err(StageError::configuration)?;
        let run = TrainingRun {
            context,
            steps,
            checkpoint_every,
        };
        let curve = run.complete(&mut trainer, |step| [self.batch(&teacher, step)])?;
        let ConditionalDenoiser { unet, text_encoder } = trainer.trainer().averaged_module().valid();
        let Teacher {
            autoencoder: vae,
            tokenizer,
            ..
        } = teacher;
        let model = DiffusionModel {
            network: DenoisingNetwork::of_unet(unet, unet_config),
            vae,
            text_encoder,
            second_text_encoder: None,
            tokenizer,
            vae_config,
            text_config,
            scheduler_config,
        };
        let mut output = StageOutput::one("model", put_model(context, &model, temporary.path())?)
            .with_metric("parameters", parameters);
        if let Some(loss) = curve.recent_loss(100) {
            output = output.with_metric("loss", loss);
        }
        output.outputs.insert("losses".to_owned(), curve.put(context)?);
        Ok(output)
    }
}

impl PretrainDenoiser {
    /// The one micro-batch of update number `step`.
    fn batch(&self, teacher: &Teacher, step: u64) -> ConditionedBatch<Tensor<2, Int>> {
        let size = self.config.training.batch_size;
        let latents = teacher
            .autoencoder
            .encode(image_batch(&self.data, step, size, &teacher.device))
            .0;
        let timesteps = timestep_batch(self.seed, step, size, teacher.schedule.len() as u32);
        let noise = denoiser_noise(latents.dims(), self.seed, step, &teacher.device);
        let noised = DenoisingBatch::new(
            latents,
            noise,
            &timesteps,
            &teacher.schedule,
            PredictionType::Epsilon,
        )
        .expect("timesteps are drawn below the length of the schedule");
        let first = step * size as u64;
        let ids: Vec<Vec<i64>> = (first..first + size as u64)
            .map(|index| {
                let caption = self.data.sample(index).caption.text;
                let encoded = teacher
                    .tokenizer
                    .encode(&caption)
                    .expect("captions are plain words");
                encoded.ids.iter().map(|&id| i64::from(id)).collect()
            })
            .collect();
        ConditionedBatch {
            noised: tracked(noised, &teacher.tracked),
            conditioning: token_tensor(&ids, &teacher.tracked),
        }
    }
}

/// The batch on the device that records gradients.
fn tracked(batch: DenoisingBatch, device: &Device) -> DenoisingBatch {
    DenoisingBatch {
        noisy: Tensor::from_data(batch.noisy.into_data(), device),
        target: Tensor::from_data(batch.target.into_data(), device),
        timesteps: Tensor::from_data(batch.timesteps.into_data(), device),
    }
}
