//! What a training must be able to do to be run with checkpoints.

use mitune_diffusion::nn::weights::TensorMap;
use mitune_diffusion::training::{CheckpointError, StepReport, TrainingError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::StageError;

/// A training whose steps are functions of their number and of the state before them.
pub(crate) trait Resumable {
    /// Everything small in a checkpoint, the number of steps among it.
    type State: Serialize + DeserializeOwned;

    /// Plural noun of a step, as progress tells it.
    const UNIT: &'static str;

    /// Names of what each step reports besides its loss.
    fn curves(&self) -> &'static [&'static str];

    /// How many steps a state is of.
    fn steps_of(state: &Self::State) -> u64;

    /// Takes step number `step`, counted from 0.
    ///
    /// Returns none if it was asked to stop before it changed anything; if it was asked later, it fails with
    /// [`StageError::Interrupted`].
    ///
    /// # Errors
    /// The step could not be taken.
    fn step(&mut self, step: u64) -> Result<Option<StepReport>, StepFailure>;

    /// Copies the state to the host.
    ///
    /// # Errors
    /// The device could not hand it over.
    fn checkpoint(&self) -> Result<(Self::State, TensorMap), TrainingError>;

    /// Goes on from a state.
    ///
    /// # Errors
    /// It is of another training, which is then as before the call.
    fn restore(&mut self, state: Self::State, tensors: TensorMap) -> Result<(), CheckpointError>;
}

/// Why a step could not be taken.
#[derive(Debug)]
pub(crate) enum StepFailure {
    /// An update was refused.
    Training(TrainingError),
    /// Anything else.
    Stage(StageError),
}

impl From<TrainingError> for StepFailure {
    fn from(error: TrainingError) -> Self {
        Self::Training(error)
    }
}

impl From<StageError> for StepFailure {
    fn from(error: StageError) -> Self {
        Self::Stage(error)
    }
}
