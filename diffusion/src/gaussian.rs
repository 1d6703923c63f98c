//! The exact denoiser of Gaussian data: the closed form that samplers and scores are checked with.
//!
//! Every element of the data is standard normal, and with a prompt of value `p` it is normal with
//! mean `rho * p` and variance `1 - rho^2`, so prompt and element have correlation `rho` and
//! mutual information `-ln(1 - rho^2) / 2`. The best possible prediction of the noise is then a
//! line in the noisy latent.

use burn::tensor::{Device, Tensor};

use crate::conditioning::Conditioning;
use crate::denoiser::{Denoiser, DenoiserError, DenoiserInput, DenoiserOutput};
use crate::prediction::PredictionType;
use crate::schedule::NoiseSchedule;

/// The optimal denoiser of correlated Gaussian prompts and latents.
#[derive(Debug, Clone)]
pub(crate) struct GaussianDenoiser {
    /// The noise schedule it answers for.
    pub(crate) schedule: NoiseSchedule,
    /// What it outputs.
    pub(crate) prediction: PredictionType,
    /// The correlation of the prompt with each element, inside (-1, 1).
    pub(crate) correlation: f64,
}

impl GaussianDenoiser {
    /// Encodes a prompt of the given value as a context of shape `[1, 1, 2]`.
    pub(crate) fn conditional(value: f32, device: &Device) -> Conditioning {
        Tensor::<3>::from_floats([[[1.0, value]]], device).into()
    }

    /// Encodes the absence of a prompt as a context of shape `[1, 1, 2]`.
    pub(crate) fn unconditional(device: &Device) -> Conditioning {
        Tensor::<3>::from_floats([[[0.0, 0.0]]], device).into()
    }
}

impl Denoiser for GaussianDenoiser {
    /// Predicts from context rows of (1 with a prompt, else 0; the prompt's value).
    ///
    /// Between training timesteps the noise level is interpolated as Euler's scheduler does.
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        if input.attention_maps.is_some() {
            return Err(DenoiserError::NoAttentionMaps);
        }
        let latents = input.latents;
        let left = self.schedule.alpha_cumprod_at(input.level.timestep);
        let context = &input.conditioning.context;
        let batch = latents.dims()[0];
        let column = |i| context.clone().narrow(2, i, 1).reshape([batch, 1, 1, 1]);
        let mean = column(0) * column(1).mul_scalar(self.correlation);
        let variance = column(0)
            .mul_scalar(-left * self.correlation * self.correlation)
            .add_scalar(1.0);
        let distance = latents.clone() - mean.mul_scalar(left.sqrt());
        let epsilon = distance.mul_scalar((1.0 - left).sqrt()) / variance;
        let mix = self.prediction.epsilon(left);
        let prediction = (epsilon - latents.clone().mul_scalar(mix.sample)).div_scalar(mix.output);
        Ok(prediction.into())
    }
}
