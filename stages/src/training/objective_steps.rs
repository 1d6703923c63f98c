//! A training of which each step is one update.

use burn::module::Module;
use mitune_diffusion::nn::weights::TensorMap;
use mitune_diffusion::training::{
    Checkpoint, CheckpointError, CheckpointState, Objective, ObjectiveTrainer, StepReport, TrainingError,
};

use super::resumable::{Resumable, StepFailure};

/// A trainer with what makes the micro-batches of each update from its number.
pub(super) struct ObjectiveSteps<'a, M: Module, O: Objective<M>, F> {
    pub(super) trainer: &'a mut ObjectiveTrainer<M, O>,
    pub(super) micro_batches: F,
}

impl<M, O, B, F> Resumable for ObjectiveSteps<'_, M, O, F>
where
    M: Module,
    O: Objective<M>,
    B: IntoIterator<Item = O::Batch>,
    F: FnMut(u64) -> B,
{
    type State = CheckpointState;

    const UNIT: &'static str = "steps";

    fn curves(&self) -> &'static [&'static str] {
        self.trainer.objective().curves()
    }

    fn steps_of(state: &CheckpointState) -> u64 {
        state.updates
    }

    fn step(&mut self, step: u64) -> Result<Option<StepReport>, StepFailure> {
        Ok(Some(self.trainer.step((self.micro_batches)(step))?))
    }

    fn checkpoint(&self) -> Result<(CheckpointState, TensorMap), TrainingError> {
        let Checkpoint { state, tensors } = self.trainer.checkpoint()?;
        Ok((state, tensors))
    }

    fn restore(&mut self, state: CheckpointState, tensors: TensorMap) -> Result<(), CheckpointError> {
        self.trainer.restore(Checkpoint { state, tensors })
    }
}
