//! Whether a network was made for a vocabulary.

use std::path::Path;

use crate::blip::{BlipTextConfig, WordPieceTokenizer};
use crate::pair_judge::JudgeError;

/// Checks that the network has a row for every token, and a place for each token of a text.
///
/// `[DEC]` and `[ENC]` follow after the last line of a vocabulary that lacks them, so a file cut short would give them the
/// rows of other tokens: as many tokens as rows are needed, the 30,522 of BERT and these two for each BLIP there is.
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
    } else if tokens < config.vocab_size {
        return Err(JudgeError::Vocabulary {
            path: path.with_file_name("vocab.txt"),
            found: tokens,
            expected: config.vocab_size,
        });
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
