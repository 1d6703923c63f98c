//! The chain of normalization, splitting and byte-pair encoding.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::TokenizerError;
use super::added::AddedToken;
use super::configuration::TokenizerConfiguration;
use super::files::TokenizerFiles;

/// CLIP's words: special tokens, English contractions, runs of letters, single digits, runs of
/// anything else that is not white space.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// Reads a folder's own pipeline, or builds CLIP's around its vocabulary and merges.
///
/// Either way the tokens that its other files declare are part of it, under the ids they were given there.
pub(super) fn read(
    files: &TokenizerFiles,
    configuration: &TokenizerConfiguration,
) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let description = if let Some(whole) = files.object("tokenizer.json")? {
        complete(files, whole, configuration)?
    } else if let (Some(vocabulary), Some(merges)) = (files.ids("vocab.json")?, files.merges()?) {
        let vocabulary = with_declared(files, vocabulary, configuration)?;
        describe(&vocabulary, &merges, configuration)
    } else {
        return Err(TokenizerError::NoVocabulary {
            folder: files.folder().to_owned(),
        });
    };
    let mut pipeline = build(description).map_err(|source| TokenizerError::Pipeline {
        folder: files.folder().to_owned(),
        reason: reason(&source),
    })?;
    // A saved pipeline may cut and fill on its own; that is done here, where it is reported.
    pipeline.with_padding(None);
    if let Err(source) = pipeline.with_truncation(None) {
        return Err(TokenizerError::Encode { source });
    }
    pipeline.set_encode_special_tokens(configuration.split_special_tokens);
    check_ids(files, &pipeline, configuration)?;
    Ok(pipeline)
}

/// Gives declared tokens their ids: the library would number them on after the vocabulary, which is not what a model
/// was trained with where ids were left out.
fn with_declared(
    files: &TokenizerFiles,
    mut vocabulary: BTreeMap<String, u32>,
    configuration: &TokenizerConfiguration,
) -> Result<BTreeMap<String, u32>, TokenizerError> {
    let taken: BTreeMap<u32, String> = vocabulary
        .iter()
        .map(|(token, id)| (*id, token.clone()))
        .collect();
    for (id, token) in &configuration.declared {
        if vocabulary.contains_key(&token.content) {
            continue;
        }
        if let Some(other) = taken.get(id) {
            return Err(TokenizerError::TakenId {
                folder: files.folder().to_owned(),
                token: token.content.clone(),
                id: *id,
                other: other.clone(),
            });
        }
        vocabulary.insert(token.content.clone(), *id);
    }
    Ok(vocabulary)
}

/// Adds to a folder's own pipeline what its other files declare.
fn complete(
    files: &TokenizerFiles,
    mut whole: Map<String, Value>,
    configuration: &TokenizerConfiguration,
) -> Result<Value, TokenizerError> {
    let list = whole.get("added_tokens").and_then(Value::as_array).cloned();
    let mut added = list.unwrap_or_default();
    let is_known = |added: &[Value], content: &str| added.iter().any(|token| token["content"] == content);
    for token in configuration.tokens() {
        let vocabulary = whole.get_mut("model").and_then(|model| model.get_mut("vocab"));
        let Some(vocabulary) = vocabulary.and_then(Value::as_object_mut) else {
            break;
        };
        if is_known(&added, &token.content) {
            continue;
        }
        let own = vocabulary.get(&token.content).and_then(Value::as_u64);
        let id = match (own, configuration.declared_id(&token.content)) {
            (Some(own), _) => u32::try_from(own).ok(),
            (None, Some(id)) => {
                let other = vocabulary.iter().find(|(_, taken)| **taken == json!(id));
                if let Some((other, _)) = other {
                    return Err(TokenizerError::TakenId {
                        folder: files.folder().to_owned(),
                        token: token.content.clone(),
                        id,
                        other: other.clone(),
                    });
                }
                vocabulary.insert(token.content.clone(), json!(id));
                Some(id)
            }
            (None, None) => None,
        };
        added.extend(id.map(|id| added_token(token, id)));
    }
    whole.insert("added_tokens".to_owned(), Value::Array(added));
    Ok(Value::Object(whole))
}

/// Checks that every declared token has the id it was given: that is the row of the encoder it was trained in.
fn check_ids(
    files: &TokenizerFiles,
    pipeline: &tokenizers::Tokenizer,
    configuration: &TokenizerConfiguration,
) -> Result<(), TokenizerError> {
    for (id, token) in &configuration.declared {
        match pipeline.token_to_id(&token.content) {
            Some(found) if found == *id => {}
            found => {
                return Err(TokenizerError::OtherId {
                    folder: files.folder().to_owned(),
                    token: token.content.clone(),
                    declared: *id,
                    found,
                });
            }
        }
    }
    Ok(())
}

/// What the library says of a description, unless it only says that none of its own kinds fits.
fn reason(source: &serde_json::Error) -> String {
    let text = source.to_string();
    match text.contains("untagged enum") || text.contains("struct ") || text.contains("expected enum") {
        true => "a part of `tokenizer.json` is of a kind that is not known".to_owned(),
        false => text,
    }
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
        .tokens()
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

fn added_token(token: &AddedToken, id: u32) -> Value {
    json!({
        "id": id,
        "content": token.content,
        "single_word": token.single_word,
        "lstrip": token.lstrip,
        "rstrip": token.rstrip,
        "normalized": token.normalized,
        "special": token.special,
    })
}
