use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Tensor;

use super::attach::parameter;
use super::{AdaptTarget, AdapterError, AdapterMethod, LowRankAdapter};

/// The values of an adapter on the host, independent of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedAdapter {
    /// Kind of adapter.
    pub method: AdapterMethod,
    /// Inner dimension of every product.
    pub rank: usize,
    /// The products are scaled by `alpha / rank`.
    pub alpha: f64,
    /// Values by diffusers name of the layer.
    pub layers: BTreeMap<String, SavedLayer>,
}

/// The values of one layer's adapter, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedLayer {
    /// A, `[rank, inputs]`.
    pub lora_a: Vec<f32>,
    /// B, `[outputs, rank]`.
    pub lora_b: Vec<f32>,
    /// Length of every adapted row, `[outputs]`; for DoRA only.
    pub magnitude: Option<Vec<f32>>,
    /// Input features of the layer.
    pub inputs: usize,
    /// Output features of the layer.
    pub outputs: usize,
}

impl SavedAdapter {
    /// Copies the adapters of a model to the host.
    ///
    /// # Errors
    /// The model has none, or they differ in method, rank or scale.
    pub fn extract<T: AdaptTarget + Clone>(model: &T) -> Result<Self, AdapterError> {
        let mut saved: Option<Self> = None;
        let mut mixed = None;
        // Layers are only reachable through a mutable walk; a clone shares their tensors.
        model.clone().linears_mut(&mut |name, linear| {
            let Some(adapter) = &linear.adapter else {
                return;
            };
            let [rank, inputs] = adapter.lora_a.dims();
            let [outputs, _] = adapter.lora_b.dims();
            let method = match adapter.magnitude {
                Some(_) => AdapterMethod::Dora,
                None => AdapterMethod::Lora,
            };
            let alpha = adapter.scale * rank as f64;
            let saved = saved.get_or_insert_with(|| Self {
                method,
                rank,
                alpha,
                layers: BTreeMap::new(),
            });
            if (saved.method, saved.rank, saved.alpha) != (method, rank, alpha) {
                mixed.get_or_insert_with(|| name.to_owned());
            }
            let layer = SavedLayer {
                lora_a: to_host(adapter.lora_a.val()),
                lora_b: to_host(adapter.lora_b.val()),
                magnitude: adapter
                    .magnitude
                    .as_ref()
                    .map(|magnitude| to_host(magnitude.val())),
                inputs,
                outputs,
            };
            saved.layers.insert(name.to_owned(), layer);
        });
        match mixed {
            Some(layer) => Err(AdapterError::Mixed { layer }),
            None => saved.ok_or(AdapterError::NotAdapted),
        }
    }

    /// Puts the adapter on the layers it was made for, on the device of each layer.
    ///
    /// # Errors
    /// A layer that the model lacks, that has an adapter already, or whose shape differs. The
    /// model is then unchanged.
    pub fn attach<T: AdaptTarget>(&self, model: &mut T) -> Result<(), AdapterError> {
        let mut unmatched: BTreeSet<&str> = self.layers.keys().map(String::as_str).collect();
        let mut problem = None;
        model.linears_mut(&mut |name, linear| {
            if let Some(layer) = self.layers.get(name) {
                unmatched.remove(name);
                let found = linear.weight.dims();
                if let Err(error) = layer.check(name, self.rank, found, linear.adapter.is_some()) {
                    problem.get_or_insert(error);
                }
            }
        });
        if let Some(error) = problem {
            return Err(error);
        }
        if let Some(layer) = unmatched.first() {
            return Err(AdapterError::UnknownLayer {
                layer: (*layer).to_owned(),
                count: unmatched.len(),
            });
        }
        let scale = self.alpha / self.rank as f64;
        model.linears_mut(&mut |name, linear| {
            if let Some(layer) = self.layers.get(name) {
                let device = linear.weight.val().device();
                linear.adapter = Some(LowRankAdapter {
                    lora_a: parameter(layer.lora_a.clone(), [self.rank, layer.inputs], &device),
                    lora_b: parameter(layer.lora_b.clone(), [layer.outputs, self.rank], &device),
                    magnitude: layer
                        .magnitude
                        .clone()
                        .map(|magnitude| parameter(magnitude, [layer.outputs], &device)),
                    scale,
                });
            }
        });
        Ok(())
    }
}

impl SavedLayer {
    /// Inner dimension of the product.
    pub fn rank(&self) -> usize {
        self.lora_a.len() / self.inputs.max(1)
    }

    fn check(&self, name: &str, rank: usize, weight: [usize; 2], adapted: bool) -> Result<(), AdapterError> {
        if adapted {
            return Err(AdapterError::AlreadyAdapted {
                layer: name.to_owned(),
            });
        }
        let [outputs, inputs] = weight;
        let shape = |part, expected: [usize; 2], found: [usize; 2]| AdapterError::Shape {
            layer: name.to_owned(),
            part,
            expected: expected.to_vec(),
            found: found.to_vec(),
        };
        if self.inputs != inputs {
            return Err(shape("lora_A", [rank, inputs], [rank, self.inputs]));
        }
        if self.outputs != outputs {
            return Err(shape("lora_B", [outputs, rank], [self.outputs, rank]));
        }
        Ok(())
    }
}

fn to_host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.inner().into_data().convert::<f32>();
    data.iter::<f32>().collect()
}
