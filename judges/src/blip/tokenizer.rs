//! Texts to token ids, as transformers' `BertTokenizer` with BLIP's two tokens more.

use std::collections::BTreeMap;
use std::path::Path;

use mitune_diffusion::input_file::{LONGEST_LIST, read_file, text_of};
use mitune_diffusion::tokenizer::TokenizerError;
use serde_json::{Value, json};

/// WordPiece (Wu et al. 2016, arXiv 1609.08144) on words that BERT's rules make: lower case without accents, split at
/// white space, at punctuation and around every Chinese character.
#[derive(Debug, Clone)]
pub struct WordPieceTokenizer {
    pipeline: tokenizers::Tokenizer,
    ids: SpecialIds,
    size: usize,
}

/// Ids of the tokens that are set by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SpecialIds {
    start: u32,
    end: u32,
    padding: u32,
    decoder: u32,
    encoder: u32,
}

/// The file in a folder.
const FILE: &str = "vocab.txt";

/// Tokens that are read as such where they are written out; the others of BERT may lack.
const SPECIAL: [&str; 7] = [UNKNOWN, "[SEP]", "[PAD]", "[CLS]", "[MASK]", DECODER, ENCODER];
const UNKNOWN: &str = "[UNK]";
const DECODER: &str = "[DEC]";
const ENCODER: &str = "[ENC]";

impl WordPieceTokenizer {
    /// Reads `vocab.txt` in a folder, a token per line; `[DEC]` and `[ENC]` follow after its last where it lacks them.
    ///
    /// # Errors
    /// When the file cannot be read, or lacks one of the tokens that every text needs.
    pub fn from_directory(folder: &Path) -> Result<Self, TokenizerError> {
        let path = folder.join(FILE);
        let bytes = read_file(&path, LONGEST_LIST)?;
        let text = text_of(&path, &bytes, "a vocabulary with a token per line")?;
        Self::from_vocabulary(folder, text)
    }

    fn from_vocabulary(folder: &Path, text: &str) -> Result<Self, TokenizerError> {
        let mut vocabulary: BTreeMap<&str, usize> = BTreeMap::new();
        let mut size = 0;
        for line in text.lines() {
            vocabulary.insert(line.trim_end(), size);
            size += 1;
        }
        for token in [DECODER, ENCODER] {
            if !vocabulary.contains_key(token) {
                vocabulary.insert(token, size);
                size += 1;
            }
        }
        let pipeline = build(&vocabulary).map_err(|source| TokenizerError::Pipeline {
            folder: folder.to_owned(),
            reason: source.to_string(),
        })?;
        let id = |role: &'static str, token: &str| {
            pipeline
                .token_to_id(token)
                .ok_or_else(|| TokenizerError::UnknownSpecial {
                    folder: folder.to_owned(),
                    role,
                    token: token.to_owned(),
                })
        };
        id("unk_token", UNKNOWN)?;
        let ids = SpecialIds {
            start: id("cls_token", "[CLS]")?,
            end: id("sep_token", "[SEP]")?,
            padding: id("pad_token", "[PAD]")?,
            decoder: id("bos_token", DECODER)?,
            encoder: id("additional_special_tokens", ENCODER)?,
        };
        Ok(Self { pipeline, ids, size })
    }

    /// Encodes a text, `[CLS]` before it and `[SEP]` after it, cut off to at most `longest` tokens with these.
    ///
    /// # Errors
    /// When the text cannot be encoded.
    pub fn encode(&self, text: &str, longest: usize) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self
            .pipeline
            .encode_fast(text, false)
            .map_err(|source| TokenizerError::Encode { source })?;
        let tokens = encoding.get_ids();
        let kept = tokens.len().min(longest.saturating_sub(2));
        let mut ids = Vec::with_capacity(kept + 2);
        ids.push(self.ids.start);
        ids.extend_from_slice(&tokens[..kept]);
        ids.push(self.ids.end);
        Ok(ids)
    }

    /// The id of a token of the vocabulary.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.pipeline.token_to_id(token)
    }

    /// The id that fills a text up.
    pub fn padding_id(&self) -> u32 {
        self.ids.padding
    }

    /// The id of `[DEC]`, which an answer begins with.
    pub fn decoder_id(&self) -> u32 {
        self.ids.decoder
    }

    /// The id of `[ENC]`, which a text that is read beside an image may begin with.
    pub fn encoder_id(&self) -> u32 {
        self.ids.encoder
    }

    /// Number of ids, those of `[DEC]` and `[ENC]` included.
    pub fn vocabulary_size(&self) -> usize {
        self.size
    }
}

/// Builds the pipeline from its description in the form of a `tokenizer.json`.
fn build(vocabulary: &BTreeMap<&str, usize>) -> Result<tokenizers::Tokenizer, serde_json::Error> {
    let added = |token: &&str| {
        vocabulary.get(*token).map(|id| {
            json!({
                "id": id,
                "content": token,
                "single_word": false,
                "lstrip": false,
                "rstrip": false,
                "normalized": false,
                "special": true,
            })
        })
    };
    let mut added: Vec<Value> = SPECIAL.iter().filter_map(added).collect();
    added.sort_by_key(|token| token["id"].as_u64());
    serde_json::from_value(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": true,
            "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": null,
        "decoder": null,
        "model": {
            "type": "WordPiece",
            "unk_token": UNKNOWN,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }))
}
