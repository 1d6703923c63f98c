//! Mutual information along a run of a sampler.

use super::{RectifiedFlowError, RectifiedFlowEstimator, VelocitySums};
use crate::mutual_information::{AnswerSum, InformationMeasure, MeasureError, Measured};

/// The integral over the levels of a run, and the authors' form of the same run where it has a value.
#[derive(Debug, Clone)]
pub struct FlowMeasure {
    integral: RectifiedFlowEstimator,
    reference: Option<RectifiedFlowEstimator>,
}

impl FlowMeasure {
    /// Prepares the estimates for the levels of a run, without the final 0; `guidance` is that of the
    /// authors' form.
    ///
    /// # Errors
    /// As for [`RectifiedFlowEstimator::integral`].
    pub fn new(sigmas: &[f64], guidance: f64) -> Result<Self, RectifiedFlowError> {
        Ok(Self {
            integral: RectifiedFlowEstimator::integral(sigmas)?,
            reference: RectifiedFlowEstimator::reference(sigmas, guidance).ok(),
        })
    }
}

impl InformationMeasure for FlowMeasure {
    fn sums(&self) -> &[AnswerSum] {
        &[AnswerSum::BaselineProduct, AnswerSum::SquaredDifference]
    }

    fn measured(&self, sums: &[Vec<f64>]) -> Result<Measured, MeasureError> {
        let sums: Vec<VelocitySums> = match sums {
            [cross, square] => cross.iter().zip(square).map(velocity_sums).collect(),
            _ => Vec::new(),
        };
        let other_count = |error| match error {
            RectifiedFlowError::Count { expected, found } => MeasureError { expected, found },
            _ => MeasureError {
                expected: self.integral.scales.len(),
                found: sums.len(),
            },
        };
        let reference = self.reference.as_ref();
        let reference = reference.map(|reference| reference.estimate(&sums)).transpose();
        let mi = self.integral.estimate(&sums).map_err(other_count)?;
        Ok(Measured {
            mi,
            mi_paper: Some(mi),
            mi_reference: reference.map_err(other_count)?,
            terms: self.integral.terms(&sums).map_err(other_count)?,
            weights: self.integral.scales.clone(),
        })
    }
}

fn velocity_sums((&cross, &square): (&f64, &f64)) -> VelocitySums {
    VelocitySums { cross, square }
}
