//! Low-rank adapters (LoRA and DoRA) on the linear layers of a model.
//!
//! [`attach`] puts fresh adapters on the layers a config selects, training changes them, and
//! [`SavedAdapter`] carries them between models and files under the names PEFT and diffusers use.

mod attach;
mod config;
mod error;
mod file;
mod kohya;
mod layout;
mod low_rank;
mod parts;
mod saved;
mod settings;
#[cfg(test)]
mod tests;

pub use attach::{AdaptTarget, attach, detach, merge, multiply_scale};
pub use config::{AdapterConfig, AdapterMethod, AdapterTargets};
pub use error::AdapterError;
pub use low_rank::LowRankAdapter;
pub use saved::{SavedAdapter, SavedLayer};
