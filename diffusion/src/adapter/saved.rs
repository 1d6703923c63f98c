use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Tensor;

use super::attach::parameter;
use super::{AdapterError, AdapterMethod};
use crate::nn::layers::{AdaptTarget, LayerShape, LowRankAdapter};

/// The values of an adapter on the host, independent of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedAdapter {
    /// Kind of adapter, the same for every layer.
    pub method: AdapterMethod,
    /// Values by diffusers name of the layer; never empty.
    pub layers: BTreeMap<String, SavedLayer>,
}

/// The values of one layer's adapter, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedLayer {
    /// A, `[rank, inputs]`, with the kernel of a convolution after that.
    pub lora_a: Vec<f32>,
    /// B, `[outputs, rank]`.
    pub lora_b: Vec<f32>,
    /// Length of every adapted row, `[outputs]`; for DoRA only.
    pub magnitude: Option<Vec<f32>>,
    /// Inner dimension of the product.
    pub rank: usize,
    /// The product is scaled by `alpha / rank`.
    pub alpha: f64,
    /// Size of the layer's weight, as files hold it.
    pub shape: LayerShape,
}

impl SavedAdapter {
    /// Copies the adapters of a model to the host.
    ///
    /// # Errors
    /// The model has none, or they differ in method.
    pub fn extract<T: AdaptTarget + Clone>(model: &T) -> Result<Self, AdapterError> {
        let mut layers = BTreeMap::new();
        // Layers are only reachable through a mutable walk; a clone shares their tensors.
        model.clone().layers_mut(&mut |name, layer| {
            if let Some(adapter) = layer.adapter() {
                layers.insert(name.to_owned(), SavedLayer::of(adapter, layer.shape()));
            }
        });
        Self::of_layers(layers)
    }

    /// An adapter of these layers.
    ///
    /// # Errors
    /// There are none, or some have a magnitude and some have not.
    pub fn of_layers(layers: BTreeMap<String, SavedLayer>) -> Result<Self, AdapterError> {
        let first = layers.values().next().ok_or(AdapterError::NotAdapted)?;
        let dora = first.magnitude.is_some();
        let other = layers.iter().find(|(_, layer)| layer.magnitude.is_some() != dora);
        if let Some((layer, _)) = other {
            return Err(AdapterError::Mixed { layer: layer.clone() });
        }
        let method = match dora {
            true => AdapterMethod::Dora,
            false => AdapterMethod::Lora,
        };
        Ok(Self { method, layers })
    }

    /// The rank of every layer, if they agree.
    pub fn rank(&self) -> Option<usize> {
        shared(self.layers.values().map(|layer| layer.rank))
    }

    /// Alpha of every layer, if they agree.
    pub fn alpha(&self) -> Option<f64> {
        shared(self.layers.values().map(|layer| layer.alpha))
    }

    /// Gives weights the shapes that files of a model hold them in.
    ///
    /// A linear layer here may be a convolution with kernel 1 there, as the projections of Stable
    /// Diffusion 1 are. `stored_shape` maps a weight's name and its shape here to its shape there.
    #[must_use]
    pub fn with_stored_shapes(mut self, stored_shape: impl Fn(&str, &[usize]) -> Vec<usize>) -> Self {
        for (name, layer) in &mut self.layers {
            let shape = &mut layer.shape;
            if shape.kernel.is_none()
                && stored_shape(&format!("{name}.weight"), &[shape.outputs, shape.inputs]).len() == 4
            {
                shape.kernel = Some([1, 1]);
            }
        }
        self
    }

    /// Puts the adapter on the layers it was made for, on the device of each layer.
    ///
    /// # Errors
    /// A layer that the model lacks, that has an adapter already, or whose shape differs. The
    /// model is then unchanged.
    pub fn attach<T: AdaptTarget>(&self, model: &mut T) -> Result<(), AdapterError> {
        let mut unmatched: BTreeSet<&str> = self.layers.keys().map(String::as_str).collect();
        let mut problem = None;
        model.layers_mut(&mut |name, layer| {
            if let Some(saved) = self.layers.get(name) {
                unmatched.remove(name);
                let adapted = layer.adapter().is_some().then(|| AdapterError::AlreadyAdapted {
                    layer: name.to_owned(),
                });
                if let Some(error) = adapted.or_else(|| saved.fits(name, &layer.shape()).err()) {
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
        model.layers_mut(&mut |name, mut layer| {
            if let Some(saved) = self.layers.get(name) {
                let adapter = saved.on(&layer.device());
                *layer.adapter_mut() = Some(adapter);
            }
        });
        Ok(())
    }
}

impl SavedLayer {
    fn of(adapter: &LowRankAdapter, shape: LayerShape) -> Self {
        let [rank, _] = adapter.lora_a.dims();
        Self {
            lora_a: to_host(adapter.lora_a.val()),
            lora_b: to_host(adapter.lora_b.val()),
            magnitude: adapter
                .magnitude
                .as_ref()
                .map(|magnitude| to_host(magnitude.val())),
            rank,
            alpha: alpha_of(adapter.scale, rank),
            shape,
        }
    }

    /// Factor of the product, `alpha / rank`.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    /// The adapter as parameters on a device.
    pub(super) fn on(&self, device: &burn::tensor::Device) -> LowRankAdapter {
        let outputs = self.shape.outputs;
        LowRankAdapter {
            lora_a: parameter(self.lora_a.clone(), [self.rank, self.shape.columns()], device),
            lora_b: parameter(self.lora_b.clone(), [outputs, self.rank], device),
            magnitude: self
                .magnitude
                .clone()
                .map(|magnitude| parameter(magnitude, [outputs], device)),
            scale: self.scale(),
        }
    }

    /// Checks the adapter against the weight it is for.
    ///
    /// # Errors
    /// The weight has other rows or columns.
    pub fn fits(&self, name: &str, weight: &LayerShape) -> Result<(), AdapterError> {
        if self.shape.same_rows(weight) {
            return Ok(());
        }
        let wrong = |part, expected, found| {
            Err(AdapterError::Shape {
                layer: name.to_owned(),
                part,
                expected,
                found,
            })
        };
        if self.shape.outputs != weight.outputs {
            let [expected, found] = [weight, &self.shape].map(|shape| shape.of_b(self.rank));
            return wrong("lora_B", expected, found);
        }
        let [expected, found] = [weight, &self.shape].map(|shape| shape.of_a(self.rank));
        wrong("lora_A", expected, found)
    }
}

/// The alpha that gives a scale: the shortest of those numbers, since it is what somebody wrote.
///
/// The product alone may be off by one bit, as 1 / 49 * 49 is, and would no longer be the setting.
fn alpha_of(scale: f64, rank: usize) -> f64 {
    let rank = rank as f64;
    let product = scale * rank;
    let near = [product, product.next_up(), product.next_down()];
    let exact = near.into_iter().filter(|alpha| alpha / rank == scale);
    exact
        .min_by_key(|alpha| alpha.to_string().len())
        .unwrap_or(product)
}

fn shared<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

fn to_host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.inner().into_data().convert::<f32>();
    data.iter::<f32>().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_survives_its_division_by_the_rank() {
        let mut inexact = 0;
        for rank in 1..200 {
            for alpha in [0.1, 0.7, 1.0, 4.5, 16.0, 32.0] {
                let scale = alpha / rank as f64;
                assert_eq!(alpha_of(scale, rank), alpha);
                inexact += usize::from(scale * rank as f64 != alpha);
            }
        }
        assert!(inexact > 0);
    }
}
