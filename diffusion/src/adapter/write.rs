use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::kohya_names::{mangle, prefix};
use super::layout::encode;
use super::names::{PEFT_PREFIX, Part};
use super::settings::settings_map;
use super::settings_text::METADATA;
use super::{AdapterError, SavedAdapter, SavedLayer};
use crate::nn::weights::{Dtype, HostTensor, TensorMap};

/// Lays adapters of several components out as the bytes of a safetensors file that diffusers loads.
///
/// Tensors are named `<component>.<layer>.lora_A.weight`, `.lora_B.weight` and
/// `.lora_magnitude_vector`; ranks, alphas and method are in the metadata. The same adapters always
/// give the same bytes.
///
/// # Errors
/// A value that `dtype` cannot hold.
pub fn encode_peft(adapters: &BTreeMap<&str, SavedAdapter>, dtype: Dtype) -> Result<Vec<u8>, AdapterError> {
    let (tensors, metadata) = peft_tensors(adapters.iter().map(|(component, adapter)| (*component, adapter)));
    Ok(encode(&cast(tensors, dtype)?, &metadata))
}

/// Lays adapters of several components out as kohya's scripts do: `lora_unet_<layer>` with dots as
/// underscores, and an `alpha` per layer. A DoRA magnitude becomes `dora_scale`, one row per
/// output, as LyCORIS writes it; diffusers leaves such tensors out when it reads a file.
///
/// # Errors
/// A value that `dtype` cannot hold.
pub fn encode_kohya(adapters: &BTreeMap<&str, SavedAdapter>, dtype: Dtype) -> Result<Vec<u8>, AdapterError> {
    let two_encoders = adapters.contains_key("text_encoder_2");
    let (mut tensors, mut alphas) = (TensorMap::new(), TensorMap::new());
    for (component, adapter) in adapters {
        let prefix = prefix(component, two_encoders);
        for (name, layer) in &adapter.layers {
            let name = format!("{prefix}{}", mangle(name));
            tensors.insert(format!("{name}.lora_down.weight"), layer.a_tensor());
            tensors.insert(format!("{name}.lora_up.weight"), layer.b_tensor());
            let alpha = HostTensor::from_f32(&[layer.alpha as f32], Vec::new());
            alphas.insert(format!("{name}.alpha"), alpha);
            if let Some(magnitude) = &layer.magnitude {
                let column = HostTensor::from_f32(magnitude, layer.shape.of_b(1));
                tensors.insert(format!("{name}.dora_scale"), column);
            }
        }
    }
    // Alpha is a setting and stays as exact as it can be.
    let mut tensors = cast(tensors, dtype)?;
    tensors.append(&mut alphas);
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    Ok(encode(&tensors, &metadata))
}

impl SavedAdapter {
    /// Lays the adapter of one component out as [`encode_peft`] does.
    ///
    /// # Errors
    /// A value that `dtype` cannot hold.
    pub fn to_bytes(&self, component: &str, dtype: Dtype) -> Result<Vec<u8>, AdapterError> {
        let (tensors, metadata) = self.to_tensors(component);
        Ok(encode(&cast(tensors, dtype)?, &metadata))
    }

    /// The tensors and the metadata of that file in f32, for whoever writes files in another way.
    pub fn to_tensors(&self, component: &str) -> (TensorMap, BTreeMap<String, String>) {
        peft_tensors([(component, self)])
    }

    /// Lays the adapter of one component out as [`encode_kohya`] does.
    ///
    /// # Errors
    /// A value that `dtype` cannot hold.
    pub fn to_kohya_bytes(&self, component: &str, dtype: Dtype) -> Result<Vec<u8>, AdapterError> {
        encode_kohya(&BTreeMap::from([(component, self.clone())]), dtype)
    }

    /// Lays the adapter out as PEFT's `save_pretrained` does: the bytes of
    /// `adapter_model.safetensors` and the text of `adapter_config.json`.
    ///
    /// # Errors
    /// A value that `dtype` cannot hold.
    pub fn to_peft_files(&self, dtype: Dtype) -> Result<(Vec<u8>, String), AdapterError> {
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        let bytes = encode(&cast(self.peft_tensors(PEFT_PREFIX), dtype)?, &metadata);
        let mut settings = settings_map(self);
        settings.insert("task_type", Value::Null);
        settings.insert("base_model_name_or_path", Value::Null);
        settings.insert("inference_mode", json!(true));
        Ok((bytes, format!("{:#}", json!(settings))))
    }

    fn peft_tensors(&self, start: &str) -> TensorMap {
        let mut tensors = TensorMap::new();
        for (name, layer) in &self.layers {
            let mut insert = |part: Part, tensor| {
                tensors.insert(format!("{start}{name}.{}", part.written_name()), tensor);
            };
            insert(Part::A, layer.a_tensor());
            insert(Part::B, layer.b_tensor());
            if let Some(magnitude) = &layer.magnitude {
                let outputs = layer.shape.outputs;
                let shape = match layer.shape.kernel {
                    Some(_) => vec![1, outputs, 1, 1],
                    None => vec![outputs],
                };
                insert(Part::Magnitude, HostTensor::from_f32(magnitude, shape));
            }
        }
        tensors
    }
}

impl SavedLayer {
    fn a_tensor(&self) -> HostTensor {
        HostTensor::from_f32(&self.lora_a, self.shape.of_a(self.rank))
    }

    fn b_tensor(&self) -> HostTensor {
        HostTensor::from_f32(&self.lora_b, self.shape.of_b(self.rank))
    }
}

/// The tensors and the metadata of a file of [`encode_peft`] in f32, for whoever writes files in another way.
pub fn peft_tensors<'a>(
    adapters: impl IntoIterator<Item = (&'a str, &'a SavedAdapter)>,
) -> (TensorMap, BTreeMap<String, String>) {
    let (mut tensors, mut settings) = (TensorMap::new(), Map::new());
    for (component, adapter) in adapters {
        tensors.append(&mut adapter.peft_tensors(&format!("{component}.")));
        let own = settings_map(adapter).into_iter();
        settings.extend(own.map(|(key, value)| (format!("{component}.{key}"), value)));
    }
    let settings = Value::Object(settings).to_string();
    let metadata = [("format", "pt".to_owned()), (METADATA, settings)];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    (tensors, metadata.into_iter().collect())
}

fn cast(tensors: TensorMap, dtype: Dtype) -> Result<TensorMap, AdapterError> {
    let cast = |(name, tensor): (String, HostTensor)| {
        let narrow = |tensor: &HostTensor| {
            let narrow = tensor.cast(dtype)?;
            let finite = narrow.to_f32()?.iter().all(|value| value.is_finite());
            Ok((narrow, finite))
        };
        match narrow(&tensor) {
            Ok((narrow, true)) => Ok((name, narrow)),
            Ok((_, false)) => Err(AdapterError::OutOfRange { tensor: name, dtype }),
            Err(source) => Err(AdapterError::NotFloat {
                tensor: name,
                source: Box::new(source),
            }),
        }
    };
    tensors.into_iter().map(cast).collect()
}
