//! Weights of a run's timesteps, and how squared differences become one number.

use super::{EstimatorParts, MiReduction, MiWeight, MutualInformationError};
use crate::prediction::PredictionType;
use crate::schedule::NoiseSchedule;

/// Where the network was asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The timestep, which may be fractional.
    pub timestep: f64,
    /// The share of signal variance in what the network saw.
    pub alpha_cumprod: f64,
    /// Whether the evaluation may count; one that a multistep method takes back must not.
    pub counts: bool,
}

/// How squared differences along a run become one number.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimator {
    weights: Vec<f64>,
    counts: Vec<bool>,
    /// What the sum of the terms that count is divided by.
    divisor: f64,
}

impl Estimator {
    /// Prepares the weights of a run.
    ///
    /// Differences of other prediction types are brought to noise by the slope of noise in the
    /// output, `sqrt(alpha_cumprod)` for velocity, unless `raw_outputs` asks to feed them in as
    /// they are, which is what the reference code does.
    ///
    /// # Errors
    /// Fails when no timestep counts or a weight is not finite.
    pub fn new(
        schedule: &NoiseSchedule,
        prediction: PredictionType,
        parts: &EstimatorParts,
        levels: &[Level],
    ) -> Result<Self, MutualInformationError> {
        let counts: Vec<bool> = levels
            .iter()
            .map(|level| level.counts && parts.counts(level.timestep))
            .collect();
        let counted = counts.iter().filter(|&&counts| counts).count();
        if counted == 0 {
            let (min_timestep, max_timestep) = (parts.min_timestep, parts.max_timestep);
            return Err(MutualInformationError::NoTimestep {
                min_timestep,
                max_timestep,
            });
        }
        let prediction = if parts.raw_outputs {
            PredictionType::Epsilon
        } else {
            prediction
        };
        let weights = levels
            .iter()
            .map(|level| match weight(schedule, prediction, parts.weight, level) {
                weight if weight.is_finite() => Ok(weight),
                _ => Err(MutualInformationError::Weight {
                    timestep: level.timestep,
                }),
            })
            .collect::<Result<_, _>>()?;
        let all = levels.iter().filter(|level| level.counts).count();
        let divisor = match parts.reduction {
            MiReduction::Mean => counted as f64,
            MiReduction::Sum => 1.0,
            MiReduction::Covered => all as f64,
        };
        Ok(Self {
            weights,
            counts,
            divisor,
        })
    }

    /// Lets all levels together stand for a share of the schedule: the terms that count then give
    /// what that share contributes to the whole.
    pub(crate) fn covering(self, share: f64) -> Self {
        let divisor = self.weights.len() as f64 / share;
        Self { divisor, ..self }
    }

    /// Returns the weight of every level, counted or not.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Weighs the squared output differences of a run, one per timestep, counted or not.
    pub fn terms(&self, squares: &[f64]) -> Vec<f64> {
        self.weights.iter().zip(squares).map(|(w, s)| w * s).collect()
    }

    /// Joins the terms of the timesteps that count.
    pub fn estimate(&self, terms: &[f64]) -> f64 {
        let counted = terms.iter().zip(&self.counts).filter(|&(_, &counts)| counts);
        counted.map(|(term, _)| term).sum::<f64>() / self.divisor
    }
}

/// Returns the weight times the squared slope of noise in the network's output.
fn weight(schedule: &NoiseSchedule, prediction: PredictionType, form: MiWeight, level: &Level) -> f64 {
    let beta = schedule.beta_at(level.timestep);
    let signal = level.alpha_cumprod;
    let scale = beta * schedule.len() as f64 / (2.0 * (1.0 - signal));
    let (scale, divisor) = match form {
        MiWeight::Kappa => (scale, 1.0 - beta),
        MiWeight::KappaWithoutAlpha => (scale, 1.0),
        MiWeight::Unweighted => (1.0, 1.0),
    };
    // What is left of the signal in a step that leaves nothing is what the step before left.
    let left = || match divisor {
        0.0 => schedule.alphas_cumprod()[(level.timestep as usize).saturating_sub(1)],
        _ => signal / divisor,
    };
    match prediction {
        PredictionType::Epsilon => scale / divisor,
        PredictionType::VPrediction => scale * left(),
        PredictionType::Sample => scale * left() / (1.0 - signal),
    }
}
