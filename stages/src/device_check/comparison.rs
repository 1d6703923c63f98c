//! How far a device's numbers are from those of the processor.

use mitune_diffusion::nn::weights::TensorMap;
use serde::Serialize;

use super::relative_error::relative_error;
use super::rounding;
use crate::contract::{Dtype, StageError};

/// One part of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartReport {
    /// The part.
    pub part: String,
    /// `|found - expected| / |expected|` over all its numbers; none where they cannot be compared.
    pub error: Option<f64>,
    /// The largest error that rounding explains.
    pub allowed: f64,
    /// What that means.
    pub agreement: Agreement,
}

/// Whether a part agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// The error is one of rounding.
    Agrees,
    /// The error is more than rounding.
    Differs,
    /// The device gave values that are not finite.
    NotFinite,
    /// The numbers to compare with are of another model or another version of this check.
    NotComparable,
}

/// Numbers of this device without numbers to compare them with, or the reverse.
#[derive(Debug, thiserror::Error)]
#[error("The saved numbers lack `{part}`; they are of another version of mitune or of another model")]
struct MissingPart {
    part: String,
}

/// Compares what a device computes in a format with f32 on the processor.
pub(super) fn compare(
    numbers: &TensorMap,
    found: &TensorMap,
    dtype: Dtype,
) -> Result<Vec<PartReport>, StageError> {
    let mut reports = Vec::new();
    for (part, found) in found {
        let expected = numbers
            .get(part)
            .ok_or_else(|| StageError::configuration(MissingPart { part: part.clone() }))?;
        let values = |tensor: &mitune_diffusion::nn::weights::HostTensor| tensor.to_f32();
        let by_processor = rounding::of(part, dtype, numbers);
        let allowed = allowed(part, dtype).max(ROOM * by_processor.unwrap_or(0.0));
        let (error, agreement) = if expected.shape != found.shape {
            (None, Agreement::NotComparable)
        } else {
            let expected = values(expected).map_err(StageError::configuration)?;
            judge(&expected, &values(found).map_err(StageError::failed)?, allowed)
        };
        reports.push(PartReport {
            part: part.clone(),
            error,
            allowed,
            agreement,
        });
    }
    Ok(reports)
}

fn judge(expected: &[f32], found: &[f32], allowed: f64) -> (Option<f64>, Agreement) {
    let error = relative_error(expected, found);
    match error {
        error if !error.is_finite() => (None, Agreement::NotFinite),
        error if error <= allowed => (Some(error), Agreement::Agrees),
        error => (Some(error), Agreement::Differs),
    }
}

/// How much a rounding of the format may grow on the way through a network, by experience: what a wrong kernel gives is
/// tens of times more.
const GROWTH: f64 = 16.0;
/// How much more than the processor in the same format: the order of sums and the places of rounding are a device's own.
const ROOM: f64 = 2.0;
/// How much more over several steps, and in a difference of two almost equal predictions.
const GROWTH_OF_RUNS: f64 = 4.0 * GROWTH;

/// The largest relative error that rounding explains.
///
/// Graphics cards multiply f32 with the 10 bits of TF32 where that is faster, and nothing here asks them not to.
pub(super) fn allowed(part: &str, dtype: Dtype) -> f64 {
    let rounding = match dtype {
        Dtype::F32 | Dtype::F16 => 2.0_f64.powi(-11),
        Dtype::Bf16 => 2.0_f64.powi(-8),
    };
    let growth = match part.starts_with("candidates") || part.starts_with("training") {
        true => GROWTH_OF_RUNS,
        false => GROWTH,
    };
    rounding * growth
}
