//! Curves over the steps of sampling and training.

use super::{ModelLabel, Origin};

/// The MI of a pool of candidates over the steps of sampling.
pub(in crate::report) struct Trace {
    pub(in crate::report) model: ModelLabel,
    pub(in crate::report) origin: Origin,
    /// The timestep of each step, in the order of sampling: falling.
    pub(in crate::report) timesteps: Vec<i32>,
    pub(in crate::report) bands: Vec<TraceBand>,
    /// Candidates in no band.
    pub(in crate::report) left_out: usize,
}

/// Quartiles over some of the candidates.
pub(in crate::report) struct TraceBand {
    pub(in crate::report) name: &'static str,
    pub(in crate::report) candidates: usize,
    /// Lower quartile, median and upper quartile at each step.
    pub(in crate::report) quartiles: Vec<[f64; 3]>,
}

/// The loss of a training.
pub(in crate::report) struct LossCurve {
    pub(in crate::report) origin: Origin,
    pub(in crate::report) names: Vec<String>,
    pub(in crate::report) steps: u64,
    /// Steps whose loss is no finite number.
    pub(in crate::report) left_out: usize,
    /// Mean of the first and of the last tenth.
    pub(in crate::report) first: f64,
    pub(in crate::report) last: f64,
    pub(in crate::report) points: Vec<LossPoint>,
}

/// Consecutive steps of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct LossPoint {
    /// Middle of the steps.
    pub(in crate::report) step: f64,
    pub(in crate::report) mean: f64,
    pub(in crate::report) lowest: f64,
    pub(in crate::report) highest: f64,
}
