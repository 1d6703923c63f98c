//! Whether a network was made for a vocabulary.

use std::path::Path;

use crate::blip::{BlipTextConfig, WordPieceTokenizer};
use crate::pair_judge::JudgeError;

/// Checks that the network has a row for every token, and a place for each token of a text.
pub(super) fn check_vocabulary(
    path: &Path,
    config: &BlipTextConfig,
    tokenizer: &WordPieceTokenizer,
    longest: usize,
) -> Result<(), JudgeError> {
    let (tokens, places) = (tokenizer.vocabulary_size(), config.max_position_embeddings);
    let reason = if tokens > config.vocab_size {
        format!(
            "`vocab_size` is {}, but `vocab.txt` with `[DEC]` and `[ENC]` has {tokens} tokens",
            config.vocab_size
        )
    } else if places < longest {
        format!("`max_position_embeddings` is {places}, but a text has up to {longest} tokens")
    } else {
        return Ok(());
    };
    Err(JudgeError::Configuration {
        path: path.to_owned(),
        reason,
    })
}
