//! DPOK and DDPO as objectives: what they are trained on is steps of rollouts.

use burn::module::Module;
use burn::tensor::Tensor;

use super::ddpo::Ddpo;
use super::dpok::{Dpok, LARGEST_LOG_RATIO, PolicyBatch};
use super::formulation::Formulation;
use super::gaussian_transition::{GaussianTransition, log_probabilities};
use crate::conditioning::Conditioning;
use crate::nn::layers::AdaptTarget;
use crate::training::guided_prediction::GuidedPrediction;
use crate::training::objective::{Objective, ObjectiveValue};
use crate::training::reference::FrozenReference;
use crate::training::trainable_denoiser::TrainableDenoiser;

/// Steps of rollouts, on the device that records gradients.
#[derive(Debug, Clone)]
pub struct TransitionBatch {
    /// The latents that the steps started from, `[batch, channels, height, width]`.
    pub latents: Tensor<4>,
    /// The latents that the steps ended with.
    pub next_latents: Tensor<4>,
    /// What the network is told of the level of noise, `[batch]`, f32.
    pub timesteps: Tensor<1>,
    /// One row per step.
    pub conditioning: Conditioning,
    /// Log-probability of each step when it was taken, `[batch]`.
    pub old_log_probabilities: Tensor<1>,
    /// By how much the final image is better than was to be expected, `[batch]`.
    pub advantages: Tensor<1>,
    /// The steps.
    pub transitions: Vec<GaussianTransition>,
}

impl TransitionBatch {
    fn predict<M: TrainableDenoiser<Conditioning = Conditioning>>(
        &self,
        guidance: &GuidedPrediction,
        denoiser: &M,
    ) -> Tensor<4> {
        guidance.predict(
            denoiser,
            self.latents.clone(),
            self.timesteps.clone(),
            self.conditioning.clone(),
        )
    }

    fn log_probabilities(&self, prediction: Tensor<4>, formulation: Formulation) -> Tensor<1> {
        log_probabilities(
            &self.transitions,
            self.latents.clone(),
            prediction,
            self.next_latents.clone(),
            formulation,
        )
    }

    /// Mean ratio of new to old probability, the share of ratios beyond the clip, and half the mean square of their
    /// logarithms, which estimates how far the policy has gone. Ratios are cut where the losses cut them, so that none
    /// is infinite.
    fn ratio_curves(&self, log_probabilities: Tensor<1>, clip: f64) -> [Tensor<1>; 3] {
        let logs = log_probabilities.detach() - self.old_log_probabilities.clone().detach();
        let ratios = logs.clone().clamp_max(LARGEST_LOG_RATIO).exp();
        let beyond = (ratios.clone() - 1.0).abs().greater_elem(clip).float();
        [ratios.mean(), beyond.mean(), logs.square().mean() * 0.5]
    }
}

/// DPOK's loss of the policy on steps of rollouts.
///
/// Curves: `ratio`, `clipped_fraction`, and `kl`, the divergence of the formulation from the frozen network.
#[derive(Debug, Clone)]
pub struct DpokPolicy {
    /// The loss.
    pub loss: Dpok,
    /// How the answers of both networks become predictions.
    pub guidance: GuidedPrediction,
}

impl<M> Objective<M> for DpokPolicy
where
    M: TrainableDenoiser<Conditioning = Conditioning> + AdaptTarget + Module,
{
    type Batch = TransitionBatch;
    type Reference = FrozenReference<M>;

    fn curves(&self) -> &'static [&'static str] {
        &["ratio", "clipped_fraction", "kl"]
    }

    fn evaluate(
        &self,
        denoiser: &M,
        reference: &FrozenReference<M>,
        batch: TransitionBatch,
    ) -> ObjectiveValue {
        let prediction = batch.predict(&self.guidance, denoiser);
        let expected = batch.predict(&self.guidance, reference.network()).detach();
        let seen = prediction.clone().detach();
        let logs = batch.log_probabilities(seen.clone(), self.loss.formulation);
        let [ratio, clipped, _] = batch.ratio_curves(logs, self.loss.clip);
        let divergence = self.loss.divergence(&batch.transitions, seen, expected.clone());
        let loss = self.loss.loss(PolicyBatch {
            prediction,
            reference: expected,
            latents: batch.latents,
            next_latents: batch.next_latents,
            old_log_probability: batch.old_log_probabilities,
            advantages: batch.advantages,
            transitions: batch.transitions,
        });
        ObjectiveValue {
            loss,
            curves: vec![ratio, clipped, divergence],
        }
    }
}

/// DDPO's loss on steps of rollouts.
///
/// Curves: `ratio`, `clipped_fraction`, and `kl`, half the mean square of log-ratios, as in the authors' code: how far
/// the policy has gone since the rollouts.
#[derive(Debug, Clone)]
pub struct DdpoPolicy {
    /// The loss.
    pub loss: Ddpo,
    /// Whose log-probabilities.
    pub formulation: Formulation,
    /// How answers become predictions.
    pub guidance: GuidedPrediction,
}

impl<M: TrainableDenoiser<Conditioning = Conditioning>> Objective<M> for DdpoPolicy {
    type Batch = TransitionBatch;
    type Reference = ();

    fn curves(&self) -> &'static [&'static str] {
        &["ratio", "clipped_fraction", "kl"]
    }

    fn evaluate(&self, denoiser: &M, (): &(), batch: TransitionBatch) -> ObjectiveValue {
        let prediction = batch.predict(&self.guidance, denoiser);
        let logs = batch.log_probabilities(prediction, self.formulation);
        let curves = batch.ratio_curves(logs.clone(), self.loss.clip);
        let loss = self
            .loss
            .loss(logs, batch.old_log_probabilities, batch.advantages);
        ObjectiveValue {
            loss,
            curves: curves.into(),
        }
    }
}
