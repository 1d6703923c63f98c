//! Whether what is computed for an image depends on the images beside it.

use burn::tensor::{DType, Tensor};
use mitune_diffusion::conditioning::Conditioning;
use serde::Serialize;

use super::comparison::allowed;
use super::numbers::{Inputs, level_of};
use super::relative_error::relative_error;
use crate::contract::{Dtype, StageError};
use crate::models::loaded_model::LoadedModel;

/// Images of the batch.
const BATCH: usize = 4;
const TIMESTEP: f64 = 500.0;

/// Largest relative errors of the denoiser's output for an image, by what changed around it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CompanyReport {
    /// The same batch again.
    pub again: f64,
    /// The same images in reverse order.
    pub order: f64,
    /// Each image alone.
    pub batch: f64,
    /// The largest that rounding explains.
    pub allowed: f64,
}

impl CompanyReport {
    pub(super) fn passed(&self) -> bool {
        [self.again, self.order, self.batch]
            .iter()
            .all(|error| *error <= self.allowed)
    }
}

pub(super) fn measure(loaded: &LoadedModel, dtype: Dtype) -> Result<CompanyReport, StageError> {
    let inputs = Inputs::of(loaded)?;
    let latents = inputs.latents("company", BATCH);
    let prompts = inputs.conditioning(BATCH);
    let level = level_of(loaded, TIMESTEP)?;
    let predict = |latents: &Tensor<4>, prompts: &Conditioning| {
        let output = loaded.model.denoiser().predict(latents, level, prompts);
        rows(output.map_err(StageError::failed)?)
    };
    let row = |index: usize| latents.clone().narrow(0, index, 1);
    let prompt = |index: usize| prompts.clone().narrow(index, 1);
    let reversed = || (0..BATCH).rev();
    let together = predict(&latents, &prompts)?;
    let again = predict(&latents, &prompts)?;
    let mut in_reverse = predict(
        &Tensor::cat(reversed().map(row).collect(), 0),
        &Conditioning::cat(reversed().map(prompt).collect()),
    )?;
    in_reverse.reverse();
    let mut alone = Vec::new();
    for index in 0..BATCH {
        alone.extend(predict(&row(index), &prompt(index))?);
    }
    let worst = |others: &[Vec<f32>]| {
        let errors = together.iter().zip(others).map(|(a, b)| relative_error(a, b));
        // An error that is no number counts as the largest.
        errors.fold(0.0, |worst: f64, error| match error.is_nan() {
            true => f64::INFINITY,
            false => worst.max(error),
        })
    };
    Ok(CompanyReport {
        again: worst(&again),
        order: worst(&in_reverse),
        batch: worst(&alone),
        allowed: allowed("denoiser", dtype),
    })
}

fn rows(output: Tensor<4>) -> Result<Vec<Vec<f32>>, StageError> {
    let images = output.dims()[0];
    let values: Vec<f32> = output
        .cast(DType::F32)
        .try_into_vec_as()
        .map_err(StageError::failed)?;
    let size = values.len() / images;
    Ok(values.chunks(size).map(<[f32]>::to_vec).collect())
}
