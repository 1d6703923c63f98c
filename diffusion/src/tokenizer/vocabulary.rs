//! Builds a small vocabulary in CLIP's format.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::TokenizerError;

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
const WORD_END: &str = "</w>";

/// A vocabulary in which chosen words are one token each, and any other text is bytes.
///
/// Ids follow CLIP's order: 256 byte symbols, the same at the end of a word, the products of the
/// merges, and last the start and end tokens.
#[derive(Debug, Clone, Default)]
pub struct VocabularyBuilder {
    merges: Vec<(String, String)>,
    start_id: Option<u32>,
    padding: Option<String>,
}

impl VocabularyBuilder {
    /// Builds merges that make each word one token.
    ///
    /// # Errors
    /// When a word is not one run of lower-case ASCII letters: such a text is split before it is
    /// encoded.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, TokenizerError> {
        let mut builder = Self::default();
        for word in words {
            let is_one_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
            if !is_one_word {
                return Err(TokenizerError::Word {
                    word: word.to_owned(),
                });
            }
            builder.add(word);
        }
        Ok(builder)
    }

    /// Gives the start token this id and the end token the next one, instead of the first that are
    /// free: for text encoders that expect them at the end of a larger vocabulary.
    #[must_use]
    pub fn with_start_id(mut self, id: u32) -> Self {
        self.start_id = Some(id);
        self
    }

    /// Fills prompts up with this token, instead of the end token of Stable Diffusion 1.
    #[must_use]
    pub fn with_padding(mut self, token: &str) -> Self {
        self.padding = Some(token.to_owned());
        self
    }

    /// Every token and its id.
    pub fn vocabulary(&self) -> BTreeMap<String, u32> {
        let symbols = byte_symbols();
        let tokens = (symbols.iter().map(|symbol| symbol.to_string()))
            .chain(symbols.iter().map(|symbol| format!("{symbol}{WORD_END}")))
            .chain(self.merges.iter().map(|(left, right)| format!("{left}{right}")));
        let mut vocabulary = BTreeMap::new();
        for token in tokens {
            let id = vocabulary.len() as u32;
            vocabulary.entry(token).or_insert(id);
        }
        let start = self.start_id.unwrap_or(vocabulary.len() as u32);
        vocabulary.extend([(START.to_owned(), start), (END.to_owned(), start + 1)]);
        vocabulary
    }

    /// Writes `vocab.json`, `merges.txt`, `tokenizer_config.json` and `special_tokens_map.json`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path, context_length: usize) -> Result<(), TokenizerError> {
        let vocabulary = self.vocabulary();
        let mut by_id: Vec<_> = vocabulary.iter().collect();
        by_id.sort_by_key(|(_, id)| **id);
        let lines: Vec<String> = by_id
            .into_iter()
            .map(|(token, id)| format!("  {}: {id}", json!(token)))
            .collect();
        let merges: String = self
            .merges
            .iter()
            .map(|(left, right)| format!("{left} {right}\n"))
            .collect();
        let padding = self.padding.as_deref().unwrap_or(END);
        let special = json!({ "bos_token": START, "eos_token": END, "pad_token": padding, "unk_token": END });
        let mut config = special.clone();
        config["tokenizer_class"] = json!("CLIPTokenizer");
        config["model_max_length"] = json!(context_length);
        config["do_lower_case"] = json!(true);
        config["add_prefix_space"] = json!(false);
        config["errors"] = json!("replace");
        std::fs::create_dir_all(folder).map_err(|source| TokenizerError::Write {
            path: folder.to_owned(),
            source,
        })?;
        let files = [
            ("vocab.json", format!("{{\n{}\n}}\n", lines.join(",\n"))),
            ("merges.txt", format!("#version: 0.2\n{merges}")),
            ("tokenizer_config.json", format!("{config:#}\n")),
            ("special_tokens_map.json", format!("{special:#}\n")),
        ];
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|source| TokenizerError::Write { path, source })?;
        }
        Ok(())
    }

    /// Appends merges until the word is one token.
    ///
    /// Later merges never disturb earlier words: while a word is being put together by earlier
    /// merges one of those always applies, and the earliest that applies is taken.
    fn add(&mut self, word: &str) {
        loop {
            let pieces = self.encode(word);
            match pieces.as_slice() {
                [left, right, ..] => self.merges.push((left.clone(), right.clone())),
                _ => return,
            }
        }
    }

    fn encode(&self, word: &str) -> Vec<String> {
        let symbols = byte_symbols_by_byte();
        let mut pieces: Vec<String> = word
            .bytes()
            .map(|byte| symbols[usize::from(byte)].to_string())
            .collect();
        if let Some(last) = pieces.last_mut() {
            last.push_str(WORD_END);
        }
        while let Some((left, right)) = self.merges.iter().find(|(left, right)| {
            pieces
                .windows(2)
                .any(|pair| pair[0] == *left && pair[1] == *right)
        }) {
            let mut merged: Vec<String> = Vec::with_capacity(pieces.len());
            let mut index = 0;
            while index < pieces.len() {
                if pieces[index] == *left && pieces.get(index + 1) == Some(right) {
                    merged.push(format!("{left}{right}"));
                    index += 2;
                } else {
                    merged.push(pieces[index].clone());
                    index += 1;
                }
            }
            pieces = merged;
        }
        pieces
    }
}

/// The visible bytes, which stand for themselves, in GPT-2's order.
fn visible_bytes() -> impl Iterator<Item = u8> {
    (b'!'..=b'~').chain(0xa1..=0xac).chain(0xae..=0xff)
}

/// The symbol of each byte, in the order of their ids: visible ones first, then the others as the
/// characters from U+0100 on.
fn byte_symbols() -> Vec<char> {
    let hidden = 256 - visible_bytes().count() as u32;
    visible_bytes()
        .map(char::from)
        .chain((0..hidden).filter_map(|index| char::from_u32(0x100 + index)))
        .collect()
}

fn byte_symbols_by_byte() -> [char; 256] {
    let mut by_byte = ['\0'; 256];
    let hidden = (0..=u8::MAX).filter(|byte| visible_bytes().all(|visible| visible != *byte));
    for (byte, symbol) in visible_bytes().chain(hidden).zip(byte_symbols()) {
        by_byte[usize::from(byte)] = symbol;
    }
    by_byte
}
