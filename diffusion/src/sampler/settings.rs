//! How a sampling run is to be made.

use serde::{Deserialize, Serialize};

use crate::mutual_information::{EstimatorParts, MiTrajectory};
use crate::scheduler::{SchedulerKind, StepVariance};

/// How candidates are made. The defaults are those of the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerSettings {
    /// The family of steps.
    pub scheduler: SchedulerKind,
    /// The noise of DDIM steps, from 0 to 1; other schedulers do not look at it. By default, 0.
    pub eta: f64,
    /// The number of denoising steps. By default, 50.
    pub steps: usize,
    /// The guidance scale; 1 is no guidance. By default, 7.5.
    pub guidance: f64,
    /// The seed all noise derives from. By default, 42.
    pub seed: u64,
    /// Which prediction the steps follow. By default, the guided one.
    pub trajectory: MiTrajectory,
    /// The variance of DDPM steps. By default, the scheduler's.
    pub variance: StepVariance,
    /// The estimator of mutual information. By default, the paper's.
    pub estimator: EstimatorParts,
}

impl Default for SamplerSettings {
    fn default() -> Self {
        Self {
            scheduler: SchedulerKind::Ddpm,
            eta: 0.0,
            steps: 50,
            guidance: 7.5,
            seed: 42,
            trajectory: MiTrajectory::Guided,
            variance: StepVariance::Scheduler,
            estimator: EstimatorParts::default(),
        }
    }
}
