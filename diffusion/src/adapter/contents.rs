use std::collections::{BTreeMap, BTreeSet};

use safetensors::tensor::TensorView;
use safetensors::{SafeTensorError, SafeTensors};

use super::foreign::foreign;
use super::kohya_names::{is_kohya, split_component, unmangle};
use super::names::{PEFT_PREFIX, Part, UNET, parse_name};
use super::parts::{Parts, read_values};
use super::settings::{METADATA, Settings};
use super::{AdapterError, AdapterForm, AdapterMethod, SavedAdapter};

/// An adapter as a file held it.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterContents {
    /// The adapters by the component of the model that each changes: `unet`, `text_encoder` or
    /// `text_encoder_2`; never empty.
    pub adapters: BTreeMap<&'static str, SavedAdapter>,
    /// How the file names its tensors.
    pub form: AdapterForm,
    /// Element types in the file, such as `F16`.
    pub dtypes: BTreeSet<String>,
    /// What the header says besides the tensors.
    pub metadata: BTreeMap<String, String>,
}

impl AdapterContents {
    /// Reads a safetensors file in any known form.
    ///
    /// Rank and scale come from `alpha` tensors, else from `config_json` (PEFT's
    /// `adapter_config.json`), else from the file's own metadata; without any of them, alpha equals
    /// the rank, as in diffusers. Names without a component are taken for the denoiser's.
    ///
    /// # Errors
    /// A tensor that is not a part of an adapter, incomplete or misshapen layers, values that are
    /// not finite, or settings that change the meaning of the tensors.
    pub fn read(bytes: &[u8], config_json: Option<&str>) -> Result<Self, AdapterError> {
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
        let mut components: BTreeMap<&'static str, BTreeMap<String, Parts>> = BTreeMap::new();
        let mut dtypes = BTreeSet::new();
        for name in names {
            if settings.is_none() && name.starts_with(PEFT_PREFIX) {
                return Err(AdapterError::UnknownTensor {
                    tensor: name.to_owned(),
                    reason: Some("its scale is in PEFT's `adapter_config.json`, which is needed too"),
                });
            }
            let view = file.tensor(name).map_err(unreadable)?;
            let (component, layer, part, shape) = place(name, &view, form)?;
            if part != Part::Alpha {
                dtypes.insert(format!("{:?}", view.dtype()));
            }
            let values = read_values(name, view.dtype(), view.data())?;
            let parts = components.entry(component).or_default().entry(layer).or_default();
            if parts.slot(part).replace((shape, values)).is_some() {
                return Err(AdapterError::UnknownTensor {
                    tensor: name.to_owned(),
                    reason: Some("its layer has that part under another name too"),
                });
            }
        }
        if components.is_empty() {
            return Err(AdapterError::NotAdapted);
        }
        let adapters = components.into_iter().map(|(component, layers)| {
            let settings = Settings::parse(settings, component)?;
            assemble(layers, &settings, form).map(|adapter| (component, adapter))
        });
        Ok(Self {
            adapters: adapters.collect::<Result<_, _>>()?,
            form,
            dtypes,
            metadata,
        })
    }

    /// The adapter of one component, in a file that changes no other.
    ///
    /// # Errors
    /// The file changes another component.
    pub fn only(mut self, component: &str) -> Result<SavedAdapter, AdapterError> {
        if let Some(other) = self.adapters.keys().find(|name| **name != component) {
            return Err(AdapterError::OtherComponent {
                component: (*other).to_owned(),
                expected: component.to_owned(),
            });
        }
        self.adapters.remove(component).ok_or(AdapterError::NotAdapted)
    }

    /// The adapter of the denoiser, in a file that changes nothing else.
    ///
    /// # Errors
    /// The file changes a text encoder.
    pub fn denoiser(self) -> Result<SavedAdapter, AdapterError> {
        self.only(UNET)
    }
}

impl SavedAdapter {
    /// Reads the adapter of one component from a file that changes no other;
    /// [`AdapterContents::read`] says more about a file.
    ///
    /// # Errors
    /// As [`AdapterContents::read`], and a file that changes another component.
    pub fn from_bytes(bytes: &[u8], component: &str) -> Result<Self, AdapterError> {
        AdapterContents::read(bytes, None)?.only(component)
    }
}

fn assemble(
    layers: BTreeMap<String, Parts>,
    settings: &Settings,
    form: AdapterForm,
) -> Result<SavedAdapter, AdapterError> {
    let layers = layers
        .into_iter()
        .map(|(name, parts)| parts.assemble(&name, settings).map(|layer| (name, layer)));
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
    Ok(adapter)
}

/// Component, layer and part that a tensor belongs to, and its shape in PEFT's order.
fn place(
    name: &str,
    view: &TensorView<'_>,
    form: AdapterForm,
) -> Result<(&'static str, String, Part, Vec<usize>), AdapterError> {
    let shape = view.shape();
    if form != AdapterForm::Kohya {
        let (component, layer, part) = parse_name(name)?;
        let shape = match *shape {
            // Lengths of the rows of a convolution.
            [1, outputs, 1, 1] if part == Part::Magnitude => vec![outputs],
            _ => shape.to_vec(),
        };
        return Ok((component, layer, part, shape));
    }
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
        "lora_down.weight" => Part::A,
        "lora_up.weight" => Part::B,
        "dora_scale" => Part::Magnitude,
        "alpha" => Part::Alpha,
        part => return Err(unknown(foreign(&format!(".{part}")))),
    };
    let shape = match (part, shape) {
        (Part::Magnitude, [outputs] | [outputs, 1] | [outputs, 1, 1, 1]) => vec![*outputs],
        (Part::Magnitude, _) => {
            return Err(unknown(Some(
                "it has one entry per input, which is not the length of a row",
            )));
        }
        (_, shape) => shape.to_vec(),
    };
    Ok((component, unmangle(mangled)?, part, shape))
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
