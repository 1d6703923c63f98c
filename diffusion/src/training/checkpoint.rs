use std::collections::BTreeMap;

use burn::module::Module;
use serde::{Deserialize, Serialize};

use super::adamw::Moments;
use super::error::{CheckpointError, TrainingError};
use super::parameters::{rewrite_trainable, trainable_parameters, trainable_values};
use super::trainer::{Trainer, read_error};
use crate::nn::weights::{HostTensor, TensorMap};

const WEIGHTS: &str = "weights";
const FIRST_MOMENTS: &str = "first_moments";
const SECOND_MOMENTS: &str = "second_moments";
const AVERAGES: &str = "averages";

/// Everything a training needs to go on as if it had not stopped.
///
/// Tensors are named `<kind>.<parameter>`, with kinds `weights`, `first_moments`,
/// `second_moments` and `averages`. Only trainable parameters are held. Random draws have no state
/// (see [`Draws`](super::Draws)): their position follows from the number of updates.
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
            let moments = self.moments.get(&name);
            let held = [
                (WEIGHTS, weights.get(&name)),
                (FIRST_MOMENTS, moments.map(|moments| &moments.first)),
                (SECOND_MOMENTS, moments.map(|moments| &moments.second)),
                (AVERAGES, self.averages.get(&name)),
            ];
            for (kind, values) in held {
                if let Some(values) = values {
                    let tensor = HostTensor::from_f32(values, parameter.shape.clone());
                    tensors.insert(format!("{kind}.{name}"), tensor);
                }
            }
        }
        let lagging = self
            .moments
            .iter()
            .filter(|(_, moments)| moments.updates != self.updates);
        let state = CheckpointState {
            updates: self.updates,
            partly_updated: lagging
                .map(|(name, moments)| (name.clone(), moments.updates))
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
        let mut moments = BTreeMap::new();
        let mut averages = BTreeMap::new();
        let parameters = trainable_parameters(self.module());
        for parameter in &parameters {
            let take = |kind| take_tensor(&checkpoint.tensors, kind, &parameter.name, &parameter.shape);
            weights.insert(parameter.name.clone(), take(WEIGHTS)?);
            let state = Moments {
                first: take(FIRST_MOMENTS)?,
                second: take(SECOND_MOMENTS)?,
                updates: *checkpoint
                    .state
                    .partly_updated
                    .get(&parameter.name)
                    .unwrap_or(&checkpoint.state.updates),
            };
            moments.insert(parameter.name.clone(), state);
            if self.settings.average.is_some() {
                averages.insert(parameter.name.clone(), take(AVERAGES)?);
            }
        }
        let known = |name: &str| {
            let (kind, parameter) = name.split_once('.').unwrap_or((name, ""));
            let kind = match kind {
                WEIGHTS | FIRST_MOMENTS | SECOND_MOMENTS => true,
                AVERAGES => self.settings.average.is_some(),
                _ => false,
            };
            kind && moments.contains_key(parameter)
        };
        let unused = checkpoint.tensors.keys().find(|name| !known(name));
        let uncounted = checkpoint
            .state
            .partly_updated
            .keys()
            .find(|name| !moments.contains_key(*name));
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
        self.moments = moments;
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
