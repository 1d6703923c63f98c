//! The stage `pretrain_denoiser`: a text-to-image model of the shapes world, trained from nothing.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use mitune_diffusion::clip::{ClipTextConfig, ClipTextModel};
use mitune_diffusion::model::DiffusionModel;
use mitune_diffusion::schedule::NoiseSchedule;
use mitune_diffusion::scheduler::{SchedulerConfig, add_noise};
use mitune_diffusion::tokenizer::{Tokenizer, VocabularyBuilder};
use mitune_diffusion::training::{Trainer, TrainingError, UpdateReport, initialize, train_only};
use mitune_diffusion::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use mitune_diffusion::vae::{AUTOENCODER_NAMES, AutoencoderConfig, AutoencoderKL};
use mitune_diffusion::weights::{Dtype as FileDtype, SafetensorsFile, load_module};
use mitune_store::{Artifact, DirectoryEntry, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::autoencoder_training::image_batch;
use super::data_config::ShapesDataConfig;
use super::denoiser_training::{
    ConditionalDenoiser, denoiser_noise, denoising_loss, timestep_batch, token_tensor,
};
use super::training_config::TrainingConfig;
use crate::model_source::{MODEL_PORT, ModelSource};
use crate::reference::Reference;
use crate::registry::StageConfig;
use crate::shapes::caption::words;
use crate::shapes::data::ShapesData;
use crate::stage::{
    Content, Dtype, InputPort, OutputPort, Stage, StageContext, StageDefaults, StageError, StageOutput,
    keyed_config,
};
use crate::training_run::TrainingRun;

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
    #[serde(default = "one")]
    pub layers_per_block: usize,
    /// Groups of the group norms. By default, 16.
    #[serde(default = "sixteen")]
    pub norm_groups: usize,
    /// Attention heads of the denoiser and of the text encoder. By default, 4.
    #[serde(default = "four")]
    pub heads: usize,
    /// Width of the text encoder. By default, 96.
    #[serde(default = "ninety_six")]
    pub text_width: usize,
    /// Layers of the text encoder. By default, 2.
    #[serde(default = "two")]
    pub text_layers: usize,
    /// Tokens to a prompt, start and end included. By default, 16.
    #[serde(default = "sixteen")]
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

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn four() -> usize {
    4
}

fn sixteen() -> usize {
    16
}

fn ninety_six() -> usize {
    96
}

impl StageConfig for PretrainDenoiserConfig {
    const KIND: &'static str = "pretrain_denoiser";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
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

/// The settings do not describe the networks of the model to go on from.
#[derive(Debug, thiserror::Error)]
#[error(
    "Model of `model_from` has another {0} than these settings describe: give the settings it was made with"
)]
struct OtherNetworks(&'static str);

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

    fn revision(&self) -> u32 {
        1
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

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let temporary = tempfile::tempdir().map_err(StageError::failed)?;
        let device = context.device()?;
        let (vae_config, autoencoder) = load_autoencoder(context, temporary.path(), device)?;
        let tokenizer = self.tokenizer(&temporary.path().join("tokenizer"))?;
        let unet_config = self.unet_config(&vae_config)?;
        let text_config = self.text_config(&tokenizer);
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
        let mut trainer = Trainer::new(networks, settings).map_err(StageError::configuration)?;
        let run = TrainingRun {
            context,
            steps,
            checkpoint_every,
        };
        let curve = run.complete(&mut trainer, |trainer, step| self.update(trainer, &teacher, step))?;
        let ConditionalDenoiser { unet, text_encoder } = trainer.averaged_module().valid();
        let Teacher {
            autoencoder: vae,
            tokenizer,
            ..
        } = teacher;
        let model = DiffusionModel {
            unet,
            vae,
            text_encoder,
            tokenizer,
            unet_config,
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
    fn update(
        &self,
        trainer: &mut Trainer<ConditionalDenoiser>,
        teacher: &Teacher,
        step: u64,
    ) -> Result<UpdateReport, TrainingError> {
        let size = self.config.training.batch_size;
        let latents = teacher
            .autoencoder
            .encode(image_batch(&self.data, step, size, &teacher.device))
            .0;
        let timesteps = timestep_batch(self.seed, step, size, teacher.schedule.len() as u32);
        let noise = denoiser_noise(latents.dims(), self.seed, step, &teacher.device);
        let noised = add_noise(&teacher.schedule, latents, noise.clone(), &timesteps)
            .expect("timesteps are drawn below the length of the schedule");
        let tracked = |values: Tensor<4>| Tensor::<4>::from_data(values.into_data(), &teacher.tracked);
        let (noised, noise) = (tracked(noised), tracked(noise));
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
        let ids = token_tensor(&ids, &teacher.tracked);
        trainer.update([()], |networks, ()| {
            denoising_loss(networks, noised.clone(), &timesteps, ids.clone(), noise.clone())
        })
    }

    fn tokenizer(&self, folder: &Path) -> Result<Tokenizer, StageError> {
        std::fs::create_dir_all(folder).map_err(StageError::failed)?;
        let vocabulary = VocabularyBuilder::new(words()).map_err(StageError::failed)?;
        vocabulary
            .write(folder, self.config.context_length)
            .map_err(StageError::failed)?;
        Tokenizer::from_directory(folder).map_err(StageError::failed)
    }

    fn unet_config(&self, vae: &AutoencoderConfig) -> Result<UNet2DConditionConfig, StageError> {
        let levels = self.config.channels.len();
        let json = json!({
            "sample_size": crate::shapes::render::SIDE / vae.downscale(),
            "in_channels": vae.latent_channels,
            "out_channels": vae.latent_channels,
            "down_block_types": vec!["CrossAttnDownBlock2D"; levels],
            "up_block_types": vec!["CrossAttnUpBlock2D"; levels],
            "block_out_channels": self.config.channels,
            "layers_per_block": self.config.layers_per_block,
            "cross_attention_dim": self.config.text_width,
            "attention_head_dim": self.config.heads,
            "norm_num_groups": self.config.norm_groups,
            "use_linear_projection": true,
        });
        serde_json::from_value(json).map_err(StageError::configuration)
    }

    fn text_config(&self, tokenizer: &Tokenizer) -> ClipTextConfig {
        let size = tokenizer.vocabulary_size();
        let end = Some(size as i64 - 1);
        ClipTextConfig {
            vocab_size: size,
            hidden_size: self.config.text_width,
            intermediate_size: 4 * self.config.text_width,
            projection_dim: self.config.text_width,
            num_hidden_layers: self.config.text_layers,
            num_attention_heads: self.config.heads,
            max_position_embeddings: self.config.context_length,
            bos_token_id: Some(size as i64 - 2),
            eos_token_id: end,
            pad_token_id: end,
            ..ClipTextConfig::default()
        }
    }
}

fn load_autoencoder(
    context: &StageContext<'_>,
    temporary: &Path,
    device: &Device,
) -> Result<(AutoencoderConfig, AutoencoderKL), StageError> {
    let folder = temporary.join("vae");
    context.store().export(context.input("autoencoder")?, &folder)?;
    let config = std::fs::read(folder.join("config.json")).map_err(StageError::failed)?;
    let config: AutoencoderConfig = serde_json::from_slice(&config).map_err(StageError::failed)?;
    let network = AutoencoderKL::new(&config, device).map_err(StageError::failed)?;
    let weights = SafetensorsFile::open(&folder.join("diffusion_pytorch_model.safetensors"))
        .map_err(StageError::failed)?;
    let network =
        load_module(network, &weights, &AUTOENCODER_NAMES, FloatDType::F32).map_err(StageError::failed)?;
    Ok((config, network))
}

/// The networks of a model that another stage trained; they must have the shapes that the settings ask for.
fn load_networks(
    context: &StageContext<'_>,
    reference: &Reference,
    unet_config: &UNet2DConditionConfig,
    text_config: &ClipTextConfig,
) -> Result<ConditionalDenoiser, StageError> {
    let open = ModelSource::Stage(reference.clone()).open(context)?;
    let model = open.load(context, None, context.device()?, Dtype::F32)?;
    if model.unet_config != *unet_config {
        return Err(StageError::configuration(OtherNetworks("denoiser")));
    }
    if model.text_config != *text_config {
        return Err(StageError::configuration(OtherNetworks("text encoder")));
    }
    Ok(ConditionalDenoiser {
        unet: model.unet,
        text_encoder: model.text_encoder,
    })
}

/// Stores the model in diffusers' layout with weights in half precision, which is how it is shipped.
fn put_model(
    context: &StageContext<'_>,
    model: &DiffusionModel,
    temporary: &Path,
) -> Result<Artifact, StageError> {
    let folder = temporary.join("model");
    model
        .write(&folder, Some(FileDtype::F16))
        .map_err(StageError::failed)?;
    let mut entries = Vec::new();
    collect_files(&folder, "", &mut entries).map_err(StageError::failed)?;
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(context.store().put_directory(&entries)?)
}

fn collect_files(
    folder: &Path,
    prefix: &str,
    entries: &mut Vec<(String, DirectoryEntry)>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect_files(&entry.path(), &format!("{name}/"), entries)?;
        } else {
            entries.push((name, DirectoryEntry::Bytes(std::fs::read(entry.path())?)));
        }
    }
    Ok(())
}
