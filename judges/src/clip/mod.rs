//! CLIP: a vision model and a text model whose embeddings of an image and its caption point in one direction.
//!
//! The networks are transformers' `CLIPModel` (Learning Transferable Visual Models From Natural Language Supervision,
//! arXiv 2103.00020); files of open_clip come in through [`open_clip`], which renames. What is made of the embeddings
//! is said in [`clip_judges`](crate::clip_judges).

mod config;
mod encoder_layer;
mod error;
mod layout;
mod model;
pub mod open_clip;
#[cfg(test)]
mod random_tests;
mod renamed_tensors;
#[cfg(test)]
pub(crate) mod seeded;
mod vision_config;
mod vision_model;

pub use config::ClipConfig;
pub use error::ClipError;
pub use layout::clip_tensors;
pub use model::{ClipModel, ClipTextEncoder};
pub use vision_config::ClipVisionConfig;
pub use vision_model::ClipVisionModel;
