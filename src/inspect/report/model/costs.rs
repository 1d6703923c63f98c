//! What the arms of a comparison took to make.

use serde::Serialize;

use super::Origin;

/// The costs of the arms that one stage compared.
#[derive(Serialize)]
pub(crate) struct ArmCosts {
    pub(crate) origin: Origin,
    /// The baseline first, then in the order of the pipeline.
    pub(crate) arms: Vec<ArmCost>,
}

/// What one arm took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ArmCost {
    pub(crate) name: String,
    /// Images that were made on the way to its model.
    pub(crate) samples: u64,
    /// Updates of its trainings.
    pub(crate) updates: u64,
    /// Rows that the denoiser was asked about on the way to its model; none where a stage does not tell.
    pub(crate) denoiser_evaluations: Option<u64>,
    /// Those of them that gradients went through.
    pub(crate) gradient_evaluations: Option<u64>,
    /// Time that the stages took whose results the model is made of, whenever they were computed.
    pub(crate) seconds: f64,
    /// Rows that the denoiser is asked about for one of the images that are compared.
    pub(crate) evaluations_per_image: Option<f64>,
}
