use burn::module::Param;
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{AdapterConfig, AdapterError, AdapterMethod};
use crate::nn::layers::{AdaptTarget, AdaptableLayer, LowRankAdapter};
use crate::noise::NoiseSource;

const INITIAL_VALUES: &str = "mitune adapter initial values v1";

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
    model.layers_mut(&mut |name, layer| {
        if config.targets.contains(name) {
            layers.push(name.to_owned());
            if layer.adapter().is_some() {
                adapted.get_or_insert_with(|| name.to_owned());
            }
        }
    });
    if let Some(layer) = adapted {
        return Err(AdapterError::AlreadyAdapted { layer });
    }
    if layers.is_empty() {
        return Err(AdapterError::NoLayer);
    }
    model.layers_mut(&mut |name, mut layer| {
        if config.targets.contains(name) {
            let adapter = fresh_adapter(name, &layer, config);
            *layer.adapter_mut() = Some(adapter);
        }
    });
    Ok(layers)
}

/// Removes every adapter.
pub fn detach<T: AdaptTarget>(model: &mut T) {
    model.layers_mut(&mut |_, mut layer| *layer.adapter_mut() = None);
}

/// Folds every adapter into the weight it adapts, which makes sampling as fast as without one.
pub fn merge<T: AdaptTarget>(model: &mut T) {
    model.layers_mut(&mut |_, mut layer| {
        if let Some(adapter) = layer.adapter_mut().take() {
            layer.change_rows(|rows| adapter.merge(rows));
        }
    });
}

/// Multiplies the scale of every adapter, as diffusers' `set_adapters` and PEFT's `set_scale` do.
///
/// For DoRA this scales the low-rank product, inside the row lengths too, but not the magnitude:
/// DoRA at scale 0 is therefore not the layer without adapter.
pub fn multiply_scale<T: AdaptTarget>(model: &mut T, factor: f64) {
    model.layers_mut(&mut |_, mut layer| {
        if let Some(adapter) = layer.adapter_mut() {
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

fn fresh_adapter(name: &str, layer: &AdaptableLayer<'_>, config: &AdapterConfig) -> LowRankAdapter {
    let device = layer.device();
    let (outputs, columns) = (layer.shape().outputs, layer.shape().columns());
    let mut values = vec![0.0; config.rank * columns];
    let content = blake3::derive_key(INITIAL_VALUES, name.as_bytes());
    NoiseSource::forward().normal(config.seed, &content, 0, 0, &mut values);
    let deviation = 1.0 / config.rank as f32;
    values.iter_mut().for_each(|value| *value *= deviation);
    let mut adapter = LowRankAdapter {
        lora_a: parameter(values, [config.rank, columns], &device),
        lora_b: parameter(vec![0.0; outputs * config.rank], [outputs, config.rank], &device),
        magnitude: None,
        scale: config.alpha / config.rank as f64,
    };
    if config.method == AdapterMethod::Dora {
        let norms = adapter.row_norms(&layer.rows()).into_data();
        adapter.magnitude = Some(Param::from_tensor(Tensor::from_data(
            norms,
            (&device, DType::F32),
        )));
    }
    adapter
}
