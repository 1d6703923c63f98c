//! A tokenizer that can be made without CLIP's vocabulary.

use std::path::Path;

use super::super::ModelError;
use crate::tokenizer::VocabularyBuilder;

/// Tokens of a tiny model: bytes, bytes at the end of a word, start and end.
pub(super) const TINY_VOCABULARY: usize = 514;

/// Tokens of CLIP.
const CLIP_VOCABULARY: usize = 49_408;

/// Tokens of a prompt.
const CONTEXT_LENGTH: usize = 77;

/// Writes a vocabulary of bytes whose start and end token have CLIP's ids where the text encoder
/// has CLIP's vocabulary, so that every id it gives is one that the text encoder knows.
pub(super) fn write(folder: &Path, vocabulary: usize, padding: &str) -> Result<(), ModelError> {
    let mut bytes = VocabularyBuilder::default().with_padding(padding);
    if vocabulary == CLIP_VOCABULARY {
        bytes = bytes.with_start_id(CLIP_VOCABULARY as u32 - 2);
    }
    bytes
        .write(folder, CONTEXT_LENGTH)
        .map_err(|source| ModelError::Tokenizer { source })
}
