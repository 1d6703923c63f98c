//! The estimators that one run serves.

use super::{SamplerError, SamplerSettings};
use crate::mutual_information::{
    AnswerSum, Estimator, EstimatorParts, InformationMeasure, Level, MeasureError, Measured, MiMode,
    MutualInformationError,
};
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
}

impl InformationMeasure for Estimates {
    fn sums(&self) -> &[AnswerSum] {
        &[AnswerSum::SquaredDifference]
    }

    fn measured(&self, sums: &[Vec<f64>]) -> Result<Measured, MeasureError> {
        let squares = sums.first().map(Vec::as_slice).unwrap_or_default();
        let (expected, found) = (self.own.weights().len(), squares.len());
        if expected != found {
            return Err(MeasureError { expected, found });
        }
        let estimate = |estimator: &Estimator| estimator.estimate(&estimator.terms(squares));
        let terms = self.own.terms(squares);
        Ok(Measured {
            mi: self.own.estimate(&terms),
            mi_paper: self.paper.as_ref().map(estimate),
            mi_reference: self.reference.as_ref().map(estimate),
            terms,
            weights: self.own.weights().to_vec(),
        })
    }
}
