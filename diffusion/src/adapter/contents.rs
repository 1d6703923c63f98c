use std::collections::{BTreeMap, BTreeSet};

use safetensors::{SafeTensorError, SafeTensors};

use super::foreign::foreign;
use super::kohya_names::{is_kohya, prefix, unmangle};
use super::names::{PEFT_PREFIX, Part, parse_name};
use super::parts::{Parts, read_values};
use super::settings::{METADATA, Settings};
use super::{AdapterError, AdapterForm, AdapterMethod, SavedAdapter};

/// An adapter as a file held it.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterContents {
    /// The adapter.
    pub adapter: SavedAdapter,
    /// How the file names its tensors.
    pub form: AdapterForm,
    /// Element types in the file, such as `F16`.
    pub dtypes: BTreeSet<String>,
    /// What the header says besides the tensors.
    pub metadata: BTreeMap<String, String>,
}

impl AdapterContents {
    /// Reads the adapter of one component from the bytes of a safetensors file in any known form.
    ///
    /// Rank and scale come from `alpha` tensors, else from `config_json` (PEFT's
    /// `adapter_config.json`), else from the file's own metadata; without any of them, alpha equals
    /// the rank, as in diffusers.
    ///
    /// # Errors
    /// A tensor that is not a part of an adapter of this component, incomplete or misshapen layers,
    /// values that are not finite, or settings that change the meaning of the tensors.
    pub fn read(bytes: &[u8], config_json: Option<&str>, component: &str) -> Result<Self, AdapterError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
        let metadata: BTreeMap<String, String> = header
            .metadata()
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect();
        let settings = config_json.or(metadata.get(METADATA).map(String::as_str));
        let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
        let mut names: Vec<&str> = file.names();
        names.sort_unstable();
        let form = AdapterForm::of_names(&names);
        let mut layers: BTreeMap<String, Parts> = BTreeMap::new();
        let mut dtypes = BTreeSet::new();
        for name in names {
            let view = file.tensor(name).map_err(unreadable)?;
            let unknown = |reason| AdapterError::UnknownTensor {
                tensor: name.to_owned(),
                reason: Some(reason),
            };
            if settings.is_none() && name.starts_with(PEFT_PREFIX) {
                return Err(unknown(
                    "its scale is in PEFT's `adapter_config.json`, which is needed too",
                ));
            }
            let (layer, part, shape) = if form == AdapterForm::Kohya {
                let (layer, part) = parse_kohya(name, component)?;
                let shape = match part {
                    Part::Magnitude => kohya_magnitude(view.shape()).ok_or_else(|| {
                        unknown("it has one entry per input, which is not the length of a row")
                    })?,
                    _ => view.shape().to_vec(),
                };
                (layer, part, shape)
            } else {
                let (layer, part) = parse_name(name, component)?;
                let shape = match part {
                    Part::Magnitude => peft_magnitude(view.shape()),
                    _ => view.shape().to_vec(),
                };
                (layer, part, shape)
            };
            let values = read_values(name, view.dtype(), view.data())?;
            if part != Part::Alpha {
                dtypes.insert(format!("{:?}", view.dtype()));
            }
            let slot = layers.entry(layer).or_default().slot(part);
            if slot.replace((shape, values)).is_some() {
                return Err(unknown("its layer has that part under another name too"));
            }
        }
        let settings = Settings::parse(settings, component)?;
        let layers = layers
            .into_iter()
            .map(|(name, parts)| parts.assemble(&name, &settings).map(|layer| (name, layer)));
        let adapter = SavedAdapter::of_layers(layers.collect::<Result<_, _>>()?)?;
        let dora = adapter.method == AdapterMethod::Dora;
        // Files in kohya's form are described by their tensors alone.
        if form != AdapterForm::Kohya && settings.dora.is_some_and(|expected| expected != dora) {
            return Err(AdapterError::Setting {
                key: "use_dora".to_owned(),
                found: (!dora).to_string(),
                expected: "to agree with the tensors",
            });
        }
        Ok(Self {
            adapter,
            form,
            dtypes,
            metadata,
        })
    }
}

impl SavedAdapter {
    /// Reads the adapter of one component from the bytes of a safetensors file in any known form;
    /// [`AdapterContents::read`] says more about the file.
    ///
    /// # Errors
    /// As [`AdapterContents::read`].
    pub fn from_bytes(bytes: &[u8], component: &str) -> Result<Self, AdapterError> {
        AdapterContents::read(bytes, None, component).map(|contents| contents.adapter)
    }
}

fn parse_kohya(name: &str, component: &str) -> Result<(String, Part), AdapterError> {
    let unknown = |reason| AdapterError::UnknownTensor {
        tensor: name.to_owned(),
        reason,
    };
    if name.starts_with("lora_te") && component == "unet" {
        return Err(unknown(Some(
            "it changes a text encoder; only adapters of the denoiser are applied here",
        )));
    }
    let rest = name.strip_prefix(&prefix(component));
    let Some((mangled, part)) = rest.and_then(|rest| rest.split_once('.')) else {
        return Err(unknown(Some("it belongs to another component")));
    };
    let part = match part {
        "lora_down.weight" => Part::A,
        "lora_up.weight" => Part::B,
        "dora_scale" => Part::Magnitude,
        "alpha" => Part::Alpha,
        part => return Err(unknown(foreign(&format!(".{part}")))),
    };
    Ok((unmangle(mangled)?, part))
}

/// Outputs of a `dora_scale`: `[outputs]`, `[outputs, 1]` or `[outputs, 1, 1, 1]`.
fn kohya_magnitude(shape: &[usize]) -> Option<Vec<usize>> {
    match *shape {
        [outputs] | [outputs, 1] | [outputs, 1, 1, 1] => Some(vec![outputs]),
        _ => None,
    }
}

/// Outputs of a `lora_magnitude_vector`, which is `[1, outputs, 1, 1]` for a convolution.
fn peft_magnitude(shape: &[usize]) -> Vec<usize> {
    match *shape {
        [1, outputs, 1, 1] => vec![outputs],
        _ => shape.to_vec(),
    }
}

fn unreadable(source: SafeTensorError) -> AdapterError {
    AdapterError::Safetensors { source }
}

impl AdapterForm {
    fn of_names(names: &[&str]) -> Self {
        let any = |test: fn(&str) -> bool| names.iter().any(|name| test(name));
        if any(is_kohya) {
            Self::Kohya
        } else if any(|name| name.contains("_lora.")) {
            Self::AttentionProcessors
        } else if any(|name| name.contains(".lora.") || name.contains(".lora_linear_layer.")) {
            Self::Diffusers
        } else {
            Self::Peft
        }
    }
}
