//! Tokens beside the vocabulary: special ones, and those that were added in training.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::TokenizerError;
use super::files::TokenizerFiles;

/// A token that is found in a text before it is split, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AddedToken {
    pub(super) content: String,
    /// Whether it is only found where no letters or digits touch it.
    pub(super) single_word: bool,
    /// Whether it takes the white space before it.
    pub(super) lstrip: bool,
    /// Whether it takes the white space after it.
    pub(super) rstrip: bool,
    /// Whether it is found in the normalised text, in lower case, rather than in the text as written.
    pub(super) normalized: bool,
    pub(super) special: bool,
}

impl AddedToken {
    /// A special token written as its text alone.
    pub(super) fn plain(content: &str) -> Self {
        Self {
            content: content.to_owned(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
        }
    }

    /// A token written as an object with its flags, or as its text.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let content = match value {
            Value::String(content) => return Some(Self::plain(content)),
            object => object.get("content")?.as_str()?,
        };
        let flag = |name: &str| value.get(name).and_then(Value::as_bool);
        let special = flag("special").unwrap_or(false);
        Some(Self {
            content: content.to_owned(),
            single_word: flag("single_word").unwrap_or(false),
            lstrip: flag("lstrip").unwrap_or(false),
            rstrip: flag("rstrip").unwrap_or(false),
            normalized: flag("normalized").unwrap_or(!special),
            special,
        })
    }
}

/// Declared tokens by their ids, in the first of the places where transformers looks: `added_tokens_decoder` of
/// `tokenizer_config.json`, else `added_tokens.json`.
///
/// # Errors
/// When a declaration is no token with an id.
pub(super) fn declared(
    files: &TokenizerFiles,
    config: &Map<String, Value>,
    is_special: impl Fn(&str) -> bool,
) -> Result<BTreeMap<u32, AddedToken>, TokenizerError> {
    let name = "tokenizer_config.json";
    if let Some(decoder) = config
        .get("added_tokens_decoder")
        .filter(|decoder| !decoder.is_null())
    {
        let wrong = |token: &str, found: &Value| TokenizerError::Id {
            path: files.path(name),
            token: token.to_owned(),
            found: found.to_string(),
        };
        let tokens = decoder
            .as_object()
            .ok_or_else(|| wrong("added_tokens_decoder", decoder))?;
        let token = |(id, value): (&String, &Value)| {
            let token = AddedToken::of(value).filter(|_| value.is_object());
            let (id, mut token) = id.parse().ok().zip(token).ok_or_else(|| wrong(id, value))?;
            token.special |= is_special(&token.content);
            Ok((id, token))
        };
        return tokens.iter().map(token).collect();
    }
    let ids = files.ids("added_tokens.json")?.unwrap_or_default();
    let token = |(content, id): (String, u32)| {
        let special = is_special(&content);
        let token = AddedToken {
            special,
            normalized: !special,
            ..AddedToken::plain(&content)
        };
        (id, token)
    };
    Ok(ids.into_iter().map(token).collect())
}
