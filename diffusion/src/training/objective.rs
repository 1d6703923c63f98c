//! What a training minimizes.

use burn::tensor::Tensor;

use super::error::CheckpointError;
use super::reference::Reference;
use super::trainer::UpdateReport;
use crate::nn::weights::TensorMap;

/// What a training minimizes: its batches, its loss on one of them, and what it remembers between updates.
///
/// An objective holds its settings and, rarely, a state; it holds no network. It is given the network that is trained
/// and what it compares it with, so that the trainer knows this trait and no formula, and a formula nothing of
/// optimizers, micro-batches and checkpoints.
pub trait Objective<M>: Clone {
    /// What one loss is computed on: noised items ([`ConditionedBatch`](super::ConditionedBatch)), pairs of a preferred
    /// and a rejected item ([`PairBatch`](super::PairBatch)), items with weights, or steps of rollouts.
    ///
    /// Whoever feeds the objective makes them, for only it knows which tables they come from.
    type Batch;

    /// What the trained network is compared with: `()`, or the [frozen reference](super::FrozenReference).
    type Reference: Reference<M>;

    /// Names of the values that are reported with each loss, none by default.
    fn curves(&self) -> &'static [&'static str] {
        &[]
    }

    /// The loss on one batch.
    ///
    /// It must be a function of the arguments and the objective alone: whatever is random comes with the batch, so that
    /// a resumed training gives the same bytes as an uninterrupted one.
    fn evaluate(&self, network: &M, reference: &Self::Reference, batch: Self::Batch) -> ObjectiveValue;

    /// Looks at what an update did; the one place where a state changes. Nothing by default.
    fn observe(&mut self, _report: &StepReport) {}

    /// The state as tensors for a checkpoint, none by default.
    fn state(&self) -> TensorMap {
        TensorMap::new()
    }

    /// The objective with the state of a checkpoint.
    ///
    /// # Errors
    /// The state is not of this objective; by default, there is one at all.
    fn with_state(&self, state: TensorMap) -> Result<Self, CheckpointError> {
        match state.into_keys().next() {
            None => Ok(self.clone()),
            Some(name) => Err(CheckpointError::Unused {
                name: format!("objective.{name}"),
            }),
        }
    }
}

/// What an objective makes of a batch.
#[derive(Debug, Clone)]
pub struct ObjectiveValue {
    /// The loss, one element.
    pub loss: Tensor<1>,
    /// One element for each of [`Objective::curves`], in their order.
    pub curves: Vec<Tensor<1>>,
}

/// What one update did, and what its objective reported.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The update.
    pub update: UpdateReport,
    /// Mean over the micro-batches of each of [`Objective::curves`].
    pub curves: Vec<f64>,
}

impl From<Tensor<1>> for ObjectiveValue {
    fn from(loss: Tensor<1>) -> Self {
        Self {
            loss,
            curves: Vec::new(),
        }
    }
}
