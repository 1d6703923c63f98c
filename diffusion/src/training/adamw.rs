use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Elements one task updates; large enough that small parameters stay on one thread.
const CHUNK: usize = 1 << 14;

/// Settings of AdamW as PyTorch defines it: decoupled decay, and eps outside the square root.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Decay rate of the mean of gradients. By default, this is 0.9.
    pub beta1: f64,
    /// Decay rate of the mean of squared gradients. By default, this is 0.999.
    pub beta2: f64,
    /// Added to the root of the mean square. By default, this is 1e-8.
    pub epsilon: f64,
    /// Share of a weight that one update at rate 1 would remove. By default, this is 1e-2.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 1e-2,
        }
    }
}

/// Running moments of one parameter's gradient.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
    pub(super) updates: u64,
}

impl Moments {
    pub(super) fn zeros(elements: usize) -> Self {
        Self {
            first: vec![0.0; elements],
            second: vec![0.0; elements],
            updates: 0,
        }
    }
}

impl AdamW {
    /// Updates one parameter in place from `gradient * gradient_scale`.
    ///
    /// Element by element, so the result does not depend on how many threads share the work.
    pub(super) fn update(
        &self,
        weights: &mut [f32],
        gradient: &[f32],
        gradient_scale: f32,
        moments: &mut Moments,
        rate: f64,
    ) {
        moments.updates += 1;
        let exponent = moments.updates as f64;
        let correction1 = 1.0 - self.beta1.powf(exponent);
        let correction2 = 1.0 - self.beta2.powf(exponent);
        let keep = (1.0 - rate * self.weight_decay) as f32;
        let mix1 = (1.0 - self.beta1) as f32;
        let beta2 = self.beta2 as f32;
        let mix2 = (1.0 - self.beta2) as f32;
        let root = correction2.sqrt() as f32;
        let epsilon = self.epsilon as f32;
        let step = (-rate / correction1) as f32;
        weights
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(moments.first.par_chunks_mut(CHUNK))
            .zip(moments.second.par_chunks_mut(CHUNK))
            .for_each(|(((weights, gradient), first), second)| {
                let rows = weights.iter_mut().zip(gradient).zip(first).zip(second);
                for (((weight, gradient), first), second) in rows {
                    let gradient = gradient * gradient_scale;
                    *first += mix1 * (gradient - *first);
                    *second = *second * beta2 + mix2 * gradient * gradient;
                    let denominator = second.sqrt() / root + epsilon;
                    *weight = *weight * keep + step * *first / denominator;
                }
            });
    }
}
