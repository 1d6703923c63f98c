//! The U-Net as a denoiser like any other.

use burn::tensor::{DType, Tensor};

use super::config::UNet2DConditionConfig;
use super::model::UNet2DConditionModel;
use crate::conditioning::Conditioning;
use crate::denoiser::{Denoiser, DenoiserError, DenoiserInput, DenoiserOutput, DenoiserShape};

impl Denoiser for UNet2DConditionModel {
    /// Evaluates the network, and computes attention with plain operations where maps are wanted, because the
    /// kernels never hold them.
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let wanted = input.attention_maps;
        if wanted.is_some() && !self.has_attention() {
            return Err(DenoiserError::NoAttentionMaps);
        }
        self.check(input.conditioning)?;
        let dtype = self.conv_in.weight.val().dtype();
        let latents = input.latents;
        let timesteps = Tensor::full(
            [latents.dims()[0]],
            input.level.timestep,
            (&latents.device(), DType::F32),
        );
        let (prediction, maps) = self.forward_recorded(
            latents.clone().cast(dtype),
            timesteps,
            input.conditioning.clone().cast(dtype),
            wanted,
        );
        if wanted.is_some() && maps.is_empty() {
            return Err(DenoiserError::NoSuchAttention);
        }
        Ok(DenoiserOutput {
            attention_maps: wanted.map(|_| maps),
            ..prediction.into()
        })
    }
}

impl UNet2DConditionModel {
    /// Checks that the network is told what it was built to read.
    fn check(&self, conditioning: &Conditioning) -> Result<(), DenoiserError> {
        let refused = |reason| Err(DenoiserError::Conditioning { reason });
        let (keys, values) = (conditioning.context.dims(), conditioning.value_context.as_ref());
        if values.is_some_and(|values| values.dims() != keys) {
            return refused("values of attention come from other tokens than its keys");
        }
        if let Some(further) = &conditioning.key_contexts {
            let shares = [keys[0], 1 + further.contexts.len()];
            if further.contexts.iter().any(|one| one.dims() != keys) || further.weights.dims() != shares {
                return refused("further keys of attention come from other tokens or have no weights");
            }
        }
        match (self.add_embedding.is_some(), &conditioning.added) {
            (false, None) => Ok(()),
            (false, Some(_)) => refused("the U-Net reads no pooled vector"),
            (true, None) => refused("the U-Net reads a pooled vector, and there is none"),
            (true, Some(added)) if added.time_ids.is_none() => {
                refused("the U-Net reads the sizes of images, and there are none")
            }
            (true, Some(_)) => Ok(()),
        }
    }
}

impl UNet2DConditionConfig {
    /// What can be known of the network without knowing its architecture.
    pub fn denoiser_shape(&self) -> DenoiserShape {
        let halvings = self.block_out_channels.len().saturating_sub(1);
        DenoiserShape {
            latent_channels: self.in_channels,
            sample_size: self.sample_size,
            side_step: 1 << halvings,
            first_layer_channels: self.block_out_channels.first().copied().unwrap_or(1),
            context_features: self.cross_attention_dim.first().copied().unwrap_or(1),
            pooled_features: self.addition.map(|addition| addition.text_features()),
        }
    }
}
