//! The stage `pretrain_autoencoder`: an autoencoder of the shapes world, trained from nothing.

use burn::module::Module;
use burn::tensor::{Device, FloatDType};
use mitune_diffusion::nn::weights::{HostTensor, TensorMap, encode_safetensors, load_module, module_tensors};
use mitune_diffusion::training::{ObjectiveTrainer, initialize, train_only};
use mitune_diffusion::vae::{AUTOENCODER_NAMES, AutoencoderConfig, AutoencoderKL};
use mitune_store::{DirectoryEntry, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autoencoder_training::{NumberedImages, Reconstruction, ReconstructionLoss, image_batch};
use super::data_config::ShapesDataConfig;
use super::latent_normalization::{ChannelMoments, LatentConvolutions};
use super::training_config::TrainingConfig;
use crate::contract::demand::check_network;
use crate::contract::setting_defaults::{fraction, whole};
use crate::contract::{
    Content, Dtype, ExpectedTable, InputPort, OutputPort, Stage, StageConfig, StageContext, StageDefaults,
    StageError, StageOutput, keyed_config,
};
use crate::shapes::data::ShapesData;
use crate::shapes::render::SIDE;
use crate::tables::schema;
use crate::training::training_run::TrainingRun;

/// Batches over which latents are measured, and images to each.
const MEASURED: (u64, usize) = (20, 64);

/// First of these batches, beyond the data of a training of any usual length.
const MEASURED_FROM: u64 = 100_000;

/// Trains an autoencoder of the shapes world from nothing, with latents of zero mean and unit variance.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainAutoencoderConfig {
    /// Channels of each level, finest first; each further level halves the image.
    pub channels: Vec<usize>,
    /// Groups of the group norms. By default, 8.
    #[serde(default = "whole::<usize, 8>")]
    pub norm_groups: usize,
    /// Training data.
    #[serde(default)]
    pub data: ShapesDataConfig,
    /// Weight of the mean absolute error beside the mean squared error. By default, 0.3.
    #[serde(default = "fraction::<3, 10>")]
    pub absolute_error: f64,
    /// Weight of the Kullback-Leibler divergence of an image's latent. By default, 1e-6.
    #[serde(default = "fraction::<1, 1_000_000>")]
    pub divergence: f64,
    /// Optimizer and length.
    pub training: TrainingConfig,
    /// Seed of weights and noise. By default, the pipeline's.
    #[serde(default)]
    pub seed: Option<u64>,
}

impl StageConfig for PretrainAutoencoderConfig {
    const KIND: &'static str = "pretrain_autoencoder";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        check_network(&self.channels, 1, 0, 0)?;
        let mut network = AutoencoderConfig::new(self.channels.clone());
        network.norm_num_groups = self.norm_groups;
        network.sample_size = SIDE;
        network.scaling_factor = 1.0;
        network.validate().map_err(StageError::configuration)?;
        let data = self.data.open()?;
        let seed = self.seed.unwrap_or(defaults.seed);
        Ok(Box::new(PretrainAutoencoder {
            config: Self {
                seed: Some(seed),
                ..self
            },
            network,
            data,
            seed,
        }))
    }
}

struct PretrainAutoencoder {
    config: PretrainAutoencoderConfig,
    network: AutoencoderConfig,
    data: ShapesData,
    seed: u64,
}

impl Stage for PretrainAutoencoder {
    fn kind(&self) -> &'static str {
        PretrainAutoencoderConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &[])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[
            OutputPort {
                name: "autoencoder",
                content: Content::Autoencoder,
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
        let device = context.device()?;
        let tracked = device.clone().autodiff();
        let network = AutoencoderKL::new(&self.network, device).map_err(StageError::configuration)?;
        let network = initialize(train_only(network, |_| true), self.seed);
        let TrainingConfig {
            steps,
            batch_size,
            checkpoint_every,
            ..
        } = self.config.training;
        let objective = Reconstruction {
            weights: ReconstructionLoss {
                absolute: self.config.absolute_error,
                divergence: self.config.divergence,
            },
            seed: self.seed,
        };
        let settings = self.config.training.settings();
        let mut trainer =
            ObjectiveTrainer::new(network, objective, settings).map_err(StageError::configuration)?;
        let run = TrainingRun {
            context,
            steps,
            checkpoint_every,
        };
        let curve = run.complete(&mut trainer, |index| {
            let images = image_batch(&self.data, index, batch_size, &tracked);
            [NumberedImages { index, images }]
        })?;
        let trained = trainer.trainer().averaged_module().valid();
        let (tensors, error) = self.normalized(trained, device)?;
        let config = serde_json::to_vec_pretty(&self.network).map_err(StageError::failed)?;
        let weights = encode_safetensors(&tensors, None).map_err(StageError::failed)?;
        let artifact = context.store().artifacts().put_directory(&[
            ("config.json".to_owned(), DirectoryEntry::Bytes(config)),
            (
                "diffusion_pytorch_model.safetensors".to_owned(),
                DirectoryEntry::Bytes(weights),
            ),
        ])?;
        let losses = curve.put(context)?;
        let mut output = StageOutput::one("autoencoder", artifact).with_metric("squared_error", error);
        if let Some(loss) = curve.recent_loss(50) {
            output = output.with_metric("loss", loss);
        }
        output.outputs.insert("losses".to_owned(), losses);
        Ok(output)
    }
}

impl PretrainAutoencoder {
    /// Returns the weights with latents normalized, and the mean squared error of the reconstruction.
    fn normalized(&self, trained: AutoencoderKL, device: &Device) -> Result<(TensorMap, f64), StageError> {
        let (batches, size) = MEASURED;
        let mut latents = Vec::new();
        for batch in 0..batches {
            let images = image_batch(&self.data, MEASURED_FROM + batch, size, device);
            let mean = trained.encode(images).0;
            latents.extend(mean.try_into_vec_as::<f32>().map_err(StageError::failed)?);
        }
        let channels = self.network.latent_channels;
        let side = SIDE / self.network.downscale();
        let moments = ChannelMoments::measure(&latents, channels, side * side);
        let mut tensors = module_tensors(&trained, &AUTOENCODER_NAMES);
        normalize(&mut tensors, &moments)?;
        let network = load_module(trained, &tensors, &AUTOENCODER_NAMES, FloatDType::F32)
            .map_err(StageError::failed)?;
        let images = image_batch(&self.data, MEASURED_FROM + batches, size, device);
        let decoded = network.decode(network.encode(images.clone()).0);
        let error = (decoded - images)
            .square()
            .mean()
            .try_into_scalar::<f32>()
            .map_err(StageError::failed)?;
        Ok((tensors, f64::from(error)))
    }
}

fn normalize(tensors: &mut TensorMap, moments: &ChannelMoments) -> Result<(), StageError> {
    let names = [
        "quant_conv.weight",
        "quant_conv.bias",
        "post_quant_conv.weight",
        "post_quant_conv.bias",
    ];
    let read = |name: &str| match tensors.get(name) {
        Some(tensor) => tensor.to_f32().map_err(StageError::failed),
        None => Err(StageError::failed(MissingTensor {
            name: name.to_owned(),
        })),
    };
    let mut convolutions = LatentConvolutions {
        quant_weight: read(names[0])?,
        quant_bias: read(names[1])?,
        post_quant_weight: read(names[2])?,
        post_quant_bias: read(names[3])?,
    };
    convolutions.normalize(moments);
    let LatentConvolutions {
        quant_weight,
        quant_bias,
        post_quant_weight,
        post_quant_bias,
    } = convolutions;
    for (name, values) in
        names
            .into_iter()
            .zip([quant_weight, quant_bias, post_quant_weight, post_quant_bias])
    {
        if let Some(tensor) = tensors.get_mut(name) {
            *tensor = HostTensor::from_f32(&values, tensor.shape.clone());
        }
    }
    Ok(())
}

/// The network lacks a layer that every autoencoder of this stage has.
#[derive(Debug, thiserror::Error)]
#[error("Autoencoder has no tensor `{name}`")]
struct MissingTensor {
    name: String,
}
