//! A trainer together with what it minimizes.

use burn::module::Module;
use burn::tensor::Tensor;

use super::checkpoint::Checkpoint;
use super::error::{CheckpointError, TrainingError};
use super::objective::{Objective, ObjectiveValue, StepReport};
use super::optimizer::Optimizer;
use super::reference::Reference;
use super::trainer::{Trainer, TrainerSettings, read_error};
use crate::nn::weights::TensorMap;

/// Where the tensors of an objective's state stand in a checkpoint.
const OBJECTIVE: &str = "objective.";

/// Trains a network on an [`Objective`], of which it knows nothing but the trait.
pub struct ObjectiveTrainer<M, O: Objective<M>> {
    trainer: Trainer<M>,
    objective: O,
    reference: O::Reference,
}

impl<M: Module, O: Objective<M>> ObjectiveTrainer<M, O> {
    /// Starts the training of `network`, and makes the reference if the objective asks for one.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn new<S: Into<Optimizer>>(
        network: M,
        objective: O,
        settings: TrainerSettings<S>,
    ) -> Result<Self, TrainingError> {
        let reference = <O::Reference as Reference<M>>::of(&network);
        Ok(Self {
            trainer: Trainer::new(network, settings)?,
            objective,
            reference,
        })
    }

    /// Changes how single parameters are trained, before the first update.
    #[must_use]
    pub fn map_trainer(self, change: impl FnOnce(Trainer<M>) -> Trainer<M>) -> Self {
        Self {
            trainer: change(self.trainer),
            ..self
        }
    }

    /// The optimizer and the network it trains.
    pub fn trainer(&self) -> &Trainer<M> {
        &self.trainer
    }

    /// What is minimized.
    pub fn objective(&self) -> &O {
        &self.objective
    }

    /// What the objective compares the network with.
    pub fn reference(&self) -> &O::Reference {
        &self.reference
    }

    /// Makes one update from the mean gradient over the micro-batches, see [`Trainer::update`].
    ///
    /// # Errors
    /// As [`Trainer::update`]. A value of a curve that cannot be read is found after the update.
    ///
    /// # Panics
    /// The objective reports more or fewer values than it has names for.
    pub fn step(
        &mut self,
        micro_batches: impl IntoIterator<Item = O::Batch>,
    ) -> Result<StepReport, TrainingError> {
        let Self {
            trainer,
            objective,
            reference,
        } = self;
        let names = objective.curves();
        let mut reported: Vec<Vec<Tensor<1>>> = Vec::new();
        let update = trainer.update(micro_batches, |network, batch| {
            let ObjectiveValue { loss, curves } = objective.evaluate(network, reference, batch);
            assert_eq!(names.len(), curves.len(), "every curve has one value per batch");
            // Without their graph, which would otherwise stay in memory until the end of the update.
            reported.push(curves.into_iter().map(|value| value.inner()).collect());
            loss
        })?;
        let report = StepReport {
            update,
            curves: means(reported, names)?,
        };
        objective.observe(&report);
        Ok(report)
    }

    /// Copies the state of the training to the host, that of the objective under names that begin with `objective.`.
    ///
    /// # Errors
    /// As [`Trainer::checkpoint`].
    pub fn checkpoint(&self) -> Result<Checkpoint, TrainingError> {
        let mut checkpoint = self.trainer.checkpoint()?;
        let state = self.objective.state().into_iter();
        checkpoint
            .tensors
            .extend(state.map(|(name, tensor)| (format!("{OBJECTIVE}{name}"), tensor)));
        Ok(checkpoint)
    }

    /// Goes on from a checkpoint of a training of the same network on the same objective with the same settings.
    ///
    /// # Errors
    /// Something is missing, left over or misshapen. The training is then as before the call.
    pub fn restore(&mut self, mut checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let state = take_state(&mut checkpoint.tensors);
        let objective = self.objective.with_state(state)?;
        self.trainer.restore(&checkpoint)?;
        self.objective = objective;
        Ok(())
    }
}

/// Takes the objective's tensors out of those of a checkpoint.
fn take_state(tensors: &mut TensorMap) -> TensorMap {
    let names: Vec<String> = tensors
        .keys()
        .filter(|name| name.starts_with(OBJECTIVE))
        .cloned()
        .collect();
    names
        .into_iter()
        .filter_map(|name| {
            let tensor = tensors.remove(&name)?;
            Some((name[OBJECTIVE.len()..].to_owned(), tensor))
        })
        .collect()
}

/// Means over micro-batches, in f64.
fn means(reported: Vec<Vec<Tensor<1>>>, names: &[&str]) -> Result<Vec<f64>, TrainingError> {
    let share = 1.0 / reported.len().max(1) as f64;
    let mut means = vec![0.0; names.len()];
    for values in reported {
        for ((mean, value), name) in means.iter_mut().zip(values).zip(names) {
            let value = value
                .try_into_scalar::<f32>()
                .map_err(|source| read_error(((*name).to_owned(), source)))?;
            *mean += f64::from(value) * share;
        }
    }
    Ok(means)
}
