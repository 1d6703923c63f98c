//! Settings of the stage.

use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stage::Stylise;
use super::style::Style;
use super::written_style::{style_schema, written};
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::nonzero;
use crate::contract::{Content, Stage, StageConfig, StageDefaults, StageError};
use crate::items::item_blocks::check_batch_size;
use crate::models::model_source::ModelSource;

/// Gives images another style by a filter, for style alignment: supervised fine-tuning on `latents`, then preference
/// optimisation on `pairs`, and the distance of a tuned model's images to `images`.
///
/// One of `candidates`, `selection`, `latents` and `images` says which images. In `pairs` the styled image is preferred
/// to the image it was made of; its seed index is that of the image plus 2,147,483,648, so that they differ. In `latents`
/// and `images` styled images keep the seed index.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StyliseConfig {
    /// Candidates to style.
    #[serde(default)]
    pub candidates: Option<Reference>,
    /// A selection of candidates to style.
    #[serde(default)]
    pub selection: Option<Reference>,
    /// Latents of given images to style.
    #[serde(default)]
    pub latents: Option<Reference>,
    /// Images that are no candidates to style.
    #[serde(default)]
    pub images: Option<Reference>,
    /// What images become: the name of a style, or a style with its settings.
    #[serde(deserialize_with = "written")]
    #[schemars(schema_with = "style_schema")]
    pub style: Style,
    /// Model directory, relative to the pipeline, whose autoencoder decodes latents and encodes styled images. By default,
    /// the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Images that go through the autoencoder together. By default, 8. It is part of the key, because the last digits
    /// depend on it.
    #[serde(default = "nonzero::<8>")]
    pub batch_size: NonZeroU32,
    /// Images to a shard, which is what a killed process can lose. By default, 256.
    #[serde(default = "nonzero::<256>")]
    pub shard_size: NonZeroU32,
}

/// Settings that contradict each other.
#[derive(Debug, thiserror::Error)]
enum StyliseConfigError {
    #[error(
        "One of the settings `candidates`, `selection`, `latents` and `images` says what is styled, found {0} of them"
    )]
    Inputs(usize),
}

/// The port on which the images come.
pub(super) struct ImagePort {
    pub(super) name: &'static str,
    pub(super) accepts: &'static [Content],
    pub(super) reference: Reference,
}

/// The ports on which images may come, of which one is connected.
pub(super) const IMAGE_PORTS: [&str; 4] = ["candidates", "selection", "latents", "images"];

impl StyliseConfig {
    fn port(&self) -> Result<ImagePort, StyliseConfigError> {
        let all: [(&'static [Content], &Option<Reference>); 4] = [
            (&[Content::Candidates], &self.candidates),
            (&[Content::Selection], &self.selection),
            (&[Content::Latents], &self.latents),
            (&[Content::Images], &self.images),
        ];
        let named = IMAGE_PORTS.into_iter().zip(all);
        let mut found: Vec<ImagePort> = named
            .filter_map(|(name, (accepts, reference))| {
                let reference = reference.clone()?;
                Some(ImagePort {
                    name,
                    accepts,
                    reference,
                })
            })
            .collect();
        match (found.len(), found.pop()) {
            (1, Some(port)) => Ok(port),
            (count, _) => Err(StyliseConfigError::Inputs(count)),
        }
    }
}

impl StageConfig for StyliseConfig {
    const KIND: &'static str = "stylise";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        check_batch_size(Some(self.batch_size.get() as usize))?;
        let port = self.port().map_err(StageError::configuration)?;
        self.style.check().map_err(StageError::configuration)?;
        let model = ModelSource::choose(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        Ok(Box::new(Stylise {
            config: self,
            port,
            model,
        }))
    }
}
