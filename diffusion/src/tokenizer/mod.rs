//! Prompts to token ids, as transformers' `CLIPTokenizer`.

mod added;
#[cfg(test)]
mod added_tests;
mod configuration;
mod error;
mod files;
#[cfg(test)]
mod many_prompts_tests;
mod pipeline;
mod series;
mod spans;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::TokenizerError;
pub use spans::TokenSpans;
pub use vocabulary::VocabularyBuilder;

use configuration::{Side, TokenizerConfiguration};
use files::TokenizerFiles;
use series::Series;

/// Byte-pair encoding of prompts, with the special tokens of the text model.
///
/// Text is brought to NFC, runs of white space become one space, letters become lower case, and
/// what is left is split into words, single digits and runs of punctuation. Special tokens written
/// out in a prompt, such as `<|endoftext|>`, become those tokens, as in transformers.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    pipeline: tokenizers::Tokenizer,
    start: u32,
    end: u32,
    padding: u32,
    context_length: Option<usize>,
    /// Where padding goes, and where what is too long is cut.
    sides: (Side, Side),
    series: Series,
    files: Arc<Vec<(&'static str, Vec<u8>)>>,
}

/// A prompt as the text model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIds {
    /// Start token, the prompt's tokens, end token, padding up to the context length; padding first in the rare
    /// tokenizers that say so.
    pub ids: Vec<u32>,
    /// Number of tokens without the padding, start and end included.
    pub length: usize,
    /// Whether the prompt was too long and tokens of it were cut off.
    pub truncated: bool,
}

impl Tokenizer {
    /// Reads a tokenizer folder: `tokenizer.json`, or `vocab.json` with `merges.txt`; special tokens and those added in
    /// training from `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
    ///
    /// The context length is the folder's `model_max_length`, when it is a real one.
    ///
    /// # Errors
    /// When a file is missing or malformed, a special token is not in the vocabulary, or a token cannot have the id that
    /// it was trained with.
    pub fn from_directory(folder: &Path) -> Result<Self, TokenizerError> {
        let files = TokenizerFiles::read(folder)?;
        let configuration = TokenizerConfiguration::read(&files)?;
        let pipeline = pipeline::read(&files, &configuration)?;
        let id = |role: &'static str, token: &str| {
            pipeline
                .token_to_id(token)
                .ok_or_else(|| TokenizerError::UnknownSpecial {
                    folder: folder.to_owned(),
                    role,
                    token: token.to_owned(),
                })
        };
        let start = id("bos_token", &configuration.start.content)?;
        let end = id("eos_token", &configuration.end.content)?;
        let padding = id("pad_token", &configuration.padding.content)?;
        Ok(Self {
            series: Series::of(&pipeline),
            pipeline,
            start,
            end,
            padding,
            context_length: configuration.model_max_length,
            sides: (configuration.padding_side, configuration.truncation_side),
            files: Arc::new(files.contents),
        })
    }

    /// Writes the files that the tokenizer was read from into a folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), TokenizerError> {
        let write = |path: PathBuf| move |source| TokenizerError::Write { path, source };
        std::fs::create_dir_all(folder).map_err(write(folder.to_owned()))?;
        for (name, contents) in self.files.iter() {
            let path = folder.join(name);
            std::fs::write(&path, contents).map_err(write(path))?;
        }
        Ok(())
    }

    /// Bytes that are equal only for tokenizers that give equal ids.
    ///
    /// # Errors
    /// When the tokenizer cannot be written as JSON.
    pub(crate) fn fingerprint(&self) -> Result<Vec<u8>, TokenizerError> {
        let pipeline = self.pipeline.to_string(false);
        let pipeline = pipeline.map_err(|source| TokenizerError::Identity { source })?;
        let numbers = (self.start, self.end, self.padding, self.context_length);
        let mut text = format!("{numbers:?}{pipeline}");
        // Only where they differ from what they are in every other tokenizer, whose identity this must not change.
        if self.sides != Default::default() || self.pipeline.get_encode_special_tokens() {
            text.push_str(&format!(
                "{:?}{}",
                self.sides,
                self.pipeline.get_encode_special_tokens()
            ));
        }
        Ok(text.into_bytes())
    }

    /// Sets the context length, in tokens, start and end included.
    ///
    /// # Errors
    /// When it leaves no room for the start and end tokens.
    pub fn with_context_length(mut self, tokens: usize) -> Result<Self, TokenizerError> {
        if tokens < 2 {
            return Err(TokenizerError::ContextLength { tokens });
        }
        self.context_length = Some(tokens);
        Ok(self)
    }

    /// The context length in tokens, if the folder or the caller has set one.
    pub fn context_length(&self) -> Option<usize> {
        self.context_length
    }

    /// Number of ids up to the largest, special tokens included; the same as the number of tokens
    /// where no id is left out.
    pub fn vocabulary_size(&self) -> usize {
        let largest = self.pipeline.get_vocab(true).into_values().max();
        largest.map_or(0, |id| id as usize + 1)
    }

    /// The id that fills a prompt up to the context length.
    pub fn padding_id(&self) -> u32 {
        self.padding
    }

    /// The tokens of a prompt alone: no start, no end, no padding, nothing cut off.
    ///
    /// # Errors
    /// When the text cannot be encoded, which a byte-level vocabulary never causes.
    pub fn tokens(&self, prompt: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self
            .pipeline
            .encode_fast(self.series.written_out(prompt, &self.pipeline).as_ref(), false)
            .map_err(|source| TokenizerError::Encode { source })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Encodes a prompt to exactly the context length, or to its own length when there is none.
    ///
    /// # Errors
    /// As [`Self::tokens`].
    pub fn encode(&self, prompt: &str) -> Result<TokenIds, TokenizerError> {
        let tokens = self.tokens(prompt)?;
        let context_length = self.context_length.unwrap_or(tokens.len() + 2);
        let kept = tokens.len().min(context_length - 2);
        let (padding, truncation) = self.sides;
        let first = match truncation {
            Side::Left => tokens.len() - kept,
            Side::Right => 0,
        };
        let mut ids = Vec::with_capacity(context_length);
        ids.push(self.start);
        ids.extend_from_slice(&tokens[first..first + kept]);
        ids.push(self.end);
        let length = ids.len();
        ids.resize(context_length, self.padding);
        if padding == Side::Left {
            ids.rotate_right(context_length - length);
        }
        Ok(TokenIds {
            ids,
            length,
            truncated: kept < tokens.len(),
        })
    }
}
