use std::collections::BTreeMap;

use safetensors::{SafeTensorError, SafeTensors};

use super::layout::{Tensors, encode};
use super::parts::{PEFT_PREFIX, Part, Parts, parse_name, read_values};
use super::saved::SavedLayer;
use super::settings::{METADATA, Settings, settings_json};
use super::{AdapterError, AdapterMethod, SavedAdapter};
use crate::weights::{HostTensor, TensorMap};

impl SavedAdapter {
    /// Lays the adapter out as the bytes of a safetensors file that diffusers loads.
    ///
    /// Tensors are named `<component>.<layer>.lora_A.weight`, `.lora_B.weight` and
    /// `.lora_magnitude_vector`; rank, alpha and method are in the metadata. The same adapter
    /// always gives the same bytes.
    pub fn to_bytes(&self, component: &str) -> Vec<u8> {
        let metadata = [(METADATA, settings_json(self, component).to_string())];
        encode(&self.tensors(component), &metadata)
    }

    /// The tensors and the metadata of that file, for whoever writes files in another way.
    pub fn to_tensors(&self, component: &str) -> (TensorMap, BTreeMap<String, String>) {
        let tensors = self.tensors(component).into_iter();
        let tensors = tensors.map(|(name, (shape, values))| (name, HostTensor::from_f32(values, shape)));
        let settings = settings_json(self, component).to_string();
        let metadata = [("format", "pt".to_owned()), (METADATA, settings)];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
        (tensors.collect(), metadata.into_iter().collect())
    }

    /// Reads the adapter of one component from the bytes of a safetensors file.
    ///
    /// Takes what diffusers and PEFT write. Without metadata, the rank is that of the tensors and
    /// alpha equals it, as in diffusers.
    ///
    /// # Errors
    /// A tensor that is not a part of an adapter of this component, incomplete or misshapen
    /// layers, values that are not finite, or settings that change the meaning of the tensors.
    pub fn from_bytes(bytes: &[u8], component: &str) -> Result<Self, AdapterError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
        let text = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(METADATA));
        Self::from_parts(bytes, component, text.map(String::as_str))
    }

    /// Reads an adapter as PEFT's own `save_pretrained` writes it: `adapter_model.safetensors` and
    /// `adapter_config.json`.
    ///
    /// # Errors
    /// As [`Self::from_bytes`].
    pub fn from_peft_bytes(bytes: &[u8], config_json: &str, component: &str) -> Result<Self, AdapterError> {
        Self::from_parts(bytes, component, Some(config_json))
    }

    fn from_parts(bytes: &[u8], component: &str, settings: Option<&str>) -> Result<Self, AdapterError> {
        let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
        let mut layers: BTreeMap<String, Parts> = BTreeMap::new();
        for (name, view) in file.tensors() {
            let unknown = |reason| AdapterError::UnknownTensor {
                tensor: name.clone(),
                reason: Some(reason),
            };
            if settings.is_none() && name.starts_with(PEFT_PREFIX) {
                return Err(unknown(
                    "its scale is in PEFT's `adapter_config.json`, which is needed too",
                ));
            }
            let (layer, part) = parse_name(&name, component)?;
            let values = read_values(&name, view.dtype(), view.data())?;
            let slot = layers.entry(layer).or_default().slot(part);
            if slot.replace((view.shape().to_vec(), values)).is_some() {
                return Err(unknown("its layer has that part under another name too"));
            }
        }
        let layers = layers
            .into_iter()
            .map(|(name, parts)| parts.assemble(&name).map(|layer| (name, layer)))
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        Self::from_layers(layers, &Settings::parse(settings, component)?)
    }

    pub(super) fn from_layers(
        layers: BTreeMap<String, SavedLayer>,
        settings: &Settings,
    ) -> Result<Self, AdapterError> {
        let first = layers.values().next().ok_or(AdapterError::NotAdapted)?;
        let method = match first.magnitude {
            Some(_) => AdapterMethod::Dora,
            None => AdapterMethod::Lora,
        };
        let rank = settings.rank.unwrap_or(first.rank());
        for (name, layer) in &layers {
            if layer.rank() != rank {
                return Err(AdapterError::Rank {
                    layer: name.clone(),
                    expected: rank,
                    found: layer.rank(),
                });
            }
            if layer.magnitude.is_some() != (method == AdapterMethod::Dora) {
                return Err(AdapterError::Mixed { layer: name.clone() });
            }
        }
        if settings
            .dora
            .is_some_and(|dora| dora != (method == AdapterMethod::Dora))
        {
            return Err(AdapterError::Setting {
                key: "use_dora".to_owned(),
                found: (method != AdapterMethod::Dora).to_string(),
                expected: "to agree with the tensors",
            });
        }
        Ok(Self {
            method,
            rank,
            alpha: settings.alpha.unwrap_or(rank as f64),
            layers,
        })
    }

    fn tensors(&self, component: &str) -> Tensors<'_> {
        let mut tensors = Tensors::new();
        for (name, layer) in &self.layers {
            let a = (vec![self.rank, layer.inputs], layer.lora_a.as_slice());
            let b = (vec![layer.outputs, self.rank], layer.lora_b.as_slice());
            tensors.insert(format!("{component}.{name}.{}", Part::A.written_name()), a);
            tensors.insert(format!("{component}.{name}.{}", Part::B.written_name()), b);
            if let Some(magnitude) = &layer.magnitude {
                let magnitude = (vec![layer.outputs], magnitude.as_slice());
                tensors.insert(
                    format!("{component}.{name}.{}", Part::Magnitude.written_name()),
                    magnitude,
                );
            }
        }
        tensors
    }
}

pub(super) fn unreadable(source: SafeTensorError) -> AdapterError {
    AdapterError::Safetensors { source }
}
