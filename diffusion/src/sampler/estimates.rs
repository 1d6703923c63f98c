//! The estimators that one run serves.

use super::{Candidate, SamplerError, SamplerSettings};
use crate::mutual_information::{Estimator, EstimatorParts, Level, MiMode, MutualInformationError};
use crate::scheduler::{ReverseProcess, SchedulerConfig};

/// The estimator of the settings, and those of the two modes that other readers may want.
///
/// They differ in weight, range and reduction; the trajectory is the one that was walked.
#[derive(Debug, Clone)]
pub(super) struct Estimates {
    own: Estimator,
    paper: Option<Estimator>,
    reference: Option<Estimator>,
}

impl Estimates {
    /// Prepares the estimators along a run.
    ///
    /// # Errors
    /// Fails when the estimator of the settings cannot be built; the others are then left out.
    pub(super) fn new(
        config: &SchedulerConfig,
        settings: &SamplerSettings,
        process: &ReverseProcess,
    ) -> Result<Self, SamplerError> {
        let schedule = settings.scheduler.schedule(config)?;
        let levels: Vec<Level> = process
            .steps
            .iter()
            .map(|step| Level {
                timestep: step.timestep,
                alpha_cumprod: step.alpha_cumprod,
                counts: step.on_trajectory,
            })
            .collect();
        let build = |parts: &EstimatorParts| -> Result<Estimator, MutualInformationError> {
            Estimator::new(&schedule, config.prediction_type, parts, &levels)
        };
        let raw_outputs = settings.estimator.raw_outputs;
        let of_mode = |mode: MiMode| {
            let parts = mode.parts();
            build(&EstimatorParts { raw_outputs, ..parts }).ok()
        };
        Ok(Self {
            own: build(&settings.estimator)?,
            paper: of_mode(MiMode::Paper),
            reference: of_mode(MiMode::Reference),
        })
    }

    /// Puts scores and terms into a candidate; `squares` holds the squared difference of every
    /// evaluation.
    pub(super) fn filled_in(&self, candidate: Candidate, squares: &[f64]) -> Candidate {
        let estimate = |estimator: &Estimator| estimator.estimate(&estimator.terms(squares));
        let terms = self.own.terms(squares);
        Candidate {
            mi: self.own.estimate(&terms),
            mi_paper: self.paper.as_ref().map(estimate),
            mi_reference: self.reference.as_ref().map(estimate),
            mi_trace: terms.iter().map(|&term| term as f32).collect(),
            mi_weights: self.own.weights().iter().map(|&weight| weight as f32).collect(),
            ..candidate
        }
    }
}
