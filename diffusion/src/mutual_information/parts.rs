//! The parts of an estimator, and the sets of them that have a name.

use serde::{Deserialize, Serialize};

use crate::schedule::{NoiseSchedule, ScheduleError};
use crate::scheduler::StepVariance;

/// The reference code lets in the timesteps above 50.
const REFERENCE_FIRST: usize = 51;

/// Whose estimator, where the paper's text, its pseudo-code and its program differ.
///
/// | part | `paper` | `algorithm2` | `reference` |
/// |---|---|---|---|
/// | weight | `kappa` (equation 2) | `kappa` | `kappa_without_alpha` |
/// | timesteps | all | all | above 50 |
/// | trajectory | `guided` (table 8: guidance 7.5) | `conditional` | `guided` |
/// | variance | `scheduler` | `beta` | `scheduler` |
/// | reduction | `mean` (equation 2: an expectation) | `sum` | `mean` |
///
/// Algorithm 2 walks over all timesteps of the training, where the variance `beta_t` and that of
/// the posterior are nearly the same; table 8 has 50 steps, between which `beta_t` leaves noise in
/// the latent that the network is not told of. `paper` is therefore equation 2 with the settings of
/// table 8, and `algorithm2` is the pseudo-code to the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MiMode {
    /// Equation 2 with the settings of table 8: divided by `alpha_t`, all timesteps, along the
    /// guided trajectory, the mean; the default.
    #[default]
    Paper,
    /// The pseudo-code of algorithm 2: divided by `alpha_t`, all timesteps, along the conditional
    /// trajectory with variance `beta_t`, the sum.
    Algorithm2,
    /// The authors' code: not divided by `alpha_t`, timesteps above 50, along the guided trajectory,
    /// the mean of what is left.
    Reference,
}

/// Which prediction the steps of a run follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MiTrajectory {
    /// The guided one, at the guidance of the settings; table 8 of the paper has guidance 7.5, and
    /// its code guides. The default.
    #[default]
    Guided,
    /// The conditional one alone, as algorithm 2 writes it; the guidance of the settings has then no
    /// part in the images, which is the same as a guidance of 1.
    Conditional,
}

/// The weight of a squared difference of noise predictions, over its elements' sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MiWeight {
    /// `beta_t T / (2 alpha_t (1 - alpha_cumprod_t))`, as in equation 2; nats.
    Kappa,
    /// `beta_t T / (2 (1 - alpha_cumprod_t))`, as in the reference code; nats, at most 1.2% less.
    KappaWithoutAlpha,
    /// 1: every timestep counts alike. Not nats.
    Unweighted,
}

/// How the weighted terms of a run become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MiReduction {
    /// The mean over the timesteps that count. In nats where all count; over a part of them it says
    /// what all would give if they were like these.
    Mean,
    /// The sum over the timesteps that count: that many times the mean, so the same ranking.
    Sum,
    /// The sum over the timesteps that count divided by the number of all: what the range
    /// contributes to the whole, in nats.
    Covered,
}

/// How squared differences along a run are weighed and joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstimatorParts {
    /// The weight of a squared difference.
    pub weight: MiWeight,
    /// The smallest timestep that counts; fractional timesteps are taken as they round.
    pub min_timestep: usize,
    /// The largest timestep that counts; none is no limit.
    pub max_timestep: Option<usize>,
    /// How terms are joined.
    pub reduction: MiReduction,
    /// Whether raw outputs stand for noise even when they are not, as in the reference code.
    pub raw_outputs: bool,
}

impl Default for EstimatorParts {
    fn default() -> Self {
        MiMode::default().parts()
    }
}

impl MiMode {
    /// Returns how this mode weighs and joins; raw outputs are converted in all of them.
    pub fn parts(self) -> EstimatorParts {
        let (weight, min_timestep, reduction) = match self {
            Self::Paper => (MiWeight::Kappa, 0, MiReduction::Mean),
            Self::Algorithm2 => (MiWeight::Kappa, 0, MiReduction::Sum),
            Self::Reference => (MiWeight::KappaWithoutAlpha, REFERENCE_FIRST, MiReduction::Mean),
        };
        EstimatorParts {
            weight,
            min_timestep,
            max_timestep: None,
            reduction,
            raw_outputs: false,
        }
    }

    /// Returns what the trajectory of this mode follows.
    pub fn trajectory(self) -> MiTrajectory {
        match self {
            Self::Algorithm2 => MiTrajectory::Conditional,
            Self::Paper | Self::Reference => MiTrajectory::Guided,
        }
    }

    /// Returns the variance of this mode's steps.
    pub fn variance(self) -> StepVariance {
        match self {
            Self::Algorithm2 => StepVariance::Beta,
            Self::Paper | Self::Reference => StepVariance::Scheduler,
        }
    }
}

impl MiWeight {
    /// Returns the weight of a squared difference of noise predictions at a training timestep.
    ///
    /// # Errors
    /// Fails when the timestep is outside the schedule.
    pub fn at(self, schedule: &NoiseSchedule, timestep: usize) -> Result<f64, ScheduleError> {
        let alpha_cumprod = schedule.alpha_cumprod(timestep)?;
        let beta = schedule.betas()[timestep];
        let without_alpha = beta * schedule.len() as f64 / (2.0 * (1.0 - alpha_cumprod));
        Ok(match self {
            Self::Kappa => without_alpha / (1.0 - beta),
            Self::KappaWithoutAlpha => without_alpha,
            Self::Unweighted => 1.0,
        })
    }
}

impl EstimatorParts {
    /// Tells whether a timestep is in the range that counts.
    pub(super) fn counts(&self, timestep: f64) -> bool {
        let timestep = timestep.round();
        timestep >= self.min_timestep as f64 && self.max_timestep.is_none_or(|max| timestep <= max as f64)
    }
}
