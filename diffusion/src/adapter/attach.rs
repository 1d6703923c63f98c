use burn::module::Param;
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{AdapterConfig, AdapterError, AdapterMethod, LowRankAdapter};
use crate::linear::Linear;
use crate::noise::NoiseSource;
use crate::unet::UNet2DConditionModel;

const INITIAL_VALUES: &str = "mitune adapter initial values v1";

/// A model whose linear layers can be adapted.
pub trait AdaptTarget {
    /// First part of the names in a file, such as `unet`.
    const COMPONENT: &'static str;

    /// Shows every linear layer to `visit` under its diffusers name.
    fn linears_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Linear));
}

impl AdaptTarget for UNet2DConditionModel {
    const COMPONENT: &'static str = "unet";

    fn linears_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Linear)) {
        self.named_linears_mut(visit);
    }
}

/// Puts a fresh adapter on every layer that the config selects, and returns their names.
///
/// A is normal with deviation 1 / rank, B is zero and the magnitude is the row lengths of the
/// weight, so that the model computes what it did before. The values of A depend on the seed and
/// the layer's name only.
///
/// # Errors
/// No layer is selected, one of them has an adapter already, or the rank is zero.
pub fn attach<T: AdaptTarget>(model: &mut T, config: &AdapterConfig) -> Result<Vec<String>, AdapterError> {
    if config.rank == 0 {
        return Err(AdapterError::ZeroRank);
    }
    let mut layers = Vec::new();
    let mut adapted = None;
    model.linears_mut(&mut |layer, linear| {
        if config.targets.contains(layer) {
            layers.push(layer.to_owned());
            if linear.adapter.is_some() {
                adapted.get_or_insert_with(|| layer.to_owned());
            }
        }
    });
    if let Some(layer) = adapted {
        return Err(AdapterError::AlreadyAdapted { layer });
    }
    if layers.is_empty() {
        return Err(AdapterError::NoLayer);
    }
    model.linears_mut(&mut |layer, linear| {
        if config.targets.contains(layer) {
            linear.adapter = Some(fresh_adapter(layer, linear, config));
        }
    });
    Ok(layers)
}

/// Removes every adapter.
pub fn detach<T: AdaptTarget>(model: &mut T) {
    model.linears_mut(&mut |_, linear| linear.adapter = None);
}

/// Folds every adapter into the weight it adapts, which makes sampling as fast as without one.
pub fn merge<T: AdaptTarget>(model: &mut T) {
    model.linears_mut(&mut |_, linear| {
        if let Some(adapter) = linear.adapter.take() {
            let weight = linear.weight.clone();
            linear.weight = weight.map(|weight| adapter.merge(weight));
        }
    });
}

/// Multiplies the scale of every adapter, as diffusers does for a LoRA scale at inference.
///
/// For DoRA this scales the low-rank product only, not the magnitude.
pub fn multiply_scale<T: AdaptTarget>(model: &mut T, factor: f64) {
    model.linears_mut(&mut |_, linear| {
        if let Some(adapter) = &mut linear.adapter {
            adapter.scale *= factor;
        }
    });
}

/// A trainable f32 parameter from host values.
pub(super) fn parameter<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    let data = TensorData::new(values, shape);
    Param::from_tensor(Tensor::from_data(data, (device, DType::F32)))
}

fn fresh_adapter(layer: &str, linear: &Linear, config: &AdapterConfig) -> LowRankAdapter {
    let weight = linear.weight.val();
    let device = weight.device();
    let [outputs, inputs] = weight.dims();
    let mut values = vec![0.0; config.rank * inputs];
    let content = blake3::derive_key(INITIAL_VALUES, layer.as_bytes());
    NoiseSource::forward().normal(config.seed, &content, 0, 0, &mut values);
    let deviation = 1.0 / config.rank as f32;
    values.iter_mut().for_each(|value| *value *= deviation);
    let mut adapter = LowRankAdapter {
        lora_a: parameter(values, [config.rank, inputs], &device),
        lora_b: parameter(vec![0.0; outputs * config.rank], [outputs, config.rank], &device),
        magnitude: None,
        scale: config.alpha / config.rank as f64,
    };
    if config.method == AdapterMethod::Dora {
        let norms = Tensor::from_data(adapter.row_norms(&weight).into_data(), (&device, DType::F32));
        adapter.magnitude = Some(Param::from_tensor(norms));
    }
    adapter
}
