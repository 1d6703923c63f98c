//! BLIP (Li et al. 2022, arXiv 2201.12086): a vision transformer, and BERTs that attend to what it sees.
//!
//! Fields are named as transformers names them. Files of the original code differ in the vision part alone; judges that
//! read those say how in a table of names.

mod attention;
mod config;
mod decoder;
mod error;
mod original;
mod positions;
mod question_answering;
mod text_batch;
mod text_config;
mod text_layer;
mod text_model;
mod tokenizer;
mod vision_layer;
mod vision_model;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tokenizer_tests;

pub use config::{BlipVisionConfig, BlipVqaConfig};
pub use decoder::BlipTextDecoder;
pub use error::BlipError;
pub use original::{ORIGINAL_HEAD_WIDTH, original_vision_config};
pub use positions::StretchedPositions;
pub use question_answering::BlipForQuestionAnswering;
pub use text_batch::TextBatch;
pub use text_config::BlipTextConfig;
pub use text_model::BlipTextModel;
pub use tokenizer::WordPieceTokenizer;
pub use vision_model::BlipVisionModel;

use mitune_diffusion::nn::weights::NameTable;

/// How transformers' files spell the parameters.
///
/// The decoder's output layer shares its bias, and usually its weight, with another tensor; files hold one or both.
pub const BLIP_NAMES: NameTable<'static> = NameTable {
    rename: &[("attend", "self"), ("layer_norm", "LayerNorm")],
    former: &[("cls.predictions.bias", "cls.predictions.decoder.bias")],
    ignored: &["position_ids", "cls.predictions.decoder.bias"],
};
