//! Settings of the stage.

use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choice::{BrokenImages, CropPlace, Flip, LatentDraw, Resize, Ties};
use super::error::EncodeSettingError;
use super::stage::EncodeImages;
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::nonzero;
use crate::contract::{Stage, StageConfig, StageDefaults, StageError};
use crate::ingest::images::ImageSource;
use crate::ingest::images::error::ImagesError;
use crate::ingest::prompts::SampleConfig;
use crate::models::model_source::ModelSource;

/// Encodes given images: into `latents`, with `weights` where their table has them, or into `pairs` where one of two images
/// is preferred.
///
/// Rows are read, cleaned, freed from ties, from broken images and from repeated rows, cut off by `limit` and sampled, in
/// this order.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncodeImagesConfig {
    /// Where the images and their prompts come from.
    pub source: ImageSource,
    /// What becomes of pairs of which no image is preferred. By default, `drop`.
    #[serde(default)]
    pub ties: Ties,
    /// What becomes of images that cannot be used. By default, `refuse`.
    #[serde(default)]
    pub broken: BrokenImages,
    /// Keep the first so many rows of those that count. By default, all.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Keep a random choice of this many rows. By default, all.
    #[serde(default)]
    pub sample: Option<SampleConfig>,
    /// Pixels of each side of the images that are encoded. By default, what the model was trained for.
    #[serde(default)]
    pub size: Option<u32>,
    /// How images get this size. By default, `shorter_side`.
    #[serde(default)]
    pub resize: Resize,
    /// Which part of what is larger is kept. By default, `center`.
    #[serde(default)]
    pub crop: CropPlace,
    /// Whether images are mirrored. By default, `none`.
    #[serde(default)]
    pub flip: Flip,
    /// What stands for the latent of an image. By default, `sample`.
    #[serde(default)]
    pub posterior: LatentDraw,
    /// Seed of crops, flips, draws of latents and of captions. By default, the pipeline's seed.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Yield the pictures as they were encoded as well, as `images`. By default, they are not.
    #[serde(default)]
    pub keep_images: bool,
    /// Model directory, relative to the pipeline, whose autoencoder encodes. By default, the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Images to a shard, which is what a killed process can lose. By default, 64.
    #[serde(default = "nonzero::<64>")]
    pub shard_size: NonZeroU32,
}

impl StageConfig for EncodeImagesConfig {
    const KIND: &'static str = "encode_images";

    fn build(mut self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        if let (Resize::None, Some(size)) = (self.resize, self.size) {
            return Err(StageError::configuration(EncodeSettingError::SizeWithoutResize(
                size,
            )));
        }
        let model = ModelSource::choose(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        let seed = *self.seed.get_or_insert(defaults.seed);
        let source = self
            .source
            .resolved(&defaults.directory, defaults.home.as_deref());
        let source = source.map_err(ImagesError::into_stage_error)?;
        let rows = source.row_kind().map_err(ImagesError::into_stage_error)?;
        Ok(Box::new(EncodeImages {
            config: self,
            model,
            seed,
            source,
            rows,
        }))
    }
}
