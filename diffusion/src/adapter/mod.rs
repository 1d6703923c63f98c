//! Low-rank adapters (LoRA and DoRA) on the linear layers and convolutions of a model: of the
//! denoiser, and for loading also of text encoders.
//!
//! The layers themselves and the low-rank change they may hold are in [`layers`](crate::nn::layers).
//! [`attach`] puts fresh adapters on the layers a config selects, training changes them, and
//! [`SavedAdapter`] carries them between models and files, under the names that PEFT, diffusers
//! and kohya's scripts use.

mod attach;
mod compare;
mod config;
mod contents;
mod error;
mod factor_shapes;
mod foreign;
mod form;
mod kohya_names;
mod layout;
mod mean;
mod merge;
mod names;
mod ordered_json;
mod parts;
mod patterns;
mod place;
mod saved;
mod settings;
mod settings_text;
#[cfg(test)]
mod tests;
mod write;

pub use attach::{attach, detach, merge, multiply_scale};
pub use compare::{AdapterDifference, LayerDifference, compare};
pub use config::{AdapterConfig, AdapterMethod, AdapterTargets};
pub use contents::AdapterContents;
pub use error::AdapterError;
pub use form::AdapterForm;
pub use mean::{mean_of_factors, mean_of_weights};
pub use merge::merge_into_rows;
pub use names::{COMPONENTS, TEXT_ENCODER, UNET};
pub use saved::{SavedAdapter, SavedLayer};
pub use settings_text::SettingsPlace;
pub use write::{encode_kohya, encode_peft, peft_tensors};
