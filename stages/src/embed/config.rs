//! Settings of the stage.

use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stage::{Clip, Embed};
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::nonzero;
use crate::contract::{Content, Dtype, Stage, StageConfig, StageDefaults, StageError};
use crate::items::item_blocks::check_batch_size;
use crate::judges::{ClipFeatures, ClipPreprocessing};
use crate::models::model_source::ModelSource;

/// Computes features of images and prompts in a CLIP: directions of length 1 in the space that both share.
///
/// One of `candidates`, `selection`, `pairs`, `weights`, `latents` and `images` says of what; of pairs, both members have
/// features. Latents are decoded by the model's autoencoder.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbedConfig {
    /// Candidates to embed.
    #[serde(default)]
    pub candidates: Option<Reference>,
    /// A selection of candidates to embed.
    #[serde(default)]
    pub selection: Option<Reference>,
    /// Pairs to embed, both members of each.
    #[serde(default)]
    pub pairs: Option<Reference>,
    /// Weighted candidates to embed.
    #[serde(default)]
    pub weights: Option<Reference>,
    /// Latents of given images to embed.
    #[serde(default)]
    pub latents: Option<Reference>,
    /// Images that are no candidates to embed.
    #[serde(default)]
    pub images: Option<Reference>,
    /// Folder of the CLIP, relative to the pipeline: transformers' `CLIPModel` with its tokenizer.
    #[serde(default)]
    pub judge_model: Option<PathBuf>,
    /// A CLIP that a stage `pretrain_judge` made, in place of `judge_model`.
    #[serde(default)]
    pub judge_model_from: Option<Reference>,
    /// How images are prepared. By default, `open_ai`, as the judge `clip_score` does.
    #[serde(default)]
    pub preprocessing: ClipPreprocessing,
    /// Number format of the CLIP. By default, `f32`.
    #[serde(default)]
    pub dtype: Dtype,
    /// Model directory, relative to the pipeline, whose autoencoder decodes latents. By default, the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Images that go through the network together. By default, 16. It is part of the key, because the last digits depend
    /// on it.
    #[serde(default = "nonzero::<16>")]
    pub batch_size: NonZeroU32,
    /// Images to a shard, which is what a killed process can lose. By default, 256.
    #[serde(default = "nonzero::<256>")]
    pub shard_size: NonZeroU32,
}

/// Settings that contradict each other.
#[derive(Debug, thiserror::Error)]
enum EmbedConfigError {
    #[error(
        "One of the settings `candidates`, `selection`, `pairs`, `weights`, `latents` and `images` says what is \
         embedded, found {0} of them"
    )]
    Inputs(usize),
    #[error(
        "One of the settings `judge_model` and `judge_model_from` says which CLIP embeds, found {found} of them"
    )]
    Clip { found: &'static str },
}

/// A port on which a table may come.
pub(super) struct TablePort<'a> {
    pub(super) name: &'static str,
    pub(super) accepts: &'static [Content],
    pub(super) reference: &'a Reference,
}

/// The ports on which a table may come, of which one is connected.
pub(super) const TABLE_PORTS: [&str; 6] =
    ["candidates", "selection", "pairs", "weights", "latents", "images"];

impl EmbedConfig {
    /// The tables that are referred to.
    pub(super) fn tables(&self) -> Vec<TablePort<'_>> {
        let all: [(&'static [Content], &Option<Reference>); 6] = [
            (&[Content::Candidates], &self.candidates),
            (&[Content::Selection], &self.selection),
            (&[Content::Pairs], &self.pairs),
            (&[Content::Weights], &self.weights),
            (&[Content::Latents], &self.latents),
            (&[Content::Images], &self.images),
        ];
        let named = TABLE_PORTS.into_iter().zip(all);
        named
            .filter_map(|(name, (accepts, reference))| {
                let reference = reference.as_ref()?;
                Some(TablePort {
                    name,
                    accepts,
                    reference,
                })
            })
            .collect()
    }

    fn chosen_clip(&self, defaults: &StageDefaults) -> Result<Clip, EmbedConfigError> {
        match (&self.judge_model, &self.judge_model_from) {
            (Some(folder), None) => Ok(Clip::Folder(ClipFeatures {
                folder: defaults.resolve(folder),
                preprocessing: self.preprocessing,
            })),
            (None, Some(reference)) => Ok(Clip::Stage(reference.clone())),
            (None, None) => Err(EmbedConfigError::Clip { found: "neither" }),
            (Some(_), Some(_)) => Err(EmbedConfigError::Clip { found: "both" }),
        }
    }
}

impl StageConfig for EmbedConfig {
    const KIND: &'static str = "embed";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        check_batch_size(Some(self.batch_size.get() as usize))?;
        let tables = self.tables();
        let port = match tables.as_slice() {
            [only] => only.name,
            others => {
                let found = others.len();
                return Err(StageError::configuration(EmbedConfigError::Inputs(found)));
            }
        };
        let clip = self.chosen_clip(defaults).map_err(StageError::configuration)?;
        // Candidates that come with images need no model.
        let model = ModelSource::choose_if_any(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        Ok(Box::new(Embed {
            config: self,
            port,
            clip,
            model,
        }))
    }
}
