//! Rollouts: ways of a noisy sampler from noise to images, with the probability of every step.

use std::ops::ControlFlow;

use burn::tensor::{DType, Device, Tensor, TensorData, TensorReadError};
use rayon::prelude::*;
use thiserror::Error;

use super::guided_prediction::GuidedPrediction;
use super::objectives::{Formulation, GaussianTransition, log_probabilities};
use super::trainable_denoiser::TrainableDenoiser;
use crate::conditioning::Conditioning;
use crate::noise::{NoiseSource, START};
use crate::sampler::{OnStep, StepProgress};
use crate::scheduler::{
    Latents as _, Limit, ReverseStep, SchedulerConfig, SchedulerKind, StepError, Trajectory,
};

const NOISE_CONTEXT: &str = "mitune rollout noise v1";

/// Why a rollout cannot be made or did not end well.
#[derive(Debug, Error)]
pub enum RolloutError {
    /// The steps cannot be built.
    #[error("The steps of rollouts cannot be built")]
    Steps(#[from] StepError),
    /// The scheduler changes the predicted original, so that steps are not normal around a mean that is linear in the
    /// prediction.
    #[error(
        "The model's scheduler limits the predicted original (`clip_sample` or `thresholding`), where a step has no \
         probability in closed form"
    )]
    Limited,
    /// No step draws noise, so that there is nothing to choose.
    #[error(
        "Setting `eta` is {eta}: no step draws noise, so none has a probability; expected more than 0, at most 1"
    )]
    Deterministic {
        /// The noise of the steps.
        eta: f64,
    },
    /// A latent, or the probability of a step, is not a number.
    #[error("Step {step} of rollout {rollout} is not finite; lower the learning rate")]
    NotFinite {
        /// The number of the rollout.
        rollout: u64,
        /// The step, from 0.
        step: usize,
    },
    /// The device could not hand a result to the host.
    #[error("Reading a rollout from the device failed")]
    Read(#[from] TensorReadError),
    /// The caller asked to stop.
    #[error("The rollout was cancelled")]
    Cancelled,
}

/// The steps of all rollouts: those of DDIM with noise, as in the code of DPOK and DDPO.
#[derive(Debug, Clone)]
pub struct RolloutSteps {
    steps: Vec<ReverseStep>,
    start: f64,
}

impl RolloutSteps {
    /// Works out a run of `steps`; `eta` 1 is as noisy as DDPM.
    ///
    /// # Errors
    /// The number of steps does not fit the schedule, predicted originals are limited, or no step draws noise.
    pub fn new(config: &SchedulerConfig, steps: usize, eta: f64) -> Result<Self, RolloutError> {
        let process = SchedulerKind::Ddim.reverse_process(config, steps, eta)?;
        if process.steps.iter().any(|step| step.limit != Limit::None) {
            return Err(RolloutError::Limited);
        }
        if process.steps.iter().all(|step| step.noise <= 0.0) {
            return Err(RolloutError::Deterministic { eta });
        }
        Ok(Self {
            steps: process.steps,
            start: process.start,
        })
    }

    /// How many steps a rollout has.
    pub fn count(&self) -> usize {
        self.steps.len()
    }

    /// The steps that draw noise. The last one may not: it has no probability, and nothing is learnt from it.
    pub fn choices(&self) -> Vec<usize> {
        (0..self.steps.len())
            .filter(|&step| self.steps[step].noise > 0.0)
            .collect()
    }

    /// What the denoiser is told at a step.
    ///
    /// # Panics
    /// There is no such step.
    pub fn timestep(&self, step: usize) -> f64 {
        self.steps[step].timestep
    }

    /// A step as a choice.
    ///
    /// # Panics
    /// There is no such step.
    pub fn transition(&self, step: usize) -> GaussianTransition {
        GaussianTransition::from(&self.steps[step])
    }
}

/// One way from noise to an image, on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rollout {
    /// The latent before each step and, last, the finished one: row-major in channels, height, width.
    pub latents: Vec<Vec<f32>>,
    /// Log-probability of each step; 0 for those that draw no noise.
    pub log_probabilities: Vec<f32>,
}

/// Makes rollouts with one state of a network.
pub struct RolloutSampler<'a, M> {
    /// The network, without gradients.
    pub denoiser: &'a M,
    /// How its answers become predictions.
    pub guidance: &'a GuidedPrediction,
    /// The steps.
    pub steps: &'a RolloutSteps,
    /// Whose log-probabilities.
    pub formulation: Formulation,
    /// Seed of all noise.
    pub seed: u64,
    /// Channels, height and width of a latent.
    pub latent_shape: [usize; 3],
}

impl<M: TrainableDenoiser<Conditioning = Conditioning>> RolloutSampler<'_, M> {
    /// Makes the rollouts from number `first` on, one for each row of `conditioning`.
    ///
    /// Noise is named by the seed, the number of the rollout and the step, so that it depends on nothing else.
    ///
    /// # Errors
    /// A result is not finite, the device fails, or `on_step` says stop.
    pub fn sample(
        &self,
        first: u64,
        conditioning: &Conditioning,
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Rollout>, RolloutError> {
        let batch = conditioning.batch();
        let device = conditioning.device();
        let mut rollouts = vec![Rollout::default(); batch];
        let start = self.noise(first, batch, START, &device).scaled(self.steps.start);
        let mut trajectory = Trajectory::new(start, 0);
        keep(&mut rollouts, trajectory.latent(), (first, 0))?;
        for (index, step) in self.steps.steps.iter().enumerate() {
            let latents = trajectory.input(step);
            let timesteps = Tensor::full([batch], step.timestep, (&device, DType::F32));
            let prediction =
                self.guidance
                    .predict(self.denoiser, latents.clone(), timesteps, conditioning.clone());
            let noise = step
                .draws
                .then(|| self.noise(first, batch, index as u32, &device));
            trajectory.advance(step, prediction.clone(), noise);
            keep(&mut rollouts, trajectory.latent(), (first, index))?;
            let next = trajectory.latent().clone();
            let logs = self.log_probabilities(step, [latents, prediction, next])?;
            for ((number, rollout), log) in (first..).zip(&mut rollouts).zip(logs) {
                if !log.is_finite() {
                    return Err(RolloutError::NotFinite {
                        rollout: number,
                        step: index,
                    });
                }
                rollout.log_probabilities.push(log);
            }
            let progress = StepProgress {
                done: index + 1,
                total: self.steps.count(),
            };
            if let ControlFlow::Break(()) = on_step(progress) {
                return Err(RolloutError::Cancelled);
            }
        }
        Ok(rollouts)
    }

    fn log_probabilities(
        &self,
        step: &ReverseStep,
        [latents, prediction, next]: [Tensor<4>; 3],
    ) -> Result<Vec<f32>, RolloutError> {
        let batch = latents.dims()[0];
        if step.noise <= 0.0 {
            return Ok(vec![0.0; batch]);
        }
        let transitions = vec![GaussianTransition::from(step); batch];
        let logs = log_probabilities(&transitions, latents, prediction, next, self.formulation);
        Ok(logs.try_into_vec_as()?)
    }

    fn noise(&self, first: u64, batch: usize, step: u32, device: &Device) -> Tensor<4> {
        let [channels, height, width] = self.latent_shape;
        let elements = channels * height * width;
        let (source, seed) = (NoiseSource::sampling(), self.seed);
        let mut values = vec![0.0; batch * elements];
        values
            .par_chunks_mut(elements.max(1))
            .enumerate()
            .for_each(|(index, values)| {
                let number = first + index as u64;
                let content = blake3::derive_key(NOISE_CONTEXT, &number.to_le_bytes());
                source.normal(seed, &content, 0, step, values);
            });
        let data = TensorData::new(values, [batch, channels, height, width]);
        Tensor::from_data(data, (device, DType::F32))
    }
}

/// Copies a latent of each rollout to the host.
fn keep(
    rollouts: &mut [Rollout],
    latents: &Tensor<4>,
    (first, step): (u64, usize),
) -> Result<(), RolloutError> {
    let values: Vec<f32> = latents.clone().try_into_vec_as()?;
    let elements = (values.len() / rollouts.len().max(1)).max(1);
    for ((number, rollout), latent) in (first..).zip(rollouts).zip(values.chunks(elements)) {
        if latent.iter().any(|value| !value.is_finite()) {
            return Err(RolloutError::NotFinite {
                rollout: number,
                step,
            });
        }
        rollout.latents.push(latent.to_vec());
    }
    Ok(())
}
