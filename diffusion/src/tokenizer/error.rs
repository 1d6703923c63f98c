//! What can be wrong with a tokenizer folder.

use std::path::PathBuf;

/// A failure to read, build or use a tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file could not be read.
    #[error("Cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("Cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The folder holds no vocabulary.
    #[error("Neither `tokenizer.json` nor `vocab.json` with `merges.txt` in `{}`", folder.display())]
    NoVocabulary {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is not the JSON it should be.
    #[error("Malformed `{}`", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// A line of `merges.txt` is not a pair of symbols.
    #[error("Line {line} of `{}` is `{text}`, expected two symbols", path.display())]
    Merge {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// Vocabulary and merges do not make a tokenizer.
    #[error("Vocabulary and merges of `{}` do not fit", folder.display())]
    Pipeline {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// A special token is not in the vocabulary.
    #[error("`{role}` is `{token}`, which is not in the vocabulary of `{}`", folder.display())]
    UnknownSpecial {
        /// The folder.
        folder: PathBuf,
        /// The special token's role, such as `pad_token`.
        role: &'static str,
        /// The token.
        token: String,
    },
    /// A context length leaves no room for the start and end tokens.
    #[error("Context length is {tokens}, expected at least 2")]
    ContextLength {
        /// The context length asked for.
        tokens: usize,
    },
    /// A text could not be encoded.
    #[error("Cannot encode the prompt")]
    Encode {
        /// The encoder's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A word of a vocabulary cannot be one token.
    #[error("Word `{word}` is not one run of lower-case ASCII letters, so it cannot be one token")]
    Word {
        /// The word.
        word: String,
    },
}
