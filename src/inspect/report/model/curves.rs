//! Curves over the steps of sampling and training.

use serde::Serialize;

use super::{ModelLabel, Origin};

/// The MI of pools of candidates over the steps of sampling.
#[derive(Serialize)]
pub(crate) struct Traces {
    pub(crate) pools: Vec<Trace>,
    /// Pools without a curve: too many, or without traces.
    pub(crate) left_out: usize,
}

/// The MI of a pool of candidates over the steps of sampling.
#[derive(Serialize)]
pub(crate) struct Trace {
    pub(crate) model: ModelLabel,
    pub(crate) origin: Origin,
    /// The timestep of each step, in the order of sampling: falling.
    pub(crate) timesteps: Vec<i32>,
    pub(crate) bands: Vec<TraceBand>,
    /// Candidates in no band.
    pub(crate) left_out: usize,
}

/// Quartiles over some of the candidates.
#[derive(Serialize)]
pub(crate) struct TraceBand {
    pub(crate) name: &'static str,
    pub(crate) candidates: usize,
    /// Lower quartile, median and upper quartile at each step.
    pub(crate) quartiles: Vec<[f64; 3]>,
}

/// The loss of a training.
#[derive(Serialize)]
pub(crate) struct LossCurve {
    pub(crate) origin: Origin,
    pub(crate) names: Vec<String>,
    pub(crate) steps: u64,
    /// Steps whose loss is no finite number.
    pub(crate) left_out: usize,
    /// Mean of the first and of the last tenth.
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) points: Vec<LossPoint>,
}

/// Consecutive steps of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct LossPoint {
    /// Middle of the steps.
    pub(crate) step: f64,
    pub(crate) mean: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}
