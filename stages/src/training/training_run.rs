//! A training as a stage runs it: with checkpoints, a loss curve, and a clean stop when asked.

use burn::module::Module;
use mitune_diffusion::nn::weights::{SafetensorsFile, TensorMap, TensorSource as _, encode_safetensors};
use mitune_diffusion::training::{CheckpointError, Objective, ObjectiveTrainer, TrainingError};
use mitune_store::Checkpoint;

use super::loss_curve::LossCurve;
use super::objective_steps::ObjectiveSteps;
use super::resumable::{Resumable, StepFailure};
use crate::contract::{StageContext, StageError, Work};

/// Names of a checkpoint's blobs.
const TENSORS: &str = "tensors";
const LOSSES: &str = "losses";

/// How a training runs to its end.
#[derive(Clone, Copy)]
pub struct TrainingRun<'a> {
    /// What the engine handed to the stage.
    pub context: &'a StageContext<'a>,
    /// Updates in all.
    pub steps: u64,
    /// Updates between checkpoints, which is what a killed process can lose.
    pub checkpoint_every: u64,
}

/// A training that stopped before its end.
#[derive(Debug, thiserror::Error)]
enum TrainingRunError {
    #[error(
        "Training stopped at step {step} of {steps}; the last checkpoint is kept. Lower the learning rate or clip the \
         gradient more, and look at the training data"
    )]
    Step {
        step: u64,
        steps: u64,
        source: TrainingError,
    },
    #[error("State of the training could not be copied at step {step}")]
    Copy { step: u64, source: TrainingError },
    #[error("State of the training could not be written at step {step}")]
    Write {
        step: u64,
        source: mitune_diffusion::nn::weights::WeightsError,
    },
    #[error("Checkpoint of step {step} cannot be read")]
    Read {
        step: u64,
        source: mitune_diffusion::nn::weights::WeightsError,
    },
    #[error("Checkpoint of step {step} is of another training")]
    Other { step: u64, source: CheckpointError },
    #[error("Checkpoint of step {step} is damaged: {reason}")]
    Damaged { step: u64, reason: String },
}

impl TrainingRun<'_> {
    /// Trains until the last update, from the newest checkpoint if there is one.
    ///
    /// `micro_batches` makes those of update number n, counted from 0, and must be a function of n alone. The result is
    /// then the same whether the training was interrupted or not.
    ///
    /// # Errors
    /// [`StageError::Interrupted`] after writing a checkpoint; [`StageError::Failed`] if a loss or gradient is not
    /// finite; an error of the store.
    pub fn complete<M: Module, O: Objective<M>, B: IntoIterator<Item = O::Batch>>(
        &self,
        trainer: &mut ObjectiveTrainer<M, O>,
        micro_batches: impl FnMut(u64) -> B,
    ) -> Result<LossCurve, StageError> {
        self.complete_all(&mut ObjectiveSteps {
            trainer,
            micro_batches,
        })
    }

    /// Takes the steps of any training that can be resumed, as [`Self::complete`] does.
    ///
    /// # Errors
    /// As [`Self::complete`], and those of the training's steps. One that stops inside a step because it was asked to
    /// publishes nothing of it: its last checkpoint stays.
    pub(crate) fn complete_all<T: Resumable>(&self, training: &mut T) -> Result<LossCurve, StageError> {
        let (mut curve, reused) = self.resume(training)?;
        let names = training.curves();
        let mut kept = reused;
        let progress = self.context.progress();
        progress.begin(Work {
            total: self.steps,
            reused,
            unit: T::UNIT,
        });
        for step in reused..self.steps {
            let Some(report) = training
                .step(step)
                .map_err(|error| self.step_failed(step, error))?
            else {
                // Nothing of the step was done yet, so that what was done before can be kept.
                if kept < step {
                    self.publish(training, &curve, step)?;
                }
                return Err(StageError::Interrupted);
            };
            progress.metric("loss", step, report.update.loss);
            for (name, value) in names.iter().zip(&report.curves) {
                progress.metric(name, step, *value);
            }
            curve.push(report);
            progress.advance(1);
            let done = step + 1;
            let stop = self.context.cancelled();
            if done < self.steps && (stop || done.is_multiple_of(self.checkpoint_every.max(1))) {
                self.publish(training, &curve, done)?;
                kept = done;
            }
            if done < self.steps {
                self.context.check_cancelled()?;
            }
        }
        Ok(curve)
    }

    /// Says at which step a training failed, where the training itself does not say more.
    fn step_failed(&self, step: u64, error: StepFailure) -> StageError {
        match error {
            StepFailure::Stage(error) => error,
            StepFailure::Training(source) => StageError::failed(TrainingRunError::Step {
                step,
                steps: self.steps,
                source,
            }),
        }
    }

    fn publish<T: Resumable>(&self, training: &T, curve: &LossCurve, step: u64) -> Result<(), StageError> {
        let copy = |source| StageError::failed(TrainingRunError::Copy { step, source });
        let (state, tensors) = training.checkpoint().map_err(copy)?;
        let bytes = encode_safetensors(&tensors, None)
            .map_err(|source| StageError::failed(TrainingRunError::Write { step, source }))?;
        let damaged = |error: serde_json::Error| {
            StageError::failed(TrainingRunError::Damaged {
                step,
                reason: error.to_string(),
            })
        };
        let store = self.context.store();
        let blobs = [
            (TENSORS, store.blobs().put_bytes(&bytes)?),
            (LOSSES, store.blobs().put_bytes(&curve.to_bytes())?),
        ];
        let checkpoint = Checkpoint {
            step,
            blobs: blobs
                .into_iter()
                .map(|(name, digest)| (name.to_owned(), digest))
                .collect(),
            state: serde_json::to_value(&state).map_err(damaged)?,
            keep: false,
        };
        Ok(store
            .records()
            .publish_checkpoint(self.context.key(), checkpoint)?)
    }

    /// Goes on from the newest checkpoint that can be; those that cannot are set aside, since they would end every run.
    ///
    /// Returns the curve so far, and how many steps it is of.
    fn resume<T: Resumable>(&self, training: &mut T) -> Result<(LossCurve, u64), StageError> {
        let (store, key) = (self.context.store(), self.context.key());
        while let Some(checkpoint) = store.records().latest_checkpoint(key)? {
            let step = checkpoint.step;
            match self.go_on(training, &checkpoint) {
                Err(StageError::Failed(error)) if store.records().reject_checkpoint(key, step) => {
                    let text = format!("the checkpoint of step {step} is not used: {error}");
                    self.context.progress().message(&text);
                }
                resumed => return resumed.map(|curve| (curve, step)),
            }
        }
        Ok((LossCurve::new(training.curves()), 0))
    }

    fn go_on<T: Resumable>(
        &self,
        training: &mut T,
        checkpoint: &Checkpoint,
    ) -> Result<LossCurve, StageError> {
        let store = self.context.store();
        let step = checkpoint.step;
        let damaged = |reason: &str| {
            StageError::failed(TrainingRunError::Damaged {
                step,
                reason: reason.to_owned(),
            })
        };
        let blob = |name: &str| {
            checkpoint
                .blobs
                .get(name)
                .ok_or_else(|| damaged(&format!("no blob `{name}`")))
        };
        let state: T::State =
            serde_json::from_value(checkpoint.state.clone()).map_err(|error| damaged(&error.to_string()))?;
        let tensors: TensorMap = SafetensorsFile::open(&store.blobs().path(blob(TENSORS)?)?)
            .and_then(|file| file.read_all())
            .map_err(|source| StageError::failed(TrainingRunError::Read { step, source }))?;
        let curve = LossCurve::from_bytes(&store.blobs().read(blob(LOSSES)?)?, training.curves())
            .ok_or_else(|| damaged("odd loss curve"))?;
        if curve.updates() != T::steps_of(&state) {
            return Err(damaged("the loss curve has not one point per step"));
        }
        if T::steps_of(&state) != step || step > self.steps {
            return Err(damaged("it counts other steps than its training"));
        }
        training
            .restore(state, tensors)
            .map_err(|source| StageError::failed(TrainingRunError::Other { step, source }))?;
        self.context
            .progress()
            .message(&format!("going on from the checkpoint of step {step}"));
        Ok(curve)
    }
}
