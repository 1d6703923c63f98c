//! What the values of a scheduler file are called.

use super::config::{SchedulerConfigError, VarianceType};
use super::solver_config::SolverForm;
use super::timesteps::TimestepSpacing;
use crate::prediction::PredictionType;
use crate::schedule::BetaSchedule;

/// The names of a value in the file and what they stand for, the name to write first.
pub(super) type Names<T> = &'static [(&'static str, T)];

pub(super) const BETA_SCHEDULES: Names<BetaSchedule> = &[
    ("linear", BetaSchedule::Linear),
    ("scaled_linear", BetaSchedule::ScaledLinear),
    ("squaredcos_cap_v2", BetaSchedule::SquaredcosCapV2),
    ("sigmoid", BetaSchedule::Sigmoid),
];
pub(super) const VARIANCE_TYPES: Names<VarianceType> = &[
    ("fixed_small", VarianceType::FixedSmall),
    ("fixed_small_log", VarianceType::FixedSmallLog),
    ("fixed_large", VarianceType::FixedLarge),
];
pub(super) const PREDICTION_TYPES: Names<PredictionType> = &[
    ("epsilon", PredictionType::Epsilon),
    ("v_prediction", PredictionType::VPrediction),
    ("sample", PredictionType::Sample),
    ("original_sample", PredictionType::Sample),
];
pub(super) const SPACINGS: Names<TimestepSpacing> = &[
    ("leading", TimestepSpacing::Leading),
    ("trailing", TimestepSpacing::Trailing),
    ("linspace", TimestepSpacing::Linspace),
];
/// Names of other solvers' forms stand for midpoint, as in diffusers.
pub(super) const SOLVER_FORMS: Names<SolverForm> = &[
    ("midpoint", SolverForm::Midpoint),
    ("heun", SolverForm::Heun),
    ("logrho", SolverForm::Midpoint),
    ("bh1", SolverForm::Midpoint),
    ("bh2", SolverForm::Midpoint),
];

/// Finds the name to write for a value.
pub(super) fn name<T: PartialEq>(value: T, names: Names<T>) -> Option<String> {
    let found = names.iter().find(|(_, named)| *named == value);
    found.map(|(name, _)| (*name).to_owned())
}

/// Looks a name up; an absent one is the first.
pub(super) fn chosen<T: Copy>(
    found: &Option<String>,
    names: &[(&str, T)],
    key: &'static str,
    supported: &'static str,
) -> Result<T, SchedulerConfigError> {
    let found = found.as_deref().unwrap_or(names[0].0);
    match names.iter().find(|(name, _)| *name == found) {
        Some((_, value)) => Ok(*value),
        None => Err(SchedulerConfigError::unsupported(key, found, supported)),
    }
}
