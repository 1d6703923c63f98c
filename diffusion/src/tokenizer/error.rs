//! What can be wrong with a tokenizer folder.

use std::fmt;
use std::path::PathBuf;

use crate::input_file::InputFileError;

/// A failure to read, build or use a tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] InputFileError),
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
    /// A token has no id.
    #[error("`{}` gives `{token}` the id `{found}`, expected a whole number from 0", path.display())]
    Id {
        /// The file.
        path: PathBuf,
        /// The token.
        token: String,
        /// What stands in place of its id, as JSON.
        found: String,
    },
    /// A setting is not supported.
    #[error("`{}` says `{key}` is `{found}`, expected {expected}", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The setting.
        key: String,
        /// Its value, as JSON.
        found: String,
        /// What is supported.
        expected: &'static str,
    },
    /// Two tokens have one id.
    #[error("Tokenizer `{}` gives `{token}` the id {id}, which is that of `{other}`", folder.display())]
    TakenId {
        /// The folder.
        folder: PathBuf,
        /// The token that was added.
        token: String,
        /// Its id.
        id: u32,
        /// The token of the vocabulary that has it.
        other: String,
    },
    /// A token has not the id it was trained with.
    #[error("Tokenizer `{}` declares `{token}` as {declared}, but it is {}", folder.display(), OrNone(found))]
    OtherId {
        /// The folder.
        folder: PathBuf,
        /// The token.
        token: String,
        /// The id that was declared.
        declared: u32,
        /// The id in the vocabulary.
        found: Option<u32>,
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
    #[error("Vocabulary and merges of `{}` do not fit: {reason}", folder.display())]
    Pipeline {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        reason: String,
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
    /// What identifies a tokenizer could not be written down.
    #[error("Cannot write the tokenizer as JSON")]
    Identity {
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

impl TokenizerError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            _ => None,
        }
    }
}

struct OrNone<'a>(&'a Option<u32>);

impl fmt::Display for OrNone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "{id}"),
            None => f.write_str("none"),
        }
    }
}
