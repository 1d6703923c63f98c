//! The text encoder of Stable Diffusion, as transformers' `CLIPTextModel`.

mod attention;
mod config;
mod layer;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
mod text_model;

pub use config::{ClipTextConfig, ClipTextConfigError, HiddenActivation};
pub use text_model::{ClipTextModel, TextOutput};

use crate::nn::weights::NameTable;

/// How a text model's parameters are named in files.
///
/// transformers before version 5 puts `text_model.` before every name but the projection's, and
/// every published model has it; version 5 leaves it out when it writes a model without
/// projection, and reads both.
pub const TEXT_MODEL_NAMES: NameTable<'static> = NameTable {
    rename: &[],
    former: &[("text_model", "")],
    ignored: &["position_ids"],
};
