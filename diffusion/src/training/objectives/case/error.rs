use burn::tensor::TensorReadError;
use thiserror::Error;

use crate::nn::weights::WeightsError;
use crate::schedule::ScheduleError;
use crate::scheduler::StepError;

/// Why a case cannot be evaluated.
#[derive(Debug, Error)]
pub enum CaseError {
    /// No objective has this name.
    #[error("There is no objective `{name}`")]
    Objective {
        /// The name.
        name: String,
    },
    /// The objective has no such settings.
    #[error("The settings of `{objective}` cannot be used")]
    Settings {
        /// The objective.
        objective: String,
        /// What is wrong with them.
        source: serde_json::Error,
    },
    /// Name and settings speak of two divergences.
    #[error("The settings of `{objective}` have the divergence `{found}`")]
    Divergence {
        /// The objective.
        objective: String,
        /// The divergence of the settings.
        found: String,
    },
    /// A tensor is not there.
    #[error("There is no tensor `{tensor}`")]
    Missing {
        /// Its name.
        tensor: String,
    },
    /// A tensor has another number of axes, or not as many values as its shape says.
    #[error("The tensor `{tensor}` has the shape {shape:?} and {values} values, expected {axes} axes")]
    Shape {
        /// Its name.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How many values it has.
        values: usize,
        /// How many axes it should have.
        axes: usize,
    },
    /// A timestep is no whole number from 0 on.
    #[error("`{value}` is no timestep")]
    Timestep {
        /// What is there.
        value: f64,
    },
    /// The elements of a tensor are no numbers.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The noise schedule cannot be built.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A step of the sampler cannot be built.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The device could not hand a result to the host.
    #[error("Reading `{tensor}` from the device failed")]
    Read {
        /// What was read.
        tensor: String,
        /// Why it failed.
        source: TensorReadError,
    },
}
