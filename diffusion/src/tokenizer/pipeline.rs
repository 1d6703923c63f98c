//! The chain of normalization, splitting and byte-pair encoding.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::TokenizerError;
use super::configuration::{SpecialToken, TokenizerConfiguration};

/// CLIP's words: special tokens, English contractions, runs of letters, single digits, runs of
/// anything else that is not white space.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// Reads a folder's own pipeline, or builds CLIP's around its vocabulary and merges.
pub(super) fn read(
    folder: &Path,
    configuration: &TokenizerConfiguration,
) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let whole = folder.join("tokenizer.json");
    let (vocabulary, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
    let description = if whole.exists() {
        parse(&whole)?
    } else if vocabulary.exists() && merges.exists() {
        let vocabulary: BTreeMap<String, u32> = parse(&vocabulary)?;
        describe(&vocabulary, &read_merges(&merges)?, configuration)
    } else {
        return Err(TokenizerError::NoVocabulary {
            folder: folder.to_owned(),
        });
    };
    let mut pipeline = build(description).map_err(|source| TokenizerError::Pipeline {
        folder: folder.to_owned(),
        source,
    })?;
    // A saved pipeline may cut and fill on its own; that is done here, where it is reported.
    pipeline.with_padding(None);
    if let Err(source) = pipeline.with_truncation(None) {
        return Err(TokenizerError::Encode { source });
    }
    Ok(pipeline)
}

/// Builds a pipeline from its description in the form of a `tokenizer.json`.
pub(super) fn build(description: Value) -> Result<tokenizers::Tokenizer, serde_json::Error> {
    serde_json::from_value(description)
}

/// Describes CLIP's pipeline in the form of a `tokenizer.json`.
pub(super) fn describe(
    vocabulary: &BTreeMap<String, u32>,
    merges: &[(String, String)],
    configuration: &TokenizerConfiguration,
) -> Value {
    let added: Vec<Value> = configuration
        .specials()
        .into_iter()
        .filter_map(|token| vocabulary.get(&token.content).map(|id| added_token(token, *id)))
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "NFC" },
            { "type": "Replace", "pattern": { "Regex": r"\s+" }, "content": " " },
            { "type": "Lowercase" },
        ] },
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
            { "type": "Split", "pattern": { "Regex": WORDS }, "behavior": "Removed", "invert": true },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        ] },
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": configuration.unknown.content,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>",
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocabulary,
            "merges": merges,
        },
    })
}

fn added_token(token: &SpecialToken, id: u32) -> Value {
    json!({
        "id": id,
        "content": token.content,
        "single_word": token.single_word,
        "lstrip": token.lstrip,
        "rstrip": token.rstrip,
        "normalized": token.normalized,
        "special": true,
    })
}

fn read_merges(path: &Path) -> Result<Vec<(String, String)>, TokenizerError> {
    let text = std::fs::read_to_string(path).map_err(|source| TokenizerError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut merges = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("#version") || line.is_empty() {
            continue;
        }
        match line
            .split_once(' ')
            .filter(|(_, right)| !right.is_empty() && !right.contains(' '))
        {
            Some((left, right)) => merges.push((left.to_owned(), right.to_owned())),
            None => {
                return Err(TokenizerError::Merge {
                    path: path.to_owned(),
                    line: index + 1,
                    text: line.to_owned(),
                });
            }
        }
    }
    Ok(merges)
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, TokenizerError> {
    let text = std::fs::read(path).map_err(|source| TokenizerError::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| TokenizerError::Json {
        path: path.to_owned(),
        source,
    })
}
