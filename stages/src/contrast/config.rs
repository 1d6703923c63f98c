//! Settings of the stage.

use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::reference::Reference;
use crate::contract::setting_defaults::nonzero;
use crate::tables::contrasts::ContrastKind;

/// Sets a mismatched image or prompt beside each image and its prompt: the data of HN-ITM.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContrastConfig {
    /// The images with their prompts: a selection, or latents of given images.
    pub selection: Reference,
    /// Features of these images, by which a mismatched image is drawn from the nearest ones. By default, any image of
    /// another prompt may be drawn.
    #[serde(default)]
    pub features: Option<Reference>,
    /// How often the image or the prompt is mismatched, and by what. By default, as the reference code of HN-ITM mixes
    /// them: half images, a quarter hard texts, a quarter random texts.
    #[serde(default)]
    pub negatives: NegativeShares,
    /// How many of the nearest images of other prompts a mismatched image is drawn from, where there are `features`. By
    /// default, 10.
    #[serde(default = "nonzero::<10>")]
    pub nearest: NonZeroU32,
    /// Contrasts that are made of each image. By default, 1.
    #[serde(default = "nonzero::<1>")]
    pub per_example: NonZeroU32,
    /// A file of hard texts, relative to the pipeline: a table (`.tsv`, else CSV) or one JSON object on each line
    /// (`.jsonl`, `.ndjson`, `.json`), with the columns `caption` (or `title`) and `neg_caption`, a text or a list of
    /// them, as NegCLIP's have. By default, hard texts are made of the prompts themselves.
    #[serde(default)]
    pub captions: Option<PathBuf>,
    /// Seed of all that is drawn. By default, the pipeline's seed.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// How often each kind of mismatch is drawn; the numbers are divided by their sum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NegativeShares {
    /// An image of another prompt. By default, 0 where another kind is given.
    #[serde(default)]
    pub image: f64,
    /// The prompt with words exchanged, so that it says something else; where that cannot be done, a random text. By
    /// default, 0 where another kind is given.
    #[serde(default)]
    pub hard_text: f64,
    /// Another prompt. By default, 0 where another kind is given.
    #[serde(default)]
    pub random_text: f64,
}

impl Default for NegativeShares {
    fn default() -> Self {
        Self {
            image: 0.5,
            hard_text: 0.25,
            random_text: 0.25,
        }
    }
}

impl NegativeShares {
    /// The kind that a number from 0 to below 1 stands for.
    pub(super) fn kind(&self, unit: f64) -> ContrastKind {
        let shares = self.all();
        let mut left = unit * shares.iter().map(|(_, share)| share).sum::<f64>();
        let mut last = ContrastKind::RandomText;
        for (kind, share) in shares.into_iter().filter(|(_, share)| *share > 0.0) {
            if left < share {
                return kind;
            }
            left -= share;
            last = kind;
        }
        // Rounding may leave a little.
        last
    }

    fn all(&self) -> [(ContrastKind, f64); 3] {
        [
            (ContrastKind::Image, self.image),
            (ContrastKind::HardText, self.hard_text),
            (ContrastKind::RandomText, self.random_text),
        ]
    }
}

/// Why there are no contrasts.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContrastError {
    #[error("Setting `negatives.{kind}` is `{found}`, expected a number from 0 to 1")]
    Share { kind: &'static str, found: f64 },
    #[error("Setting `negatives` has no kind with a share above 0")]
    NoKind,
    #[error(
        "{images} images with {each} contrasts each are {contrasts} contrasts, more than {MOST_CONTRASTS}; lower \
         `per_example`"
    )]
    TooMany { images: u64, each: u32, contrasts: u64 },
    #[error("No contrasts: {0} has no rows")]
    Empty(String),
    #[error("Nothing contrasts with prompt `{prompt_id}`: {selection} has no other prompt")]
    NoOther { prompt_id: String, selection: String },
    #[error("Image `{seed_index}` of prompt `{prompt_id}` is not in {features}")]
    NoFeatures {
        prompt_id: String,
        seed_index: u32,
        features: String,
    },
    #[error(
        "{features} is about the candidates of stage `{found}`, but {selection} has those of stage `{expected}`; make \
         both of the same"
    )]
    Unrelated {
        features: String,
        found: String,
        selection: String,
        expected: String,
    },
}

/// Most contrasts of a table, each with its text: their list alone takes gigabytes.
const MOST_CONTRASTS: u64 = 50_000_000;

impl ContrastConfig {
    /// Checks that the contrasts of so many images can be listed.
    pub(super) fn check_count(&self, images: u64) -> Result<(), ContrastError> {
        let each = self.per_example.get();
        match images.saturating_mul(u64::from(each)) {
            contrasts if contrasts > MOST_CONTRASTS => Err(ContrastError::TooMany {
                images,
                each,
                contrasts,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn check(&self) -> Result<(), ContrastError> {
        let shares = self.negatives.all();
        if let Some((kind, found)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            let kind = kind.name();
            return Err(ContrastError::Share { kind, found });
        }
        match shares.iter().any(|(_, share)| *share > 0.0) {
            true => Ok(()),
            false => Err(ContrastError::NoKind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_drawn_by_their_shares() {
        let kinds = |shares: NegativeShares| [0.0, 0.4, 0.6, 0.9999].map(|unit| shares.kind(unit).name());
        let mixed = ["image", "image", "hard_text", "random_text"];
        assert_eq!(kinds(NegativeShares::default()), mixed);
        let only = NegativeShares {
            image: 0.0,
            hard_text: 0.3,
            random_text: 0.0,
        };
        assert_eq!(kinds(only), ["hard_text"; 4]);
        let two = NegativeShares {
            image: 0.2,
            hard_text: 0.0,
            random_text: 0.2,
        };
        assert_eq!(kinds(two), ["image", "image", "random_text", "random_text"]);
    }
}
