//! The denoising loop: from noise to candidates, with their mutual information on the way.
//!
//! One batched call per step gives the conditional and the unconditional output; guidance, the
//! scheduler step and the squared difference that mutual information needs all come from it, so
//! the score costs no further evaluation, unless a negative prompt guides: the score still compares
//! with the empty prompt, a third prediction. Squared differences stay on the device until the end.

mod candidate;
mod error;
mod estimates;
mod process;
mod settings;
mod steering;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::conditioning::Conditioning;
use crate::denoiser::Denoiser;
use crate::guidance::ClassifierFreeGuidance;
use crate::mutual_information::{InformationMeasure, MiTrajectory};
use crate::noise::{BatchNoise, ContentKey, NoiseSource};

use self::candidate::{CounterNoise, conditionings};
use self::estimates::Estimates;
use self::process::process;
use self::walk::Walk;
use crate::scheduler::{ReverseProcess, SchedulerConfig};

pub use crate::scheduler::{SchedulerKind, StepVariance};
pub use candidate::{Candidate, CandidateRequest};
pub use error::SamplerError;
pub use settings::SamplerSettings;
pub use steering::{LatentSteering, StepPlace};

/// What the loop tells after each step; returning `Break` cancels the run.
pub type OnStep<'a> = dyn FnMut(StepProgress) -> ControlFlow<()> + 'a;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepProgress {
    /// Evaluations of the network done.
    pub done: usize,
    /// Evaluations of the run.
    pub total: usize,
}

/// A run with all its numbers worked out.
#[derive(Debug, Clone)]
pub struct Sampler {
    process: ReverseProcess,
    measure: Arc<dyn InformationMeasure>,
    noise: NoiseSource,
    guidance: f64,
    seed: u64,
    scores: bool,
    /// What the score compares with, where it is not the prediction that guides.
    empty: Option<Conditioning>,
}

impl Sampler {
    /// Works out the steps and weights of a run.
    ///
    /// # Errors
    /// Fails when a setting is out of range or does not go with the model's scheduler file.
    pub fn new(config: &SchedulerConfig, settings: &SamplerSettings) -> Result<Self, SamplerError> {
        if !settings.guidance.is_finite() {
            return Err(out_of_range("guidance", settings.guidance, "finite"));
        }
        if !(0.0..=1.0).contains(&settings.eta) {
            return Err(out_of_range("eta", settings.eta, "between 0 and 1"));
        }
        let process = process(config, settings)?;
        let measure = Arc::new(Estimates::new(config, settings, &process)?);
        let guidance = match settings.trajectory {
            MiTrajectory::Guided => settings.guidance,
            MiTrajectory::Conditional => 1.0,
        };
        Ok(Self::along(process, measure, guidance, settings.seed))
    }

    /// Takes a run whose steps and measure are worked out already, on whatever path.
    pub fn along(
        process: ReverseProcess,
        measure: Arc<dyn InformationMeasure>,
        guidance: f64,
        seed: u64,
    ) -> Self {
        Self {
            process,
            measure,
            noise: NoiseSource::sampling(),
            guidance,
            seed,
            scores: true,
            empty: None,
        }
    }

    /// Compares with the prediction for `empty` in the score, one row, rather than with the one that
    /// guides: for runs with a negative prompt, which says nothing about the image without a prompt.
    /// It costs a third prediction in every step, half as much again.
    pub fn comparing_with(mut self, empty: Conditioning) -> Self {
        self.empty = Some(empty);
        self
    }

    /// Whether the unconditional prediction has a part in the steps; at a guidance of 1 it has none.
    pub fn guides(&self) -> bool {
        self.guidance != 1.0
    }

    /// The scale of guidance that the steps follow; 1 where they follow the prediction with the prompt alone.
    pub fn guidance(&self) -> f64 {
        self.guidance
    }

    /// Leaves mutual information out, for measuring what it costs: candidates then have a score of
    /// zero and no trace.
    pub fn without_scores(mut self) -> Self {
        self.scores = false;
        self
    }

    /// Returns the timestep of each evaluation of the network; multistep methods may look at one
    /// more than once.
    pub fn timesteps(&self) -> impl Iterator<Item = f64> {
        self.process.steps.iter().map(|step| step.timestep)
    }

    /// Counts the evaluations of the network.
    pub fn evaluations(&self) -> usize {
        self.process.steps.len()
    }

    /// Makes candidates of one prompt.
    ///
    /// # Shapes
    /// Both conditionings have one row; `latent_shape` is channels, height, width.
    ///
    /// # Errors
    /// Fails when conditionings differ in shape, a result is not finite, the device fails, or `on_step`
    /// says stop.
    #[expect(clippy::too_many_arguments, reason = "each one is a different thing")]
    pub fn generate_candidates(
        &self,
        denoiser: &dyn Denoiser,
        conditional: &Conditioning,
        unconditional: &Conditioning,
        prompt: &ContentKey,
        seed_indices: &[u32],
        latent_shape: [usize; 3],
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Candidate>, SamplerError> {
        let requests: Vec<CandidateRequest<'_>> = seed_indices
            .iter()
            .map(|&seed_index| CandidateRequest {
                prompt,
                seed_index,
                conditioning: conditional,
            })
            .collect();
        self.generate(denoiser, &requests, unconditional, latent_shape, on_step)
    }

    /// Makes candidates of any prompts in one batch; a candidate does not depend on its company.
    ///
    /// # Shapes
    /// `unconditional` has one row; `latent_shape` is channels, height, width.
    ///
    /// # Errors
    /// As for [`Self::generate_candidates`].
    pub fn generate(
        &self,
        denoiser: &dyn Denoiser,
        requests: &[CandidateRequest<'_>],
        unconditional: &Conditioning,
        latent_shape: [usize; 3],
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Candidate>, SamplerError> {
        let mut noise = self.counter_noise(requests);
        self.generate_with(
            denoiser,
            requests,
            unconditional,
            latent_shape,
            &mut noise,
            on_step,
        )
    }

    /// Makes candidates from noise of another source, which then names the images: neither the
    /// seed of the settings nor prompts and seed indices have a part in it.
    ///
    /// # Shapes
    /// As for [`Self::generate`].
    ///
    /// # Errors
    /// As for [`Self::generate_candidates`].
    pub fn generate_with(
        &self,
        denoiser: &dyn Denoiser,
        requests: &[CandidateRequest<'_>],
        unconditional: &Conditioning,
        latent_shape: [usize; 3],
        noise: &mut dyn BatchNoise,
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Candidate>, SamplerError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let guidance = ClassifierFreeGuidance::new(denoiser, unconditional.clone(), self.guidance);
        let guidance = match self.empty.clone().filter(|_| self.scores) {
            Some(empty) => guidance.comparing_with(empty),
            None => guidance,
        };
        let conditional = conditionings(requests, unconditional)?;
        Walk {
            sampler: self,
            denoiser: &guidance,
            steering: None,
            conditional,
        }
        .candidates(requests, latent_shape, noise, on_step)
    }

    /// Makes candidates with a denoiser that guides itself, such as a wrapper around
    /// [`ClassifierFreeGuidance`]; neither the guidance of the settings nor
    /// [`Self::comparing_with`] has a part in it.
    ///
    /// # Shapes
    /// As for [`Self::generate`].
    ///
    /// # Errors
    /// As for [`Self::generate_candidates`], and when scores are wanted and the denoiser gives no
    /// [branches](crate::denoiser::Branches).
    pub fn generate_guided(
        &self,
        guided: &dyn Denoiser,
        requests: &[CandidateRequest<'_>],
        latent_shape: [usize; 3],
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Candidate>, SamplerError> {
        self.generate_guided_steered(guided, None, requests, latent_shape, on_step)
    }

    /// Makes candidates as [`Self::generate_guided`] does, and lets `steering` move the latents before each evaluation.
    ///
    /// Scores are measured at the latents as they were moved.
    ///
    /// # Shapes
    /// As for [`Self::generate`].
    ///
    /// # Errors
    /// As for [`Self::generate_guided`], and when `steering` fails.
    pub fn generate_guided_steered(
        &self,
        guided: &dyn Denoiser,
        steering: Option<&dyn LatentSteering>,
        requests: &[CandidateRequest<'_>],
        latent_shape: [usize; 3],
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Candidate>, SamplerError> {
        let Some(first) = requests.first() else {
            return Ok(Vec::new());
        };
        let conditional = conditionings(requests, first.conditioning)?;
        let mut noise = self.counter_noise(requests);
        Walk {
            sampler: self,
            denoiser: guided,
            steering,
            conditional,
        }
        .candidates(requests, latent_shape, &mut noise, on_step)
    }

    fn counter_noise<'a>(&'a self, requests: &'a [CandidateRequest<'a>]) -> CounterNoise<'a> {
        CounterNoise {
            source: &self.noise,
            seed: self.seed,
            requests,
        }
    }
}

fn out_of_range(name: &'static str, value: f64, range: &'static str) -> SamplerError {
    SamplerError::Setting { name, value, range }
}
