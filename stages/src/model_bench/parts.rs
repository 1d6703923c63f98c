//! The parts of a model that are measured.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Distribution, FloatDType, Tensor};
use mitune_diffusion::conditioning::{AddedConditioning, Conditioning};
use mitune_diffusion::model::{DenoisingNetwork, ModelDirectory};
use mitune_diffusion::scheduler::SchedulerConfig;
use mitune_diffusion::vae::{AutoencoderConfig, AutoencoderKL};

use super::BenchModel;
use crate::contract::{Dtype, StageError};
use crate::models::model_source::float_dtype;

/// The networks that take time; the text encoder runs once per prompt. A clone shares all tensors.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) network: DenoisingNetwork,
    pub(super) vae: AutoencoderKL,
    pub(super) vae_config: AutoencoderConfig,
    pub(super) scheduler: SchedulerConfig,
    /// Tokens of a prompt.
    pub(super) tokens: usize,
    pub(super) device: Device,
    pub(super) dtype: FloatDType,
}

/// A device and an element type.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) device: &'a Device,
    pub(super) dtype: FloatDType,
}

impl Place<'_> {
    /// Draws a tensor from the normal distribution.
    pub(super) fn normal<const D: usize>(self, shape: [usize; D]) -> Tensor<D> {
        let values = Tensor::<D>::random(shape, Distribution::Normal(0.0, 1.0), (self.device, DType::F32));
        values.cast(self.dtype)
    }
}

impl Parts {
    pub(super) fn load(model: &BenchModel, device: &Device, dtype: Dtype) -> Result<Self, StageError> {
        let dtype = float_dtype(dtype);
        let unusable = StageError::configuration;
        Ok(match model {
            BenchModel::Directory(path) => {
                let directory = ModelDirectory::open(path).map_err(unusable)?;
                Self {
                    network: directory.load_network(device, dtype).map_err(unusable)?,
                    vae: directory.load_vae(device, dtype).map_err(unusable)?,
                    vae_config: directory.vae_config().clone(),
                    scheduler: directory.scheduler_config().clone(),
                    tokens: directory.text_config().max_position_embeddings,
                    device: device.clone(),
                    dtype,
                }
            }
            BenchModel::Random(architecture) => Self {
                network: architecture.network(0, device, dtype).map_err(unusable)?,
                vae: architecture.vae(0, device, dtype).map_err(unusable)?,
                vae_config: architecture.vae_config().map_err(unusable)?,
                scheduler: SchedulerConfig::stable_diffusion(),
                tokens: architecture
                    .text_configs()
                    .map_err(unusable)?
                    .first()
                    .map_or(77, |text| text.max_position_embeddings),
                device: device.clone(),
                dtype,
            },
        })
    }

    /// Random prompts as the denoiser reads them.
    pub(super) fn conditioning(&self, batch: usize, place: Place<'_>) -> Conditioning {
        let shape = self.network.denoiser_shape();
        let added = shape.pooled_features.map(|pooled| AddedConditioning {
            text_embeds: place.normal([batch, pooled]),
            time_ids: Some(place.normal([batch, 6])),
        });
        Conditioning {
            context: place.normal([batch, self.tokens, shape.context_features]),
            value_context: None,
            key_contexts: None,
            added,
        }
    }

    /// Where inputs of the networks are.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            device: &self.device,
            dtype: self.dtype,
        }
    }

    /// The denoiser alone, in f32, for training.
    pub(super) fn into_network(self) -> DenoisingNetwork {
        match self.dtype {
            FloatDType::F32 => self.network,
            _ => self.network.map(&mut Widen),
        }
    }
}

struct Widen;

impl ModuleMapper for Widen {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|values| values.cast(DType::F32))
    }
}
