//! DPOK: policy gradients on the steps of a sampler, held near the pre-trained model (Fan et al. 2023, arXiv
//! 2305.16381).

use burn::tensor::Tensor;

use super::formulation::Formulation;
use super::gaussian_transition::{GaussianTransition, log_probabilities, transition_divergences};
use super::item_errors::widened;

/// Log-ratios without a clip are cut here, where the ratio is near the end of f32's range.
pub(super) const LARGEST_LOG_RATIO: f64 = 80.0;

/// Steps that a sampler took, and what two networks say at them.
#[derive(Debug, Clone)]
pub struct PolicyBatch {
    /// Guided predictions of the network that is trained, `[batch, channels, height, width]`.
    pub prediction: Tensor<4>,
    /// Guided predictions of the pre-trained network.
    pub reference: Tensor<4>,
    /// The latents that the steps started from.
    pub latents: Tensor<4>,
    /// The latents that the steps ended with.
    pub next_latents: Tensor<4>,
    /// Log-probability of each step when it was taken, `[batch]`, see [`log_probabilities`].
    pub old_log_probability: Tensor<1>,
    /// Reward of the final image less the value that was expected of the latent, `[batch]`.
    pub advantages: Tensor<1>,
    /// The steps.
    pub transitions: Vec<GaussianTransition>,
}

/// DPOK's loss of the policy: reward, weighed by the ratio of new to old probability, less a divergence.
///
/// [`Formulation::Paper`] has algorithm 1: probabilities of whole latents, no clip, the KL divergence of the
/// transitions. [`Formulation::Reference`] has the authors' code: mean log-probabilities, the ratio clamped - without
/// the maximum of PPO, so that a ratio outside has no gradient whatever the sign of the advantage -, and the mean
/// squared difference of guided predictions in place of the divergence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dpok {
    /// The weight of the reward. By default, 10, that of the authors' example of one prompt; for several 1000.
    pub reward_weight: f64,
    /// The weight of the divergence. By default, 0.01, as above; for several prompts 0.1.
    pub kl_weight: f64,
    /// How far from 1 the ratio may be. By default, 1e-4; the paper's formulation knows none.
    pub clip: f64,
    /// Paper or code.
    pub formulation: Formulation,
}

impl Default for Dpok {
    fn default() -> Self {
        Self {
            reward_weight: 10.0,
            kl_weight: 0.01,
            clip: 1e-4,
            formulation: Formulation::Reference,
        }
    }
}

impl Dpok {
    /// The loss of the policy, one element.
    ///
    /// # Panics
    /// As [`log_probabilities`].
    pub fn loss(&self, batch: PolicyBatch) -> Tensor<1> {
        let new = log_probabilities(
            &batch.transitions,
            batch.latents.detach(),
            batch.prediction.clone(),
            batch.next_latents.detach(),
            self.formulation,
        );
        let ratios = self.ratios(new, batch.old_log_probability);
        let advantages = batch.advantages.detach().cast(ratios.dtype());
        let gain = (advantages * ratios).mean();
        let divergence = self.divergence(&batch.transitions, batch.prediction, batch.reference.detach());
        divergence * self.kl_weight - gain * self.reward_weight
    }

    /// New over old probability. Logarithms are limited rather than what they are of: the same numbers and gradients,
    /// and no infinity on the way.
    fn ratios(&self, new: Tensor<1>, old: Tensor<1>) -> Tensor<1> {
        let old = old.detach().cast(new.dtype());
        let logs = new - old;
        let limited = match self.formulation {
            Formulation::Paper => logs.clamp_max(LARGEST_LOG_RATIO),
            Formulation::Reference => logs.clamp((-self.clip.min(1.0)).ln_1p(), self.clip.ln_1p()),
        };
        limited.exp()
    }

    /// What holds the policy near the pre-trained model, without its weight.
    pub(super) fn divergence(
        &self,
        transitions: &[GaussianTransition],
        prediction: Tensor<4>,
        reference: Tensor<4>,
    ) -> Tensor<1> {
        match self.formulation {
            Formulation::Paper => transition_divergences(transitions, prediction, reference).mean(),
            Formulation::Reference => (widened(prediction) - widened(reference)).square().mean(),
        }
    }
}

/// What the value network minimizes: the mean squared distance of what it expects of latents from the rewards of the
/// images they became.
///
/// # Shapes
/// - values and rewards: `[batch]`; output: one element
pub fn value_loss(values: Tensor<1>, rewards: Tensor<1>) -> Tensor<1> {
    let values = widened(values);
    let rewards = rewards.detach().cast(values.dtype());
    (values - rewards).square().mean()
}
