//! Pools whose images were judged.

use mitune_stages::evaluate::measures::comparison::Comparison;
use mitune_stages::evaluate::measures::summary::EvaluationSummary;
use mitune_stages::statistics::bootstrap::Estimate;

use super::evaluations::Evaluation;
use super::pools::Pool;

/// A pool with what was read off it.
pub(super) struct Judged<'a> {
    pub(super) pool: &'a Pool<'a>,
    pub(super) evaluation: &'a Evaluation,
}

/// A pool with what was measured on it.
pub(super) struct Measured<'a> {
    pub(super) judged: &'a Judged<'a>,
    pub(super) summary: EvaluationSummary,
    pub(super) to_base: Option<Comparison>,
    pub(super) to_control: Option<Estimate>,
}
