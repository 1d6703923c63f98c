//! Scores of finished latents: noise is put on them, and the denoiser is asked about it.
//!
//! One batched call per timestep and noise gives every score at once. With `e` the true noise and
//! `e_c`, `e_u` its predictions with and without the prompt:
//! - `mi_signed`: `kappa (|e - e_u|^2 - |e - e_c|^2)`, the point-wise log ratio of `p(x|c)` and
//!   `p(x)`; negative when the prompt misleads the denoiser about this image;
//! - `mi_forward`: `kappa |e_c - e_u|^2`, MI-TUNE's estimate for an image made elsewhere;
//! - `itm`: `-|e - e_c|`, DiffusionITM for choosing a caption; `itm_normalised` subtracts the
//!   same norm without the prompt, for choosing an image.
//!
//! Squares and norms run over all elements; scores are means over timesteps and noises. The noise
//! is named by a key the caller chooses and is the same for every latent of a call, so that
//! comparing candidates does not compare their luck.

mod error;
mod errors;
#[cfg(test)]
mod given_images_tests;
mod settings;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use burn::tensor::{DType, Tensor, TensorData};

use crate::conditioning::Conditioning;
use crate::guidance::{Denoiser, Guidance, squared_norms};
use crate::noise::{ContentKey, NoiseSource};
use crate::prediction::Mix;
use crate::sampler::{OnStep, StepProgress};
use crate::schedule::Noising;
use crate::scheduler::SchedulerConfig;

pub use error::ForwardScoreError;
pub use errors::{ForwardErrors, ForwardScores};
pub use settings::ForwardScoreSettings;

/// Every evaluation of a scoring, its numbers worked out.
#[derive(Debug, Clone)]
pub struct ForwardScorer {
    levels: Vec<Level>,
    noises: usize,
    seed: u64,
    noise: NoiseSource,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    timestep: usize,
    noising: Noising,
    epsilon: Mix,
    weight: f64,
}

impl ForwardScorer {
    /// Works out the numbers of every timestep.
    ///
    /// # Errors
    /// Fails when the timesteps do not fit the schedule or the model is singular at one.
    pub fn new(config: &SchedulerConfig, settings: &ForwardScoreSettings) -> Result<Self, ForwardScoreError> {
        if settings.noises == 0 {
            return Err(ForwardScoreError::NoNoise);
        }
        let schedule = config.schedule()?;
        let levels = settings.spread()?.into_iter().map(|timestep| {
            let level = Level {
                timestep,
                noising: schedule.noising(timestep)?,
                epsilon: config.prediction_type.epsilon(schedule.alpha_cumprod(timestep)?),
                weight: settings.mi_mode.kappa(&schedule, timestep)?,
            };
            match level.epsilon.is_finite() && level.weight.is_finite() {
                true => Ok(level),
                false => Err(ForwardScoreError::Singular { timestep }),
            }
        });
        Ok(Self {
            levels: levels.collect::<Result<_, _>>()?,
            noises: settings.noises,
            seed: settings.seed,
            noise: NoiseSource::forward(),
        })
    }

    /// Returns `kappa` of every evaluation, timestep by timestep.
    pub fn weights(&self) -> Vec<f64> {
        let repeated = self
            .levels
            .iter()
            .flat_map(|l| std::iter::repeat_n(l.weight, self.noises));
        repeated.collect()
    }

    /// Returns the timestep of every evaluation.
    pub fn timesteps(&self) -> Vec<usize> {
        let repeated = self
            .levels
            .iter()
            .flat_map(|l| std::iter::repeat_n(l.timestep, self.noises));
        repeated.collect()
    }

    /// Scores latents.
    ///
    /// # Shapes
    /// - `latents`: `[batch, channels, height, width]`, as the network sees them, in `f32`.
    /// - `conditional`: one row, or one per latent; `unconditional`: one row.
    ///
    /// # Errors
    /// Fails when contexts do not fit the latents, a score is not finite, the device fails, or
    /// `on_step` says stop.
    pub fn score(
        &self,
        denoiser: &dyn Denoiser,
        latents: &Tensor<4>,
        conditional: &Conditioning,
        unconditional: &Conditioning,
        noise_key: &ContentKey,
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<ForwardScores>, ForwardScoreError> {
        let weights = self.weights();
        let errors = self.errors(denoiser, latents, conditional, unconditional, noise_key, on_step)?;
        let scores = errors
            .iter()
            .map(|errors| ForwardScores::from_errors(errors, &weights));
        Ok(scores.collect())
    }

    /// Returns the errors behind the scores, one list per latent in the order of
    /// [`Self::timesteps`].
    ///
    /// # Shapes
    /// As for [`Self::score`].
    ///
    /// # Errors
    /// As for [`Self::score`].
    pub fn errors(
        &self,
        denoiser: &dyn Denoiser,
        latents: &Tensor<4>,
        conditional: &Conditioning,
        unconditional: &Conditioning,
        noise_key: &ContentKey,
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Vec<ForwardErrors>>, ForwardScoreError> {
        let batch = latents.dims()[0];
        let conditional = match conditional.batch() {
            rows if rows == batch => conditional.clone(),
            1 => conditional.clone().repeat(batch),
            contexts => {
                return Err(ForwardScoreError::Contexts {
                    contexts,
                    latents: batch,
                });
            }
        };
        let guidance = Guidance::new(denoiser, conditional, unconditional.clone());
        let total = self.levels.len() * self.noises;
        let mut columns = Vec::with_capacity(3 * total);
        for level in &self.levels {
            for index in 0..self.noises {
                let noise = self.draw(noise_key, level.timestep, index, latents);
                columns.extend(level.measure(&guidance, latents, noise));
                let done = columns.len() / 3;
                if let ControlFlow::Break(()) = on_step(StepProgress { done, total }) {
                    return Err(ForwardScoreError::Cancelled);
                }
            }
        }
        let numbers: Vec<f32> =
            Tensor::cat(columns, 1)
                .try_into_vec_as()
                .map_err(|error| ForwardScoreError::Device {
                    reason: error.to_string(),
                })?;
        let rows = numbers.chunks(3 * total).enumerate().map(|(row, numbers)| {
            match numbers.iter().all(|number| number.is_finite()) {
                true => Ok(numbers.chunks(3).map(ForwardErrors::from_sums).collect()),
                false => Err(ForwardScoreError::NotFinite { row }),
            }
        });
        rows.collect()
    }

    fn draw(&self, key: &ContentKey, timestep: usize, index: usize, like: &Tensor<4>) -> Tensor<4> {
        let [_, channels, height, width] = like.dims();
        let mut values = vec![0.0; channels * height * width];
        self.noise
            .normal(self.seed, key, index as u32, timestep as u32, &mut values);
        let data = TensorData::new(values, [1, channels, height, width]);
        Tensor::from_data(data, (&like.device(), DType::F32))
    }
}

impl Level {
    /// Sums `(e - e_c)^2`, `(e - e_c)(e_c - e_u)` and `(e_c - e_u)^2` for each latent.
    fn measure(self, guidance: &Guidance<'_>, latents: &Tensor<4>, noise: Tensor<4>) -> [Tensor<2>; 3] {
        let noisy =
            latents.clone().mul_scalar(self.noising.original) + noise.clone().mul_scalar(self.noising.noise);
        let predictions = guidance.predict(&noisy, self.timestep as f64);
        let difference = predictions.difference().mul_scalar(self.epsilon.output);
        let error = noise - self.epsilon.apply(noisy, predictions.conditional);
        let batch = latents.dims()[0] as i32;
        let cross = (error.clone() * difference.clone())
            .reshape([batch, -1])
            .sum_dim(1);
        [squared_norms(error), cross, squared_norms(difference)]
    }
}
