//! Scores of finished latents: noise is put on them, and the denoiser is asked about it.
//!
//! One batched call per timestep and noise gives every score at once. With `e` the true noise and
//! `e_c`, `e_u` its predictions with and without the prompt:
//! - `mi_signed`: `kappa (|e - e_u|^2 - |e - e_c|^2)`, the point-wise log ratio of `p(x|c)` and
//!   `p(x)`; negative when the prompt misleads the denoiser about this image;
//! - `mi_forward`: `kappa |e_c - e_u|^2`, MI-TUNE's equation 2 with noisy latents by forward noise,
//!   as for an image made elsewhere; generation estimates the same along its own trajectory;
//! - `itm`: `-|e - e_c|`, DiffusionITM for choosing a caption; `itm_normalised` subtracts the
//!   same norm without the prompt, for choosing an image. Its paper writes squares where its code
//!   has norms: `itm_squared` and `itm_squared_normalised`.
//!
//! Squares and norms run over all elements. The first two are in nats: joined as generation joins
//! its terms, or, over a range of timesteps of one's own, weighted to what it covers. The others are
//! means over timesteps and noises, unweighted. The noise is named by a key the caller chooses and
//! is the same for every latent of a call, so that comparing candidates does not compare their luck;
//! with [`bank_key`](crate::noise::bank_key) it is the same for all images and captions.

mod error;
mod errors;
#[cfg(test)]
mod given_images_tests;
mod latents;
mod settings;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use burn::tensor::Tensor;

use self::latents::SharedNoise;
use crate::conditioning::Conditioning;
use crate::denoiser::{Branches, Denoiser, DenoiserError, DenoiserInput, NoiseLevel};
use crate::guidance::ClassifierFreeGuidance;
use crate::mutual_information::measure::squared_norms;
use crate::mutual_information::{self, Estimator, MutualInformationError};
use crate::noise::{ContentKey, NoiseSource};
use crate::prediction::{Mix, PredictionType};
use crate::sampler::{OnStep, StepProgress};
use crate::schedule::Noising;
use crate::scheduler::SchedulerConfig;

pub use error::ForwardScoreError;
pub use errors::{ForwardErrors, ForwardScores, ForwardTraces};
pub use latents::LatentPosterior;
pub use settings::{ForwardScoreSettings, ForwardTimesteps, TimestepSpread};

/// Every evaluation of a scoring, its numbers worked out.
#[derive(Debug, Clone)]
pub struct ForwardScorer {
    levels: Vec<Level>,
    estimator: Estimator,
    noises: usize,
    seed: u64,
    noise: NoiseSource,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    timestep: usize,
    alpha_cumprod: f64,
    noising: Noising,
    epsilon: Mix,
}

impl ForwardScorer {
    /// Works out the numbers of every timestep.
    ///
    /// # Errors
    /// Fails when the timesteps do not fit the schedule, none of them counts, or the model is
    /// singular at one.
    pub fn new(config: &SchedulerConfig, settings: &ForwardScoreSettings) -> Result<Self, ForwardScoreError> {
        if settings.noises == 0 {
            return Err(ForwardScoreError::NoNoise);
        }
        let schedule = config.schedule()?;
        let timesteps = match settings.timesteps {
            ForwardTimesteps::Run(steps) => config.timesteps(steps)?,
            ForwardTimesteps::Spread(spread) => spread.timesteps()?,
        };
        let mut levels = Vec::with_capacity(timesteps.len());
        let mut asked = Vec::with_capacity(timesteps.len());
        for timestep in timesteps {
            let alpha_cumprod = schedule.alpha_cumprod(timestep)?;
            let epsilon = config.prediction_type.epsilon(alpha_cumprod);
            if !epsilon.is_finite() {
                return Err(ForwardScoreError::Singular { timestep });
            }
            levels.push(Level {
                timestep,
                alpha_cumprod,
                noising: schedule.noising(timestep)?,
                epsilon,
            });
            asked.push(mutual_information::Level {
                timestep: timestep as f64,
                alpha_cumprod,
                counts: true,
            });
        }
        // Differences are brought to noise before they are weighed.
        let estimator = Estimator::new(&schedule, PredictionType::Epsilon, &settings.estimator, &asked);
        let estimator = estimator.map_err(|error| match error {
            MutualInformationError::Weight { timestep } => ForwardScoreError::Singular {
                timestep: timestep as usize,
            },
            error => ForwardScoreError::MutualInformation(error),
        })?;
        Ok(Self {
            levels,
            estimator: match settings.timesteps {
                ForwardTimesteps::Run(_) => estimator,
                ForwardTimesteps::Spread(spread) => estimator.covering(spread.share(schedule.len())),
            },
            noises: settings.noises,
            seed: settings.seed,
            noise: NoiseSource::forward(),
        })
    }

    /// Returns the weight of every timestep in the scores in nats.
    pub fn weights(&self) -> &[f64] {
        self.estimator.weights()
    }

    /// Returns every timestep once.
    pub fn timesteps(&self) -> impl Iterator<Item = usize> {
        self.levels.iter().map(|level| level.timestep)
    }

    /// Counts the evaluations of the network for a latent.
    pub fn evaluations(&self) -> usize {
        self.levels.len() * self.noises
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
        latents: impl Into<LatentPosterior>,
        conditional: &Conditioning,
        unconditional: &Conditioning,
        noise_key: &ContentKey,
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<ForwardScores>, ForwardScoreError> {
        let errors = self.errors(denoiser, latents, conditional, unconditional, noise_key, on_step)?;
        Ok(errors.iter().map(|errors| self.scores(errors)).collect())
    }

    /// Joins the errors of a latent.
    pub fn scores(&self, errors: &[ForwardErrors]) -> ForwardScores {
        ForwardScores::of(errors, self.noises, &self.estimator)
    }

    /// Returns the terms of every timestep for the errors of a latent.
    pub fn traces(&self, errors: &[ForwardErrors]) -> ForwardTraces {
        ForwardTraces::of(errors, self.noises, &self.estimator)
    }

    /// Returns the errors behind the scores, one list per latent: every noise of the first timestep,
    /// then of the next, in the order of [`Self::timesteps`].
    ///
    /// # Shapes
    /// As for [`Self::score`].
    ///
    /// # Errors
    /// As for [`Self::score`].
    pub fn errors(
        &self,
        denoiser: &dyn Denoiser,
        latents: impl Into<LatentPosterior>,
        conditional: &Conditioning,
        unconditional: &Conditioning,
        noise_key: &ContentKey,
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Vec<ForwardErrors>>, ForwardScoreError> {
        let posterior = latents.into();
        let batch = posterior.mean.dims()[0];
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
        let pair = Pair {
            // A scale of 1 leaves the answers as they are; only what is compared is wanted here.
            guidance: ClassifierFreeGuidance::new(denoiser, unconditional.clone(), 1.0),
            conditional,
        };
        let shared = SharedNoise {
            source: &self.noise,
            seed: self.seed,
            key: noise_key,
        };
        let total = self.evaluations();
        let mut columns = Vec::with_capacity(3 * total);
        for level in &self.levels {
            for index in 0..self.noises {
                let noise = shared.draw(level.timestep, index, &posterior.mean);
                let latents = shared.latents(&posterior, level.timestep, index);
                columns.extend(level.measure(&pair, &latents, noise)?);
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
}

/// A denoiser and the prompts that it is asked with and without.
struct Pair<'a> {
    guidance: ClassifierFreeGuidance<'a>,
    conditional: Conditioning,
}

impl Pair<'_> {
    fn ask(&self, latents: &Tensor<4>, level: NoiseLevel) -> Result<Branches, ForwardScoreError> {
        let input = DenoiserInput::new(latents, level, &self.conditional);
        let branches = self.guidance.denoise(&input)?.branches;
        branches.ok_or(ForwardScoreError::Denoiser(DenoiserError::NoBranches))
    }
}

impl Level {
    /// Sums `(e - e_c)^2`, `(e - e_c)(e_c - e_u)` and `(e_c - e_u)^2` for each latent.
    fn measure(
        self,
        pair: &Pair<'_>,
        latents: &Tensor<4>,
        noise: Tensor<4>,
    ) -> Result<[Tensor<2>; 3], ForwardScoreError> {
        let noisy =
            latents.clone().mul_scalar(self.noising.original) + noise.clone().mul_scalar(self.noising.noise);
        let level = NoiseLevel::variance_preserving(self.timestep as f64, self.alpha_cumprod);
        let answers = pair.ask(&noisy, level)?;
        let difference = answers.difference.mul_scalar(self.epsilon.output);
        let error = noise - self.epsilon.apply(noisy, answers.conditional);
        let batch = latents.dims()[0] as i32;
        let cross = (error.clone() * difference.clone())
            .reshape([batch, -1])
            .sum_dim(1);
        Ok([squared_norms(error), cross, squared_norms(difference)])
    }
}
