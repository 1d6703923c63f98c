//! Which images and captions a model of the shapes world is trained on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::StageError;
use crate::shapes::data::ShapesData;
use crate::shapes::mixture::CaptionMixture;
use crate::shapes::split::Split;

/// The training data, drawn from a seed while training; nothing is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShapesDataConfig {
    /// Seed of images and captions. By default, 1.
    pub seed: u64,
    /// Seed of the split of the 360 prompts. By default, 1.
    pub split_seed: u64,
    /// Groups of 4 prompts (2 objects in both orders and colourings) held back for tests, of 90. By default, 22.
    pub test_groups: usize,
    /// How often captions fail, and in which way.
    pub captions: CaptionMixture,
}

impl Default for ShapesDataConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            split_seed: 1,
            test_groups: 22,
            captions: CaptionMixture::default(),
        }
    }
}

impl ShapesDataConfig {
    /// Opens the data of the training prompts.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the split or the mixture is refused.
    pub fn open(&self) -> Result<ShapesData, StageError> {
        let split = Split::draw(self.split_seed, self.test_groups).map_err(StageError::configuration)?;
        ShapesData::new(self.seed, split.train, self.captions).map_err(StageError::configuration)
    }
}
