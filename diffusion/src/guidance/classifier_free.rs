//! Classifier-free guidance: a denoiser asked with and without the prompt.

use burn::tensor::{DType, FloatDType, Tensor};

use crate::conditioning::Conditioning;
use crate::denoiser::{
    AttentionMap, Branches, Denoiser, DenoiserError, DenoiserInput, DenoiserOutput, NoiseLevel,
};

/// A denoiser asked with and without the prompt in one batched call (Ho and Salimans 2022).
///
/// It predicts `unconditional + scale (conditional - unconditional)`, and hands out both answers as
/// [`Branches`]. Attention maps are those with the prompt.
pub struct ClassifierFreeGuidance<'a> {
    denoiser: &'a dyn Denoiser,
    unconditional: Conditioning,
    scale: f64,
    /// What the branches compare with, where it is not what guides.
    baseline: Option<Conditioning>,
}

impl<'a> ClassifierFreeGuidance<'a> {
    /// Guides away from one unconditional row; a scale of 1 is the plain conditional answer.
    pub fn new(denoiser: &'a dyn Denoiser, unconditional: Conditioning, scale: f64) -> Self {
        Self {
            denoiser,
            unconditional,
            scale,
            baseline: None,
        }
    }

    /// Compares with the answer for `baseline`, one row, in the branches rather than with the one that
    /// guides: for a negative prompt, which says nothing about the image without a prompt. It costs a
    /// further evaluation, half as much again.
    #[must_use]
    pub fn comparing_with(self, baseline: Conditioning) -> Self {
        Self {
            baseline: Some(baseline),
            ..self
        }
    }

    /// Evaluates both branches: unconditional rows first, then conditional ones.
    pub(super) fn both(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let latents = Tensor::cat(vec![input.latents.clone(), input.latents.clone()], 0);
        let unconditional = self.unconditional.clone().repeat(input.conditioning.batch());
        let conditioning = Conditioning::cat(vec![unconditional, input.conditioning.clone()]);
        self.denoiser.denoise(&DenoiserInput {
            latents: &latents,
            conditioning: &conditioning,
            ..*input
        })
    }

    /// The two answers of which scores are measured, from those that guide.
    pub(super) fn branches(
        &self,
        conditional: &Tensor<4>,
        unconditional: &Tensor<4>,
        difference: &Tensor<4>,
        input: &DenoiserInput<'_>,
    ) -> Result<Branches, DenoiserError> {
        let conditional = conditional.clone();
        let Some(baseline) = &self.baseline else {
            return Ok(Branches {
                conditional,
                baseline: unconditional.clone(),
                difference: difference.clone(),
            });
        };
        let baseline = self.baseline(baseline, input.latents, input.level)?;
        Ok(Branches {
            difference: conditional.clone() - baseline.clone(),
            conditional,
            baseline,
        })
    }

    fn baseline(
        &self,
        conditioning: &Conditioning,
        latents: &Tensor<4>,
        level: NoiseLevel,
    ) -> Result<Tensor<4>, DenoiserError> {
        let rows = conditioning.clone().repeat(latents.dims()[0]);
        Ok(in_f32(self.denoiser.predict(latents, level, &rows)?))
    }
}

impl Denoiser for ClassifierFreeGuidance<'_> {
    /// Evaluates both branches and guides.
    ///
    /// # Panics
    /// The prompts do not [fit](Conditioning::fits) the unconditional row.
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let batch = input.latents.dims()[0];
        let output = self.both(input)?;
        let both = in_f32(output.prediction);
        let unconditional = both.clone().narrow(0, 0, batch);
        let conditional = both.narrow(0, batch, batch);
        let difference = conditional.clone() - unconditional.clone();
        let branches = self.branches(&conditional, &unconditional, &difference, input)?;
        let prediction = match self.scale == 1.0 {
            true => conditional,
            false => unconditional + difference.mul_scalar(self.scale),
        };
        let with_prompt = |map: AttentionMap| map.narrow(batch, batch);
        Ok(DenoiserOutput {
            prediction,
            branches: Some(branches),
            attention_maps: output
                .attention_maps
                .map(|maps| maps.into_iter().map(with_prompt).collect()),
        })
    }
}

/// Converts to `f32` where it is something else, since a network may answer in its own type.
pub(crate) fn in_f32(values: Tensor<4>) -> Tensor<4> {
    if values.dtype() == DType::F32 {
        values
    } else {
        values.cast(FloatDType::F32)
    }
}
