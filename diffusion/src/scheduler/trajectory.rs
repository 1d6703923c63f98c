//! The latent on its way from noise to data, with what a multistep method remembers.

use std::collections::VecDeque;

use burn::tensor::Tensor;

use super::limit::Limit;
use super::reverse_step::{Anchor, Keeps, ReverseStep};
use crate::prediction::Mix;

/// What a trajectory is made of: tensors, and in tests numbers to check them with.
pub trait Latents: Clone {
    /// Multiplies by a number.
    fn scaled(self, factor: f64) -> Self;
    /// Adds element by element.
    fn plus(self, other: Self) -> Self;
    /// Limits the elements of each image.
    fn limited(self, limit: Limit) -> Self;
}

impl<const D: usize> Latents for Tensor<D> {
    fn scaled(self, factor: f64) -> Self {
        if factor == 1.0 {
            self
        } else {
            self.mul_scalar(factor)
        }
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn limited(self, limit: Limit) -> Self {
        limit.apply(self)
    }
}

/// A latent between two steps.
#[derive(Debug, Clone)]
pub struct Trajectory<T> {
    latent: T,
    anchor: Option<T>,
    kept: VecDeque<T>,
    memory: usize,
}

impl<T: Latents> Trajectory<T> {
    /// Starts at a latent; `memory` is how many kept values the steps look back to.
    pub fn new(latent: T, memory: usize) -> Self {
        Self {
            latent,
            anchor: None,
            kept: VecDeque::with_capacity(memory + 1),
            memory,
        }
    }

    /// Returns what the denoiser is to see.
    pub fn input(&self, step: &ReverseStep) -> T {
        self.latent.clone().scaled(step.input_scale)
    }

    /// Puts `replacement` in the place of what the denoiser would see, its [`input`](Self::input).
    ///
    /// The latent moves by as much before the factor of the step, so that it stays what it is to the last digit where
    /// nothing was changed. A step that goes [from a remembered latent](Anchor::Remembered) still goes from there.
    pub fn replace_input(&mut self, step: &ReverseStep, input: &T, replacement: T) {
        self.latent = match step.input_scale == 1.0 {
            true => replacement,
            false => {
                let change = replacement.plus(input.clone().scaled(-1.0));
                self.latent.clone().plus(change.scaled(step.input_scale.recip()))
            }
        };
    }

    /// Moves one step towards the data.
    ///
    /// `noise` is what was drawn, if the step draws.
    pub fn advance(&mut self, step: &ReverseStep, output: T, noise: Option<T>) {
        let start = match step.anchor {
            Anchor::Current => self.latent.clone(),
            Anchor::Remember => self.anchor.insert(self.latent.clone()).clone(),
            Anchor::Remembered => self.anchor.clone().unwrap_or_else(|| self.latent.clone()),
        };
        let original = (step.limit != Limit::None || step.keeps == Keeps::Original)
            .then(|| mix(step.prediction, &start, &output).limited(step.limit));
        let mut next = match &original {
            Some(original) => {
                let rest = Mix {
                    sample: step.sample,
                    output: step.output,
                };
                let original = original.clone().scaled(step.original);
                if rest.sample == 0.0 && rest.output == 0.0 {
                    original
                } else {
                    mix(rest, &start, &output).plus(original)
                }
            }
            // Without a limit in between, the two combinations are one.
            None => mix(
                Mix {
                    sample: step.sample + step.original * step.prediction.sample,
                    output: step.output + step.original * step.prediction.output,
                },
                &start,
                &output,
            ),
        };
        for (kept, &factor) in self.kept.iter().zip(&step.history) {
            if factor != 0.0 {
                next = next.plus(kept.clone().scaled(factor));
            }
        }
        if let Some(noise) = noise.filter(|_| step.noise != 0.0) {
            next = next.plus(noise.scaled(step.noise));
        }
        match (step.keeps, original) {
            (Keeps::Nothing, _) => {}
            (Keeps::Original, Some(original)) => self.kept.push_front(original),
            (Keeps::Original | Keeps::Output, _) => self.kept.push_front(output),
        }
        self.kept.truncate(self.memory);
        self.latent = next;
    }

    /// Ends the way.
    pub fn into_latent(self) -> T {
        self.latent
    }

    /// Returns the latent between the two steps.
    pub fn latent(&self) -> &T {
        &self.latent
    }
}

fn mix<T: Latents>(mix: Mix, sample: &T, output: &T) -> T {
    match (mix.sample == 0.0, mix.output == 0.0) {
        (true, _) => output.clone().scaled(mix.output),
        (false, true) => sample.clone().scaled(mix.sample),
        (false, false) => sample
            .clone()
            .scaled(mix.sample)
            .plus(output.clone().scaled(mix.output)),
    }
}
