use std::collections::BTreeMap;

use safetensors::SafeTensors;

use super::file::unreadable;
use super::layout::{Tensors, encode};
use super::parts::{Part, Parts, read_values};
use super::settings::Settings;
use super::{AdaptTarget, AdapterError, SavedAdapter};

/// Names of the parts after the mangled layer name.
const PARTS: [(Part, &str); 3] = [
    (Part::A, "lora_down.weight"),
    (Part::B, "lora_up.weight"),
    (Part::Magnitude, "dora_scale"),
];
const ALPHA: &str = "alpha";

impl SavedAdapter {
    /// Lays the adapter out as kohya's scripts do: `lora_unet_<layer>` with dots as underscores,
    /// and an `alpha` per layer. A DoRA magnitude becomes `dora_scale`, one row per output.
    pub fn to_kohya_bytes(&self, component: &str) -> Vec<u8> {
        let prefix = prefix(component);
        let alpha = [self.alpha as f32];
        let mut tensors = Tensors::new();
        for (name, layer) in &self.layers {
            let name = format!("{prefix}{}", mangle(name));
            let a = (vec![self.rank, layer.inputs], layer.lora_a.as_slice());
            let b = (vec![layer.outputs, self.rank], layer.lora_b.as_slice());
            tensors.insert(format!("{name}.lora_down.weight"), a);
            tensors.insert(format!("{name}.lora_up.weight"), b);
            tensors.insert(format!("{name}.{ALPHA}"), (Vec::new(), &alpha));
            if let Some(magnitude) = &layer.magnitude {
                let magnitude = (vec![layer.outputs, 1], magnitude.as_slice());
                tensors.insert(format!("{name}.dora_scale"), magnitude);
            }
        }
        encode(&tensors, &[])
    }

    /// Reads an adapter in kohya's form for a model, which is needed to undo the mangled names.
    ///
    /// Layers without `alpha` have alpha equal to the rank. A `dora_scale` with one entry per
    /// input (older LyCORIS, OneTrainer) scales columns instead of rows; that is another function
    /// of the weight, which no magnitude per output can express, so it is refused.
    ///
    /// # Errors
    /// Tensors or layers that the model has no place for, layers that differ in rank or alpha,
    /// a `dora_scale` per input, and whatever [`Self::from_bytes`] refuses.
    pub fn from_kohya_bytes<T: AdaptTarget + Clone>(bytes: &[u8], model: &T) -> Result<Self, AdapterError> {
        let names = mangled_layers(model);
        let prefix = prefix(T::COMPONENT);
        let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
        let mut parts: BTreeMap<&str, Parts> = BTreeMap::new();
        let mut alphas: BTreeMap<&str, f64> = BTreeMap::new();
        for (tensor, view) in file.tensors() {
            let unknown = |reason| AdapterError::UnknownTensor {
                tensor: tensor.clone(),
                reason,
            };
            let (mangled, part) = tensor
                .strip_prefix(&prefix)
                .and_then(|rest| rest.split_once('.'))
                .ok_or_else(|| unknown(Some("it belongs to another component")))?;
            let layer = names.get(mangled).ok_or_else(|| AdapterError::UnknownLayer {
                layer: mangled.to_owned(),
                count: 1,
            })?;
            let values = read_values(&tensor, view.dtype(), view.data())?;
            if part == ALPHA {
                let alpha = values.first().ok_or_else(|| unknown(None))?;
                alphas.insert(layer, f64::from(*alpha));
                continue;
            }
            let known = PARTS.iter().find(|(_, name)| *name == part);
            let (part, _) = known.ok_or_else(|| unknown(None))?;
            let shape = match part {
                Part::Magnitude => row_lengths(view.shape())
                    .ok_or_else(|| unknown(Some("it has one entry per input, which is not a row length")))?,
                Part::A | Part::B => without_kernel(view.shape()),
            };
            *parts.entry(layer).or_default().slot(*part) = Some((shape, values));
        }
        let mut layers = BTreeMap::new();
        let mut shared: Option<f64> = None;
        for (name, parts) in parts {
            let layer = parts.assemble(name)?;
            let alpha = alphas.remove(name).unwrap_or(layer.rank() as f64);
            if *shared.get_or_insert(alpha) != alpha {
                return Err(AdapterError::Mixed {
                    layer: name.to_owned(),
                });
            }
            layers.insert(name.to_owned(), layer);
        }
        if let Some((layer, _)) = alphas.first_key_value() {
            return Err(AdapterError::MissingPart {
                layer: (*layer).to_owned(),
                part: "lora_down",
            });
        }
        let settings = Settings {
            alpha: shared,
            ..Settings::default()
        };
        Self::from_layers(layers, &settings)
    }
}

fn prefix(component: &str) -> String {
    match component {
        "text_encoder" => "lora_te_".to_owned(),
        component => format!("lora_{component}_"),
    }
}

fn mangle(layer: &str) -> String {
    layer.replace('.', "_")
}

fn mangled_layers<T: AdaptTarget + Clone>(model: &T) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    // Layers are only reachable through a mutable walk; a clone shares their tensors.
    model.clone().linears_mut(&mut |name, _| {
        names.insert(mangle(name), name.to_owned());
    });
    names
}

/// Shape of a magnitude stored as a column, `[outputs, 1]` to `[outputs]`.
fn row_lengths(shape: &[usize]) -> Option<Vec<usize>> {
    match shape {
        [outputs, 1] => Some(vec![*outputs]),
        _ => None,
    }
}

/// Shape of a 1 x 1 convolution as a matrix; others stay as they are.
fn without_kernel(shape: &[usize]) -> Vec<usize> {
    match shape {
        [outputs, inputs, 1, 1] => vec![*outputs, *inputs],
        shape => shape.to_vec(),
    }
}
