//! Rectified flows: their steps for the sampler, and mutual information from their velocities.
//!
//! With `z = (1 - sigma) x + sigma e` and the velocity `u = E[e - x | z]`, the score is
//! `-(z + (1 - sigma) u) / sigma`, so that the information between prompt and image is the
//! integral over `sigma` of `(1 - sigma) / sigma |u_c - u_0|^2` (Wang et al. 2025, RFMI). Since
//! `u_c` averages to `u_0`, `u_c . (u_c - u_0)` has the same expectation. The authors' code takes
//! the guided velocity in place of `u_c` and the plain mean over the steps of its sampler, which
//! are not evenly spaced, in place of the integral; both forms are here. Everything is `f64` on the
//! host. [`Sampler::along`](crate::sampler::Sampler::along) takes the steps and the [`FlowMeasure`].

mod measure;
mod process;
mod schedule;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub use measure::FlowMeasure;
pub use schedule::FlowSchedule;

/// The reference code leaves out the levels at or below this one.
const REFERENCE_CUT: f64 = 0.05;

/// An estimate that cannot be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RectifiedFlowError {
    /// A number of steps that the schedule does not have.
    #[error("`{steps}` steps are not between 1 and the schedule's `{length}`")]
    Steps {
        /// The requested number of steps.
        steps: usize,
        /// How many timesteps the schedule has.
        length: usize,
    },
    /// A level outside (0, 1], or one that is not below the level before it.
    #[error("Level `{sigma}` at step `{step}` is not in (0, 1] and below the one before it")]
    Level {
        /// The step of the level.
        step: usize,
        /// The level.
        sigma: f64,
    },
    /// No level that counts.
    #[error("No level of the run counts")]
    NoLevel,
    /// A guidance scale that is not a number.
    #[error("Guidance is `{guidance}`, expected a finite number")]
    Guidance {
        /// The guidance scale.
        guidance: f64,
    },
    /// Sums that do not go with the levels.
    #[error("There are `{found}` steps of velocities where `{expected}` are needed")]
    Count {
        /// The number of levels.
        expected: usize,
        /// The number of steps given.
        found: usize,
    },
}

/// What an estimate needs to know of the two velocities of one image at one level: sums over all
/// elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VelocitySums {
    /// `u_0 . (u_c - u_0)`.
    pub cross: f64,
    /// `|u_c - u_0|^2`.
    pub square: f64,
}

impl VelocitySums {
    /// Sums over the elements that both slices have.
    pub fn of(unconditional: &[f32], conditional: &[f32]) -> Self {
        let pairs = unconditional.iter().zip(conditional);
        let mut sums = Self {
            cross: 0.0,
            square: 0.0,
        };
        for (unconditional, conditional) in pairs.map(|(&u, &c)| (f64::from(u), f64::from(c))) {
            let difference = conditional - unconditional;
            sums.cross += unconditional * difference;
            sums.square += difference * difference;
        }
        sums
    }

    /// Returns `u_g . (u_g - u_0)` for `u_g = u_0 + guidance (u_c - u_0)`; a guidance of 1 takes
    /// `u_c` itself. It may be negative for a single image.
    pub fn product(self, guidance: f64) -> f64 {
        guidance * self.cross + guidance * guidance * self.square
    }
}

/// How velocities along a run become one number.
#[derive(Debug, Clone, PartialEq)]
pub struct RectifiedFlowEstimator {
    /// `(1 - sigma) / sigma` of every level.
    scales: Vec<f64>,
    /// What each level contributes of its term.
    shares: Vec<f64>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Square,
    Product { guidance: f64 },
}

impl RectifiedFlowEstimator {
    /// Prepares the integral of `(1 - sigma) / sigma |u_c - u_0|^2` over [0, 1], in which each level
    /// stands for the part that is nearer to it than to the others.
    ///
    /// `sigmas` are the levels at which the network is asked, without the final 0.
    ///
    /// # Errors
    /// Fails when there is no level, or levels do not fall from at most 1 to above 0.
    pub fn integral(sigmas: &[f64]) -> Result<Self, RectifiedFlowError> {
        check(sigmas)?;
        let borders: Vec<f64> = std::iter::once(1.0)
            .chain(sigmas.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0))
            .chain(std::iter::once(0.0))
            .collect();
        Ok(Self {
            scales: scales(sigmas),
            shares: borders.windows(2).map(|pair| pair[0] - pair[1]).collect(),
            form: Form::Square,
        })
    }

    /// Prepares the authors' form: the plain mean of `(1 - sigma) / sigma u_g . (u_g - u_0)` over
    /// the levels above 0.05 and below 1, with the guided velocity `u_g`; a guidance of 1 is their
    /// form without guidance.
    ///
    /// # Errors
    /// As for [`Self::integral`], and when no level counts or the guidance is not finite.
    pub fn reference(sigmas: &[f64], guidance: f64) -> Result<Self, RectifiedFlowError> {
        check(sigmas)?;
        if !guidance.is_finite() {
            return Err(RectifiedFlowError::Guidance { guidance });
        }
        let counts = |&sigma: &f64| sigma != 1.0 && sigma > REFERENCE_CUT;
        let count = sigmas.iter().filter(|sigma| counts(sigma)).count();
        if count == 0 {
            return Err(RectifiedFlowError::NoLevel);
        }
        let share = |sigma| if counts(sigma) { 1.0 / count as f64 } else { 0.0 };
        Ok(Self {
            scales: scales(sigmas),
            shares: sigmas.iter().map(share).collect(),
            form: Form::Product { guidance },
        })
    }

    /// Returns the weighted term of every level, counted or not.
    ///
    /// # Errors
    /// Fails when there is not one entry for each level.
    pub fn terms(&self, sums: &[VelocitySums]) -> Result<Vec<f64>, RectifiedFlowError> {
        let (expected, found) = (self.scales.len(), sums.len());
        if expected != found {
            return Err(RectifiedFlowError::Count { expected, found });
        }
        let term = |(scale, sums): (&f64, &VelocitySums)| match self.form {
            Form::Square => scale * sums.square,
            Form::Product { guidance } => scale * sums.product(guidance),
        };
        Ok(self.scales.iter().zip(sums).map(term).collect())
    }

    /// Estimates the mutual information of one image with its prompt, in nats.
    ///
    /// # Errors
    /// As for [`Self::terms`].
    pub fn estimate(&self, sums: &[VelocitySums]) -> Result<f64, RectifiedFlowError> {
        let terms = self.terms(sums)?;
        Ok(terms
            .iter()
            .zip(&self.shares)
            .map(|(term, share)| term * share)
            .sum())
    }
}

fn scales(sigmas: &[f64]) -> Vec<f64> {
    sigmas.iter().map(|sigma| (1.0 - sigma) / sigma).collect()
}

fn check(sigmas: &[f64]) -> Result<(), RectifiedFlowError> {
    let mut before = f64::INFINITY;
    for (step, &sigma) in sigmas.iter().enumerate() {
        if !(sigma > 0.0 && sigma <= 1.0 && sigma < before) {
            return Err(RectifiedFlowError::Level { step, sigma });
        }
        before = sigma;
    }
    match sigmas.is_empty() {
        true => Err(RectifiedFlowError::NoLevel),
        false => Ok(()),
    }
}
