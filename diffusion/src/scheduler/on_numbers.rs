//! Steps, limits and combinations on numbers in `f64`: what those on tensors are checked with.

use super::limit::{Limit, quantile_position};
use super::{Latents, ReverseStep, Trajectory};
use crate::prediction::Mix;

impl Mix {
    /// Evaluates the combination on numbers.
    pub(crate) fn apply_scalar(self, sample: f64, output: f64) -> f64 {
        self.sample * sample + self.output * output
    }
}

impl ReverseStep {
    /// Evaluates a step that needs no history on numbers.
    pub(crate) fn apply_scalar(&self, sample: f64, output: f64, noise: f64) -> f64 {
        let mut trajectory = Trajectory::new(vec![sample], 0);
        trajectory.advance(self, vec![output], Some(vec![noise]));
        trajectory.into_latent()[0]
    }
}

impl Limit {
    /// Applies the limit to the elements of one image.
    pub(super) fn apply_slice(self, values: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Clamp(range) => values.iter_mut().for_each(|v| *v = v.clamp(-range, range)),
            Self::Dynamic { ratio, largest } if !values.is_empty() => {
                let mut sorted: Vec<f64> = values.iter().map(|v| v.abs()).collect();
                sorted.sort_by(f64::total_cmp);
                let (index, share) = quantile_position(ratio, sorted.len());
                let (low, high) = (sorted[index], sorted[(index + 1).min(sorted.len() - 1)]);
                let bound = (low + (high - low) * share).max(1.0).min(largest);
                values
                    .iter_mut()
                    .for_each(|v| *v = v.max(-bound).min(bound) / bound);
            }
            Self::Dynamic { .. } => {}
        }
    }
}

/// One image of `f64` elements.
impl Latents for Vec<f64> {
    fn scaled(mut self, factor: f64) -> Self {
        self.iter_mut().for_each(|value| *value *= factor);
        self
    }

    fn plus(mut self, other: Self) -> Self {
        self.iter_mut()
            .zip(other)
            .for_each(|(value, other)| *value += other);
        self
    }

    fn limited(mut self, limit: Limit) -> Self {
        limit.apply_slice(&mut self);
        self
    }
}
