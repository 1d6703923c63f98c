use super::AdapterError;
use super::saved::SavedLayer;
use crate::weights::{Dtype, HostTensor};

/// Names of the parts after the layer's name; PEFT's first, then those of diffusers.
const PARTS: [(Part, &str); 6] = [
    (Part::A, "lora_A.weight"),
    (Part::B, "lora_B.weight"),
    (Part::Magnitude, "lora_magnitude_vector"),
    (Part::A, "lora.down.weight"),
    (Part::B, "lora.up.weight"),
    (Part::Magnitude, "lora_magnitude_vector.weight"),
];

/// Start of the names in PEFT's own files.
pub(super) const PEFT_PREFIX: &str = "base_model.model.";

/// A tensor of one layer's adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    A,
    B,
    Magnitude,
}

impl Part {
    /// Name of the part in the files that this program writes.
    pub(super) fn written_name(self) -> &'static str {
        match self {
            Self::A => "lora_A.weight",
            Self::B => "lora_B.weight",
            Self::Magnitude => "lora_magnitude_vector",
        }
    }
}

/// Splits a tensor's name into the layer and the part, for one component of the model.
///
/// Names may start with the component (diffusers), with `base_model.model` (PEFT) or with the layer.
pub(super) fn parse_name(name: &str, component: &str) -> Result<(String, Part), AdapterError> {
    let unknown = |reason| AdapterError::UnknownTensor {
        tensor: name.to_owned(),
        reason,
    };
    let split = PARTS.iter().find_map(|(part, suffix)| {
        let layer = name.strip_suffix(suffix)?.strip_suffix('.')?;
        Some((layer, *part))
    });
    let Some((layer, part)) = split else {
        return Err(unknown(foreign_convention(name)));
    };
    let layer = layer.strip_prefix(PEFT_PREFIX).unwrap_or(layer);
    let layer = match layer
        .strip_prefix(component)
        .and_then(|rest| rest.strip_prefix('.'))
    {
        Some(layer) => layer,
        None if layer.starts_with("text_encoder") || layer.starts_with("unet.") => {
            return Err(unknown(Some("it belongs to another component")));
        }
        None => layer,
    };
    Ok((layer.to_owned(), part))
}

/// Reads a tensor as finite f32 values.
pub(super) fn read_values(name: &str, dtype: Dtype, data: &[u8]) -> Result<Vec<f32>, AdapterError> {
    let tensor = HostTensor {
        dtype,
        shape: Vec::new(),
        data: data.to_vec(),
    };
    let values = tensor.to_f32().map_err(|source| AdapterError::NotFloat {
        tensor: name.to_owned(),
        source: Box::new(source),
    })?;
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err(AdapterError::NotFinite {
            tensor: name.to_owned(),
        })
    }
}

/// What a tensor that is not PEFT's is likely to be.
fn foreign_convention(name: &str) -> Option<&'static str> {
    if name.ends_with(".dora_scale") {
        return Some(
            "`dora_scale` is LyCORIS's, one entry per input, which has no exact DoRA equivalent here",
        );
    }
    if name.ends_with(".alpha") || name.starts_with("lora_unet_") || name.starts_with("lora_te_") {
        return Some("it is in kohya form");
    }
    name.contains("lora_mid")
        .then_some("it belongs to a LoCon adapter")
}

/// Shape and values of a tensor.
pub(super) type Shaped = (Vec<usize>, Vec<f32>);

/// The tensors found for one layer.
#[derive(Default)]
pub(super) struct Parts {
    a: Option<Shaped>,
    b: Option<Shaped>,
    magnitude: Option<Shaped>,
}

impl Parts {
    pub(super) fn slot(&mut self, part: Part) -> &mut Option<Shaped> {
        match part {
            Part::A => &mut self.a,
            Part::B => &mut self.b,
            Part::Magnitude => &mut self.magnitude,
        }
    }

    pub(super) fn assemble(self, layer: &str) -> Result<SavedLayer, AdapterError> {
        let missing = |part| AdapterError::MissingPart {
            layer: layer.to_owned(),
            part,
        };
        let shape = |part, expected: Vec<usize>, found: Vec<usize>| AdapterError::Shape {
            layer: layer.to_owned(),
            part,
            expected,
            found,
        };
        let (a_shape, lora_a) = self.a.ok_or_else(|| missing("lora_A"))?;
        let (b_shape, lora_b) = self.b.ok_or_else(|| missing("lora_B"))?;
        let [rank, inputs] = matrix(&a_shape).ok_or_else(|| shape("lora_A", vec![0, 0], a_shape.clone()))?;
        let [outputs, _] = matrix(&b_shape)
            .filter(|[_, columns]| *columns == rank)
            .ok_or_else(|| {
                shape(
                    "lora_B",
                    vec![b_shape.first().copied().unwrap_or(0), rank],
                    b_shape,
                )
            })?;
        let magnitude = match self.magnitude {
            Some((found, _)) if found != [outputs] => {
                return Err(shape("lora_magnitude_vector", vec![outputs], found));
            }
            magnitude => magnitude.map(|(_, values)| values),
        };
        Ok(SavedLayer {
            lora_a,
            lora_b,
            magnitude,
            inputs,
            outputs,
        })
    }
}

/// Both extents of a shape of rank two without an empty axis.
fn matrix(shape: &[usize]) -> Option<[usize; 2]> {
    <[usize; 2]>::try_from(shape)
        .ok()
        .filter(|shape| !shape.contains(&0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_writer_are_understood() {
        for (name, layer, part) in [
            ("unet.mid.to_q.lora_A.weight", "mid.to_q", Part::A),
            ("unet.mid.to_q.lora.up.weight", "mid.to_q", Part::B),
            ("base_model.model.mid.to_q.lora_B.weight", "mid.to_q", Part::B),
            (
                "base_model.model.unet.mid.to_q.lora_A.weight",
                "mid.to_q",
                Part::A,
            ),
            (
                "mid.to_out.0.lora_magnitude_vector.weight",
                "mid.to_out.0",
                Part::Magnitude,
            ),
        ] {
            assert_eq!(parse_name(name, "unet").unwrap(), (layer.to_owned(), part));
        }
    }

    #[test]
    fn foreign_tensors_are_refused_with_their_name() {
        for (name, words) in [
            ("text_encoder.layers.0.q_proj.lora_A.weight", "another component"),
            ("lora_unet_mid_to_q.alpha", "kohya"),
            ("lora_unet_mid_to_q.dora_scale", "dora_scale"),
            ("unet.mid.to_q.weight", "not part of"),
        ] {
            let message = parse_name(name, "unet").unwrap_err().to_string();
            assert!(message.contains(name) && message.contains(words), "{message}");
        }
    }
}
