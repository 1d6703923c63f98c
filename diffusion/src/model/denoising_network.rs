//! The denoising network of a model, whichever it is.
//!
//! This is the one place that tells networks apart: whoever samples, scores, adapts or trains asks for what it needs.

use std::sync::Arc;

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor};
use burn::tensor::{Device, Tensor};
use serde_json::{Value, json};

use super::write::with_fields;
use crate::conditioning::Conditioning;
use crate::denoiser::{Denoiser, DenoiserError, DenoiserInput, DenoiserOutput, DenoiserShape};
use crate::nn::layers::{AdaptTarget, AdaptableLayer};
use crate::nn::weights::TensorMap;
use crate::training::TrainableDenoiser;
use crate::unet::{UNet2DConditionConfig, UNet2DConditionModel};

/// A denoising network with the settings it was made by.
///
/// As a module it is the network itself: parameters have no other names than in the network, so that checkpoints and
/// initial values do not depend on what stands around it.
#[derive(Debug, Clone)]
pub struct DenoisingNetwork {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    // Settings are shared, because trainings and references clone networks.
    UNet(UNet2DConditionModel, Arc<UNet2DConditionConfig>),
}

impl DenoisingNetwork {
    /// Takes a U-Net and the settings it was made by.
    pub fn of_unet(network: UNet2DConditionModel, config: UNet2DConditionConfig) -> Self {
        Self {
            kind: Kind::UNet(network, Arc::new(config)),
        }
    }

    /// Gives the U-Net back, if the network is one of exactly these settings.
    pub fn into_unet(self, config: &UNet2DConditionConfig) -> Option<UNet2DConditionModel> {
        match self.kind {
            Kind::UNet(network, own) => (*own == *config).then_some(network),
        }
    }

    /// What can be known of the denoiser without knowing the network.
    pub fn denoiser_shape(&self) -> DenoiserShape {
        match &self.kind {
            Kind::UNet(_, config) => config.denoiser_shape(),
        }
    }

    /// Counts the floating point operations of one forward pass, those of matrix products alone.
    ///
    /// # Shapes
    /// - latents: `[batch, channels, height, width]`
    /// - context: `[batch, tokens, ..]`
    pub fn forward_operations(&self, batch: usize, size: [usize; 2], tokens: usize) -> u64 {
        match &self.kind {
            Kind::UNet(_, config) => config.forward_operations(batch, size, tokens),
        }
    }

    /// The shape that a weight has in files, which may differ from its shape in the network.
    pub fn stored_shape(&self, name: &str, shape: &[usize]) -> Vec<usize> {
        match &self.kind {
            Kind::UNet(_, config) => config.stored_shape(name, shape),
        }
    }

    /// Predicts for a batch of latents, each with its own timestep and prompt.
    ///
    /// # Shapes
    /// - latents and output: `[batch, channels, height, width]`, in the dtype of the weights
    /// - timesteps: `[batch]`, f32
    /// - conditioning: one row per latent
    ///
    /// # Panics
    /// The conditioning is not what the network was built to read.
    pub fn forward(
        &self,
        latents: Tensor<4>,
        timesteps: Tensor<1>,
        conditioning: impl Into<Conditioning>,
    ) -> Tensor<4> {
        match &self.kind {
            Kind::UNet(network, _) => network.forward(latents, timesteps, conditioning),
        }
    }

    /// The network's configuration file as diffusers writes it.
    pub(super) fn config_file(&self) -> Value {
        match &self.kind {
            Kind::UNet(_, config) => {
                with_fields(&**config, &[("_class_name", json!("UNet2DConditionModel"))])
            }
        }
    }

    /// Every weight on the host, under its name and in its shape in files.
    pub(super) fn stored_tensors(&self) -> TensorMap {
        match &self.kind {
            Kind::UNet(network, config) => network.stored_tensors(config),
        }
    }
}

impl Denoiser for DenoisingNetwork {
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        match &self.kind {
            Kind::UNet(network, _) => network.denoise(input),
        }
    }
}

impl TrainableDenoiser for DenoisingNetwork {
    type Conditioning = Conditioning;

    fn predict_each(&self, noisy: Tensor<4>, timesteps: Tensor<1>, conditioning: Conditioning) -> Tensor<4> {
        self.forward(noisy, timesteps, conditioning)
    }
}

impl AdaptTarget for DenoisingNetwork {
    fn layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        match &mut self.kind {
            Kind::UNet(network, _) => network.layers_mut(visit),
        }
    }
}

// Derived, the network would be a part of the module, and its name would stand before every parameter's.
impl Module for DenoisingNetwork {
    fn collect_devices(&self, devices: Devices) -> Devices {
        match &self.kind {
            Kind::UNet(network, _) => network.collect_devices(devices),
        }
    }

    fn fork(self, device: &Device) -> Self {
        let kind = match self.kind {
            Kind::UNet(network, config) => Kind::UNet(network.fork(device), config),
        };
        Self { kind }
    }

    fn to_device(self, device: &Device) -> Self {
        let kind = match self.kind {
            Kind::UNet(network, config) => Kind::UNet(network.to_device(device), config),
        };
        Self { kind }
    }

    fn train(self) -> Self {
        let kind = match self.kind {
            Kind::UNet(network, config) => Kind::UNet(network.train(), config),
        };
        Self { kind }
    }

    fn valid(&self) -> Self {
        let kind = match &self.kind {
            Kind::UNet(network, config) => Kind::UNet(network.valid(), Arc::clone(config)),
        };
        Self { kind }
    }

    fn materialize(self) -> Self {
        let kind = match self.kind {
            Kind::UNet(network, config) => Kind::UNet(network.materialize(), config),
        };
        Self { kind }
    }

    fn num_params(&self) -> usize {
        match &self.kind {
            Kind::UNet(network, _) => network.num_params(),
        }
    }

    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        match &self.kind {
            Kind::UNet(network, _) => network.visit(visitor),
        }
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        let kind = match self.kind {
            Kind::UNet(network, config) => Kind::UNet(network.map(mapper), config),
        };
        Self { kind }
    }
}
