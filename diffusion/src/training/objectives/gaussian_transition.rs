//! Steps of a noisy sampler as the choices of a policy, which have a probability.

use std::f64::consts::TAU;

use burn::tensor::{Tensor, TensorData};

use super::formulation::Formulation;
use super::item_errors::{item_means, widened};
use crate::scheduler::ReverseStep;

/// One step of a sampler: the next latent is normal around `latent * z + output * out`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianTransition {
    /// The factor of the latent.
    pub latent: f64,
    /// The factor of the guided output of the network.
    pub output: f64,
    /// The standard deviation, above 0.
    pub deviation: f64,
}

/// The step as it is where the predicted original is not limited and nothing of earlier steps is used.
impl From<&ReverseStep> for GaussianTransition {
    fn from(step: &ReverseStep) -> Self {
        Self {
            latent: step.original * step.prediction.sample + step.sample,
            output: step.original * step.prediction.output + step.output,
            deviation: step.noise,
        }
    }
}

/// Log-probability of the next latent of each item.
///
/// The density of a latent is the product of those of its elements: the paper's. The reference code takes the mean of
/// their logarithms in place of the sum, so that its ratios of probabilities are nearer to 1.
///
/// # Shapes
/// - latents, outputs and next latents: `[batch, channels, height, width]`, one transition for each item
/// - output: `[batch]`
///
/// # Panics
/// The shapes differ, or there is not one transition for each item.
pub fn log_probabilities(
    transitions: &[GaussianTransition],
    latents: Tensor<4>,
    outputs: Tensor<4>,
    next_latents: Tensor<4>,
    formulation: Formulation,
) -> Tensor<1> {
    let (latents, outputs, next) = (widened(latents), widened(outputs), widened(next_latents));
    let elements: usize = latents.dims()[1..].iter().product();
    let column = |of: fn(&GaussianTransition) -> f64| column(transitions, of, &latents);
    let mean = latents.clone() * column(|step| step.latent) + outputs * column(|step| step.output);
    let standard = (next - mean) * column(|step| 1.0 / step.deviation);
    let constant = column(|step| -step.deviation.ln() - 0.5 * TAU.ln());
    let constant: Tensor<1> = constant.reshape([transitions.len()]);
    let means = item_means(standard.square()) * -0.5 + constant;
    match formulation {
        Formulation::Paper => means * elements as f64,
        Formulation::Reference => means,
    }
}

/// KL divergence of each item's transition from that with the reference's output: `|mu - mu'|^2 / (2 sigma^2)`.
pub(super) fn transition_divergences(
    transitions: &[GaussianTransition],
    outputs: Tensor<4>,
    reference: Tensor<4>,
) -> Tensor<1> {
    let apart = widened(outputs) - widened(reference);
    let elements: usize = apart.dims()[1..].iter().product();
    let factors = column(transitions, |step| step.output / step.deviation, &apart);
    item_means((apart * factors).square()) * (0.5 * elements as f64)
}

/// A number of each transition as a tensor that broadcasts over the latents.
fn column(
    transitions: &[GaussianTransition],
    of: impl Fn(&GaussianTransition) -> f64,
    like: &Tensor<4>,
) -> Tensor<4> {
    let values: Vec<f64> = transitions.iter().map(of).collect();
    let data = TensorData::new(values, [transitions.len(), 1, 1, 1]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}
