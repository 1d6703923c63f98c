use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::kohya_names::is_kohya;
use super::names::{PEFT_PREFIX, Part, UNET};
use super::parts::{Parts, read_values};
use super::place::Place;
use super::settings::Settings;
use super::settings_text::SettingsText;
use super::{AdapterError, AdapterForm, AdapterMethod, SavedAdapter};
use crate::nn::weights::{SafetensorsBytes, SafetensorsFile, TensorSource};

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
    /// Ranks come from the tensors. Alphas come from `alpha` tensors, else from `config_json` (PEFT's
    /// `adapter_config.json`), else from the file's own metadata; settings that name none mean 8, as in PEFT. Without
    /// settings, alpha equals the rank, as in diffusers. Names without a component are taken for the denoiser's.
    ///
    /// # Errors
    /// A tensor that is not a part of an adapter, incomplete or misshapen layers, values that are
    /// not finite, or settings that change the meaning of the tensors.
    pub fn open(path: &Path, config_json: Option<&str>) -> Result<Self, AdapterError> {
        let file = SafetensorsFile::open(path)?;
        Self::of_source(&file, file.metadata(), config_json)
    }

    /// As [`Self::open`], for the bytes of such a file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read(bytes: &[u8], config_json: Option<&str>) -> Result<Self, AdapterError> {
        let file = SafetensorsBytes::new(bytes)?;
        Self::of_source(&file, file.metadata(), config_json)
    }

    fn of_source(
        source: &dyn TensorSource,
        metadata: &BTreeMap<String, String>,
        config_json: Option<&str>,
    ) -> Result<Self, AdapterError> {
        let settings = SettingsText::of(config_json, metadata);
        let names = source.names();
        let form = AdapterForm::of_names(&names);
        if let Some(name) = names
            .iter()
            .find(|name| settings.is_none() && name.starts_with(PEFT_PREFIX))
        {
            return Err(AdapterError::UnknownTensor {
                tensor: name.clone(),
                reason: Some("its scale is in PEFT's `adapter_config.json`, which is needed too"),
            });
        }
        // All names before the first value: most files that are no adapters are large.
        let places = names.iter().map(|name| Place::of(name, source, form));
        let places: Vec<Place> = places.collect::<Result<_, _>>()?;
        let mut components: BTreeMap<&'static str, BTreeMap<String, Parts>> = BTreeMap::new();
        let mut dtypes = BTreeSet::new();
        for (name, place) in names.iter().zip(places) {
            if place.part != Part::Alpha {
                dtypes.insert(format!("{:?}", place.dtype));
            }
            let layers = components.entry(place.component).or_default();
            let parts = layers.entry(place.layer).or_default();
            if !parts.put(place.part, place.shape, read_values(name, source)?) {
                return Err(AdapterError::UnknownTensor {
                    tensor: name.clone(),
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
            metadata: metadata.clone(),
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

    /// The adapters of all components as one, for who compares files: layers of text encoders have the component before
    /// their names.
    ///
    /// # Errors
    /// The components have adapters of different methods.
    pub fn joined(self) -> Result<SavedAdapter, AdapterError> {
        let layers = self.adapters.into_iter().flat_map(|(component, adapter)| {
            adapter
                .layers
                .into_iter()
                .map(move |(name, layer)| match component {
                    UNET => (name, layer),
                    component => (format!("{component}.{name}"), layer),
                })
        });
        SavedAdapter::of_layers(layers.collect())
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

/// Parts of names that tell diffusers' own form, also with kohya's parts.
const DIFFUSERS: [&str; 3] = [".lora.", ".lora_linear_layer.", ".lora_down."];

impl AdapterForm {
    fn of_names(names: &[String]) -> Self {
        let any = |test: fn(&str) -> bool| names.iter().any(|name| test(name));
        if any(is_kohya) {
            Self::Kohya
        } else if any(|name| name.contains("_lora.")) {
            Self::AttentionProcessors
        } else if any(|name| DIFFUSERS.iter().any(|part| name.contains(part))) {
            Self::Diffusers
        } else {
            Self::Peft
        }
    }
}
