//! One step of the reverse process, reduced to a handful of numbers.
//!
//! DDPM and DDIM differ only in how these numbers follow from the schedule. Once they are known,
//! a step is one affine combination of the noisy latent, the network's output and fresh noise.

use burn::tensor::Tensor;
use thiserror::Error;

use crate::prediction::Mix;
use crate::schedule::ScheduleError;

/// Reverse steps that cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StepError {
    /// The timesteps do not fit the schedule.
    #[error("The timesteps do not fit the noise schedule")]
    Schedule(#[source] ScheduleError),
    /// The prediction type says nothing about the original at this timestep.
    #[error("The prediction type is singular at timestep `{timestep}`")]
    Singular {
        /// The timestep of the step.
        timestep: usize,
    },
}

impl From<ScheduleError> for StepError {
    fn from(error: ScheduleError) -> Self {
        Self::Schedule(error)
    }
}

/// The numbers of one step: `previous = original * x_0 + sample * z + output * out + noise * e`,
/// where `x_0` is itself mixed from `z` and `out` and clamped when `clip` is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReverseStep {
    /// The timestep the denoiser is evaluated at.
    pub timestep: usize,
    /// How the predicted original follows from the latent and the network's output.
    pub prediction: Mix,
    /// The largest magnitude of the predicted original; none leaves it alone.
    pub clip: Option<f64>,
    /// The factor of the predicted original.
    pub original: f64,
    /// The factor of the noisy latent.
    pub sample: f64,
    /// The factor of the network's output.
    pub output: f64,
    /// The standard deviation of the fresh noise; 0 when the step draws none.
    pub noise: f64,
}

impl ReverseStep {
    /// Moves latents one step towards the data.
    ///
    /// `noise` must be given exactly when `self.noise` is not 0; the sampler keeps that.
    ///
    /// # Shapes
    /// All tensors are the same, of any rank.
    pub fn apply<const D: usize>(
        &self,
        sample: Tensor<D>,
        output: Tensor<D>,
        noise: Option<Tensor<D>>,
    ) -> Tensor<D> {
        let mean = match self.clip {
            None => self.unclipped().apply(sample, output),
            Some(range) => {
                let original = self
                    .prediction
                    .apply(sample.clone(), output.clone())
                    .clamp(-range, range);
                let rest = Mix {
                    sample: self.sample,
                    output: self.output,
                };
                original.mul_scalar(self.original) + rest.apply(sample, output)
            }
        };
        match noise {
            Some(noise) => mean + noise.mul_scalar(self.noise),
            None => mean,
        }
    }

    /// Evaluates the step on numbers, in `f64`.
    pub fn apply_scalar(&self, sample: f64, output: f64, noise: f64) -> f64 {
        let original = self.prediction.apply_scalar(sample, output);
        let original = self.clip.map_or(original, |range| original.clamp(-range, range));
        self.original * original + self.sample * sample + self.output * output + self.noise * noise
    }

    /// Checks that every number is finite.
    pub(crate) fn checked(self) -> Result<Self, StepError> {
        let numbers = [self.original, self.sample, self.output, self.noise];
        if self.prediction.is_finite() && numbers.iter().all(|n| n.is_finite()) {
            Ok(self)
        } else {
            let timestep = self.timestep;
            Err(StepError::Singular { timestep })
        }
    }

    fn unclipped(&self) -> Mix {
        Mix {
            sample: self.sample + self.original * self.prediction.sample,
            output: self.output + self.original * self.prediction.output,
        }
    }
}
