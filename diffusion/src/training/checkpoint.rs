use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;
use serde::{Deserialize, Serialize};

use super::error::{CheckpointError, TrainingError};
use super::parameter_optimizer::ParameterOptimizer;
use super::parameters::{rewrite_trainable, trainable_parameters, trainable_values};
use super::trainer::{Trainer, read_error};
use crate::nn::weights::{HostTensor, TensorMap};

const WEIGHTS: &str = "weights";
const AVERAGES: &str = "averages";

/// Everything a training needs to go on as if it had not stopped.
///
/// Tensors are named `<kind>.<parameter>`, with kinds `weights`, what the optimizer remembers (`first_moments` and
/// `second_moments`, or `second_moment_rows` and `second_moment_columns`) and `averages`. Only trainable parameters are
/// held. Random draws have no state (see [`Draws`](super::Draws)): their position follows from the number of updates.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Counters.
    pub state: CheckpointState,
    /// Weights, moments and averages.
    pub tensors: TensorMap,
}

/// The counters of a training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointState {
    /// Updates completed.
    pub updates: u64,
    /// Updates of the parameters that had a gradient in fewer of them.
    pub partly_updated: BTreeMap<String, u64>,
}

impl<M: Module> Trainer<M> {
    /// Copies the state of the training to the host.
    ///
    /// # Errors
    /// The device could not hand a weight to the host.
    pub fn checkpoint(&self) -> Result<Checkpoint, TrainingError> {
        let weights = trainable_values(self.module()).map_err(read_error)?;
        let mut tensors = TensorMap::new();
        for parameter in trainable_parameters(self.module()) {
            let name = parameter.name;
            let mut hold = |kind: &str, shape: Vec<usize>, values: &[f32]| {
                tensors.insert(format!("{kind}.{name}"), HostTensor::from_f32(values, shape));
            };
            if let Some(values) = weights.get(&name) {
                hold(WEIGHTS, parameter.shape.clone(), values);
            }
            let optimizer = self.optimizers.get(&name);
            for held in optimizer.into_iter().flat_map(ParameterOptimizer::remembered) {
                hold(held.kind, held.shape, held.values);
            }
            if let Some(values) = self.averages.get(&name) {
                hold(AVERAGES, parameter.shape, values);
            }
        }
        let lagging = self
            .optimizers
            .iter()
            .filter(|(_, optimizer)| optimizer.updates() != self.updates);
        let state = CheckpointState {
            updates: self.updates,
            partly_updated: lagging
                .map(|(name, optimizer)| (name.clone(), optimizer.updates()))
                .collect(),
        };
        Ok(Checkpoint { state, tensors })
    }

    /// Goes on from a checkpoint of a training of the same parameters with the same settings.
    ///
    /// # Errors
    /// A tensor is missing, left over or misshapen. The training is then as before the call.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let mut weights = BTreeMap::new();
        let mut optimizers = BTreeMap::new();
        let mut averages = BTreeMap::new();
        let mut used = BTreeSet::new();
        for parameter in trainable_parameters(self.module()) {
            let name = parameter.name;
            let mut take = |kind: &str, shape: &[usize]| {
                used.insert(format!("{kind}.{name}"));
                take_tensor(&checkpoint.tensors, kind, &name, shape)
            };
            let values = take(WEIGHTS, &parameter.shape)?;
            weights.insert(name.clone(), values);
            if let Some(optimizer) = self.optimizers.get(&name) {
                let counted = checkpoint.state.partly_updated.get(&name);
                let updates = *counted.unwrap_or(&checkpoint.state.updates);
                let restored = optimizer.restored(updates, &mut take)?;
                optimizers.insert(name.clone(), restored);
            }
            if self.settings.average.is_some() {
                let values = take(AVERAGES, &parameter.shape)?;
                averages.insert(name.clone(), values);
            }
        }
        let unused = checkpoint.tensors.keys().find(|name| !used.contains(*name));
        let uncounted = checkpoint
            .state
            .partly_updated
            .keys()
            .find(|name| !optimizers.contains_key(*name));
        if let Some(name) = unused.or(uncounted) {
            return Err(CheckpointError::Unused { name: name.clone() });
        }
        self.map_module(|module| {
            rewrite_trainable(module, |name, values| {
                if let Some(restored) = weights.get(name) {
                    values.copy_from_slice(restored);
                }
            })
        });
        self.optimizers = optimizers;
        self.averages = averages;
        self.updates = checkpoint.state.updates;
        Ok(())
    }
}

fn take_tensor(
    tensors: &TensorMap,
    kind: &str,
    parameter: &str,
    shape: &[usize],
) -> Result<Vec<f32>, CheckpointError> {
    let name = format!("{kind}.{parameter}");
    let Some(tensor) = tensors.get(&name) else {
        return Err(CheckpointError::Missing { tensor: name });
    };
    if tensor.shape != shape {
        return Err(CheckpointError::Shape {
            tensor: name,
            expected: shape.to_vec(),
            found: tensor.shape.clone(),
        });
    }
    tensor.to_f32().map_err(|source| CheckpointError::NotFloat {
        tensor: name,
        source: Box::new(source),
    })
}
