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
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use burn::tensor::{DType, Tensor, TensorData};

use crate::conditioning::Conditioning;
use crate::guidance::{Denoiser, Guidance, in_f32, squared_norms};
use crate::mutual_information::MiTrajectory;
use crate::noise::{BatchNoise, ContentKey, NoiseSource, START};

use self::candidate::{CounterNoise, conditionings};
use self::estimates::Estimates;
use self::process::process;
use crate::scheduler::{Latents, ReverseProcess, SchedulerConfig, Trajectory};

pub use crate::scheduler::{SchedulerKind, StepVariance};
pub use candidate::{Candidate, CandidateRequest};
pub use error::SamplerError;
pub use settings::SamplerSettings;

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
    estimates: Estimates,
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
        let estimates = Estimates::new(config, settings, &process)?;
        Ok(Self {
            process,
            estimates,
            noise: NoiseSource::sampling(),
            guidance: match settings.trajectory {
                MiTrajectory::Guided => settings.guidance,
                MiTrajectory::Conditional => 1.0,
            },
            seed: settings.seed,
            scores: true,
            empty: None,
        })
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
        let mut noise = CounterNoise {
            source: &self.noise,
            seed: self.seed,
            requests,
        };
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
        let guidance = Guidance::new(
            denoiser,
            conditionings(requests, unconditional)?,
            unconditional.clone(),
        );
        let empty = self.empty.clone().map(|empty| empty.repeat(requests.len()));
        let device = unconditional.device();
        let [channels, height, width] = latent_shape;
        let shape = [requests.len(), channels, height, width];
        let mut draw = |step| {
            let mut values = vec![0.0; shape.iter().product()];
            noise.fill(step, &mut values);
            Tensor::<4>::from_data(TensorData::new(values, shape), (&device, DType::F32))
        };
        let start = draw(START).scaled(self.process.start);
        let mut trajectory = Trajectory::new(start, self.process.memory);
        let mut squares = Vec::with_capacity(self.evaluations());
        for (index, step) in self.process.steps.iter().enumerate() {
            let input = trajectory.input(step);
            let predictions = guidance.predict(&input, step.timestep);
            let difference = predictions.difference();
            if self.scores {
                squares.push(squared_norms(match &empty {
                    Some(empty) => {
                        let without = in_f32(denoiser.predict(&input, step.timestep, empty));
                        predictions.conditional.clone() - without
                    }
                    None => difference.clone(),
                }));
            }
            let output = predictions.guided(difference, self.guidance);
            let noise = step.draws.then(|| draw(index as u32));
            trajectory.advance(step, output, noise);
            let progress = StepProgress {
                done: index + 1,
                total: self.evaluations(),
            };
            if on_step(progress).is_break() {
                return Err(SamplerError::Cancelled);
            }
        }
        let squares = match self.scores {
            true => read(Tensor::cat(squares, 1))?,
            false => Vec::new(),
        };
        self.collect(requests, trajectory.into_latent(), &squares)
    }

    fn collect(
        &self,
        requests: &[CandidateRequest<'_>],
        latents: Tensor<4>,
        squares: &[f32],
    ) -> Result<Vec<Candidate>, SamplerError> {
        let latents = read(latents)?;
        let scored = squares.len() / requests.len();
        let timesteps: Vec<i32> = self.timesteps().map(|t| t.round() as i32).collect();
        requests
            .iter()
            .enumerate()
            .zip(latents.chunks(latents.len() / requests.len()))
            .map(|((index, request), latent)| {
                let squares = &squares[index * scored..][..scored];
                let squares: Vec<f64> = squares.iter().map(|&s| f64::from(s)).collect();
                let seed_index = request.seed_index;
                let candidate = Candidate {
                    seed_index,
                    latent: latent.to_vec(),
                    mi: 0.0,
                    mi_paper: None,
                    mi_reference: None,
                    mi_trace: Vec::new(),
                    timesteps: timesteps.clone(),
                    mi_weights: Vec::new(),
                };
                let candidate = match self.scores {
                    true => self.estimates.filled_in(candidate, &squares),
                    false => candidate,
                };
                if !candidate.mi.is_finite() || latent.iter().any(|v| !v.is_finite()) {
                    return Err(SamplerError::NotFinite { seed_index });
                }
                Ok(candidate)
            })
            .collect()
    }
}

pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, SamplerError> {
    tensor.try_into_vec_as().map_err(|error| SamplerError::Device {
        reason: error.to_string(),
    })
}

fn out_of_range(name: &'static str, value: f64, range: &'static str) -> SamplerError {
    SamplerError::Setting { name, value, range }
}
