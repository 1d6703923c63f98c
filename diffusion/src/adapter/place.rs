//! Where a tensor of a file belongs.

use super::foreign::foreign;
use super::kohya_names::{split_component, unmangle};
use super::names::{Part, parse_name};
use super::{AdapterError, AdapterForm};
use crate::nn::weights::{Dtype, TensorSource};

/// Component, layer and part that a tensor belongs to, and its shape in PEFT's order.
pub(super) struct Place {
    pub(super) component: &'static str,
    pub(super) layer: String,
    pub(super) part: Part,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: Dtype,
}

impl Place {
    pub(super) fn of(name: &str, source: &dyn TensorSource, form: AdapterForm) -> Result<Self, AdapterError> {
        let unknown = |reason| AdapterError::UnknownTensor {
            tensor: name.to_owned(),
            reason,
        };
        let (dtype, shape) = source.describe(name).ok_or_else(|| unknown(None))?;
        let (component, layer, part) = match form {
            AdapterForm::Kohya => kohya(name)?,
            _ => parse_name(name)?,
        };
        // LyCORIS keeps a column of row lengths, PEFT a row for a convolution.
        let is_column = form == AdapterForm::Kohya || name.ends_with(".dora_scale");
        let shape = match (part, shape.as_slice()) {
            (Part::Magnitude, [outputs] | [outputs, 1] | [outputs, 1, 1, 1]) if is_column => vec![*outputs],
            (Part::Magnitude, _) if is_column => {
                return Err(unknown(Some(
                    "it has one entry per input, which is not the length of a row",
                )));
            }
            (Part::Magnitude, [1, outputs, 1, 1]) => vec![*outputs],
            _ => shape,
        };
        Ok(Self {
            component,
            layer,
            part,
            shape,
            dtype,
        })
    }
}

/// Splits a name in kohya's form.
fn kohya(name: &str) -> Result<(&'static str, String, Part), AdapterError> {
    let unknown = |reason| AdapterError::UnknownTensor {
        tensor: name.to_owned(),
        reason,
    };
    let split = split_component(name);
    let split = split.and_then(|(component, rest)| Some((component, rest.split_once('.')?)));
    let Some((component, (mangled, part))) = split else {
        return Err(unknown(Some(
            "it is not in kohya's form, as others of the file are",
        )));
    };
    let part = match part {
        "lora_down.weight" | "lora.down.weight" | "lora_A.weight" => Part::A,
        "lora_up.weight" | "lora.up.weight" | "lora_B.weight" => Part::B,
        "dora_scale" => Part::Magnitude,
        "alpha" => Part::Alpha,
        part => return Err(unknown(foreign(&format!(".{part}")))),
    };
    Ok((component, unmangle(mangled)?, part))
}
