//! Judges on CLIP: how well an image fits its prompt, and how it pleases.
//!
//! Each is a CLIP, rules for pictures and prompts, and a formula; where references disagree, the default is what the
//! papers' code does and the other a setting.

mod aesthetic;
mod affine_layers;
mod clip_score;
mod execution;
mod files;
#[cfg(test)]
mod golden_tests;
mod hps;
mod image_embeddings;
mod pair_cosines;
mod pair_embeddings;
mod pick_score;
mod prompt_cleaning;
mod prompt_embeddings;
mod prompt_tokens;

pub use aesthetic::{AestheticV1, AestheticV2};
pub use clip_score::{ClipScore, ClipScoreForm};
pub use execution::Execution;
pub use files::{ClipFiles, HpsFiles, HpsVersion, aesthetic_head};
pub use hps::Hps;
pub use image_embeddings::ImageEmbeddings;
pub use pair_cosines::PairCosines;
pub use pair_embeddings::{EmbeddedPair, PairEmbeddings};
pub use pick_score::PickScore;
pub use prompt_cleaning::cleaned;
pub use prompt_embeddings::PromptEmbeddings;
pub use prompt_tokens::{OverLong, PromptRules, PromptTokens};

pub use crate::pair_judge::{JudgeError, PairJudge};
