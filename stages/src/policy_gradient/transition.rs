//! Steps of rollouts as they are learnt from.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData};
use mitune_diffusion::training::RolloutSteps;
use mitune_diffusion::training::objectives::TransitionBatch;

use super::rollout_prompts::Encodings;
use super::sampling::RewardedRollout;

/// A step of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Transition {
    /// The text, by its place among all.
    pub(super) prompt: usize,
    /// The step, by its place among all of a rollout.
    pub(super) step: usize,
    /// What the final image is worth.
    pub(super) reward: f32,
    /// Log-probability of the step when it was taken.
    pub(super) log_probability: f32,
    /// Where the step started. Steps that follow each other share their latents.
    pub(super) latent: Arc<[f32]>,
    /// Where it ended.
    pub(super) next_latent: Arc<[f32]>,
}

impl Transition {
    /// The steps of a rollout that can be learnt from.
    pub(super) fn of_rollout(rollout: RewardedRollout, choices: &[usize]) -> Vec<Self> {
        let RewardedRollout {
            prompt,
            rollout,
            reward,
        } = rollout;
        let latents: Vec<Arc<[f32]>> = rollout.latents.into_iter().map(Arc::from).collect();
        let transition = |&step: &usize| Self {
            prompt,
            step,
            reward: reward as f32,
            log_probability: rollout.log_probabilities[step],
            latent: Arc::clone(&latents[step]),
            next_latent: Arc::clone(&latents[step + 1]),
        };
        choices.iter().map(transition).collect()
    }
}

/// Makes batches of steps, on a device.
pub(super) struct TransitionBatches<'a> {
    pub(super) steps: &'a RolloutSteps,
    pub(super) encodings: &'a Encodings,
    /// Channels, height and width of a latent.
    pub(super) latent_shape: [usize; 3],
    /// Device that records gradients.
    pub(super) device: Device,
}

impl TransitionBatches<'_> {
    /// A batch of steps, each with its advantage.
    pub(super) fn batch(&self, transitions: &[&Transition], advantages: &[f32]) -> TransitionBatch {
        let numbers = |of: &dyn Fn(&Transition) -> f32| {
            self.vector(transitions.iter().map(|transition| of(transition)).collect())
        };
        let prompts = transitions.iter().map(|transition| transition.prompt);
        TransitionBatch {
            latents: self.latents(transitions, |transition| &transition.latent),
            next_latents: self.latents(transitions, |transition| &transition.next_latent),
            timesteps: numbers(&|transition: &Transition| self.steps.timestep(transition.step) as f32),
            conditioning: self.encodings.rows(prompts).autodiff(),
            old_log_probabilities: numbers(&|transition: &Transition| transition.log_probability),
            advantages: self.vector(advantages.to_vec()),
            transitions: transitions
                .iter()
                .map(|transition| self.steps.transition(transition.step))
                .collect(),
        }
    }

    fn latents(&self, transitions: &[&Transition], of: impl Fn(&Transition) -> &Arc<[f32]>) -> Tensor<4> {
        let [channels, height, width] = self.latent_shape;
        let values: Vec<f32> = transitions
            .iter()
            .flat_map(|transition| of(transition).iter().copied())
            .collect();
        let data = TensorData::new(values, [transitions.len(), channels, height, width]);
        Tensor::from_data(data, (&self.device, DType::F32))
    }

    fn vector(&self, values: Vec<f32>) -> Tensor<1> {
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), (&self.device, DType::F32))
    }
}
