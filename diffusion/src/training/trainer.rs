use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{DType, Tensor, TensorReadError};
use serde::{Deserialize, Serialize};

use super::adamw::AdamW;
use super::average::WeightAverage;
use super::error::TrainingError;
use super::gradients::{Gradients, clip_factor};
use super::learning_rate::LearningRate;
use super::optimizer::Optimizer;
use super::parameter_optimizer::ParameterOptimizer;
use super::parameters::{rewrite_trainable, trainable_parameters, trainable_values};
use crate::nn::compute_threads::on_compute_thread;

const PUT_BACK: &str = "an update always puts the module back";

/// How a module is optimized: by AdamW, or by whatever becomes an [`Optimizer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainerSettings<O = AdamW> {
    /// The optimizer.
    pub optimizer: O,
    /// Its learning rate over time.
    pub learning_rate: LearningRate,
    /// Largest norm of all gradients together. None leaves them as they are.
    pub clip_norm: Option<f64>,
    /// Average of the weights kept beside them. None keeps none.
    pub average: Option<WeightAverage>,
}

/// What one update did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateReport {
    /// Updates completed, this one included.
    pub updates: u64,
    /// Mean loss over the micro-batches.
    pub loss: f64,
    /// Norm of the mean gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate used.
    pub learning_rate: f64,
}

/// Trains whatever parameters of a module require a gradient.
///
/// The optimizer lives on the host in f32 and knows parameters by name, so that its state can be
/// saved as named tensors, and a resumed training gives the same bytes as an uninterrupted one.
pub struct Trainer<M> {
    // Empty only while an update maps the module to its successor.
    module: Option<M>,
    pub(super) settings: TrainerSettings<Optimizer>,
    pub(super) optimizers: BTreeMap<String, ParameterOptimizer>,
    /// Factors of the learning rate that are not 1.
    rate_factors: BTreeMap<String, f64>,
    pub(super) averages: BTreeMap<String, Vec<f32>>,
    pub(super) updates: u64,
}

impl<M: Module> Trainer<M> {
    /// Starts the training of `module`, whose trainable parameters must be in f32.
    ///
    /// Choose them with [`train_only`](super::train_only), which also moves the module to autodiff.
    ///
    /// # Errors
    /// A trainable parameter in another dtype, or two with one name.
    pub fn new<O: Into<Optimizer>>(module: M, settings: TrainerSettings<O>) -> Result<Self, TrainingError> {
        let settings = TrainerSettings {
            optimizer: settings.optimizer.into(),
            learning_rate: settings.learning_rate,
            clip_norm: settings.clip_norm,
            average: settings.average,
        };
        let mut optimizers = BTreeMap::new();
        for parameter in trainable_parameters(&module) {
            if parameter.dtype != DType::F32 {
                return Err(TrainingError::NotF32 {
                    parameter: parameter.name,
                    dtype: format!("{:?}", parameter.dtype).to_lowercase(),
                });
            }
            let optimizer = ParameterOptimizer::new(&settings.optimizer, &parameter.shape);
            if optimizers.insert(parameter.name.clone(), optimizer).is_some() {
                return Err(TrainingError::DuplicateName {
                    parameter: parameter.name,
                });
            }
        }
        let averages = if settings.average.is_some() {
            trainable_values(&module).map_err(read_error)?
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            module: Some(module),
            settings,
            optimizers,
            rate_factors: BTreeMap::new(),
            averages,
            updates: 0,
        })
    }

    /// Multiplies the learning rate of every parameter by what `factor` says of its name, before the first update.
    ///
    /// For parts that learn at rates of their own, as a text encoder beside the denoiser does.
    #[must_use]
    pub fn with_rate_factors(mut self, factor: impl Fn(&str) -> f64) -> Self {
        let factors = self.optimizers.keys().map(|name| (name.clone(), factor(name)));
        self.rate_factors = factors.filter(|(_, factor)| *factor != 1.0).collect();
        self
    }

    /// Lets the optimizer see parameters in the shapes that files hold them in, before the first update.
    ///
    /// Adafactor takes means over the last two dimensions, so that a matrix which files hold as a convolution of one
    /// pixel is not factored by it in the reference. `stored_shape` maps a name and its shape here to its shape there.
    /// AdamW has no use for shapes, and its checkpoints keep those of the module.
    #[must_use]
    pub fn with_stored_shapes(mut self, stored_shape: impl Fn(&str, &[usize]) -> Vec<usize>) -> Self {
        if let Optimizer::Adafactor(_) = self.settings.optimizer {
            for parameter in trainable_parameters(self.module()) {
                let shape = stored_shape(&parameter.name, &parameter.shape);
                let optimizer = ParameterOptimizer::new(&self.settings.optimizer, &shape);
                self.optimizers.insert(parameter.name, optimizer);
            }
        }
        self
    }

    /// The module with its current weights.
    pub fn module(&self) -> &M {
        self.module.as_ref().expect(PUT_BACK)
    }

    /// A copy of the module with the averaged weights, or the last ones if no average is kept.
    pub fn averaged_module(&self) -> M {
        rewrite_trainable(self.module().clone(), |name, weights| {
            if let Some(average) = self.averages.get(name) {
                weights.copy_from_slice(average);
            }
        })
    }

    /// Number of updates made so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Makes one update from the mean gradient over the micro-batches.
    ///
    /// `loss` maps the module and one micro-batch to a loss of one element. Micro-batches are
    /// taken from the iterator one at a time, so only one of them is in memory.
    ///
    /// # Errors
    /// A loss or gradient that is not finite, or no data. The weights and the optimizer are then
    /// as before the call.
    pub fn update<B>(
        &mut self,
        micro_batches: impl IntoIterator<Item = B>,
        mut loss: impl FnMut(&M, B) -> Tensor<1>,
    ) -> Result<UpdateReport, TrainingError> {
        let update = self.updates;
        let mut gradients = Gradients::default();
        let mut total = 0.0;
        let mut count = 0_usize;
        for batch in micro_batches {
            let loss = loss(self.module(), batch);
            if !loss.is_tracked() {
                return Err(TrainingError::NothingToTrain { update });
            }
            let backward = on_compute_thread(&loss.device(), || loss.backward());
            let value = loss
                .inner()
                .try_into_scalar::<f32>()
                .map_err(|source| read_error(("loss".to_owned(), source)))?;
            if !value.is_finite() {
                return Err(TrainingError::NonFiniteLoss {
                    update,
                    micro_batch: count,
                    value,
                });
            }
            gradients.add(self.module(), backward).map_err(read_error)?;
            total += f64::from(value);
            count += 1;
        }
        if count == 0 {
            return Err(TrainingError::NoMicroBatch);
        }
        if gradients.is_empty() {
            return Err(TrainingError::NothingToTrain { update });
        }
        let share = 1.0 / count as f64;
        let norm = gradients
            .norm()
            .map_err(|parameter| TrainingError::NonFiniteGradient { update, parameter })?
            * share;
        let clip = self.settings.clip_norm.map_or(1.0, |max| clip_factor(norm, max));
        let learning_rate = self.settings.learning_rate.at(update);
        self.apply(&gradients, (share * clip) as f32, learning_rate);
        Ok(UpdateReport {
            updates: self.updates,
            loss: total * share,
            gradient_norm: norm,
            learning_rate,
        })
    }

    pub(super) fn map_module(&mut self, change: impl FnOnce(M) -> M) {
        let module = self.module.take().expect(PUT_BACK);
        self.module = Some(change(module));
    }

    fn apply(&mut self, gradients: &Gradients, gradient_scale: f32, learning_rate: f64) {
        let module = self.module.take().expect(PUT_BACK);
        let Self {
            settings,
            optimizers,
            rate_factors,
            averages,
            updates,
            ..
        } = self;
        let module = rewrite_trainable(module, |name, weights| {
            if let (Some(gradient), Some(optimizer)) = (gradients.get(name), optimizers.get_mut(name)) {
                let rate = rate_factors
                    .get(name)
                    .map_or(learning_rate, |factor| learning_rate * factor);
                optimizer.update(weights, gradient, gradient_scale, rate);
            }
            if let (Some(rule), Some(average)) = (settings.average, averages.get_mut(name)) {
                rule.update(average, weights, *updates);
            }
        });
        self.module = Some(module);
        self.updates += 1;
    }
}

pub(super) fn read_error((parameter, source): (String, TensorReadError)) -> TrainingError {
    TrainingError::Read { parameter, source }
}
