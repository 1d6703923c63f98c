//! Special tokens and the context length, from a folder's configuration files.

use std::path::Path;

use serde_json::Value;

use super::TokenizerError;

/// What `tokenizer_config.json` and `special_tokens_map.json` say.
pub(super) struct TokenizerConfiguration {
    pub(super) start: SpecialToken,
    pub(super) end: SpecialToken,
    pub(super) padding: SpecialToken,
    pub(super) unknown: SpecialToken,
    pub(super) model_max_length: Option<usize>,
}

/// A special token and how it is found in a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpecialToken {
    pub(super) content: String,
    pub(super) single_word: bool,
    pub(super) lstrip: bool,
    pub(super) rstrip: bool,
    pub(super) normalized: bool,
}

/// transformers writes "no limit" as 1e30; a context that long is no limit.
const NO_LIMIT: f64 = 1e9;

impl TokenizerConfiguration {
    /// Reads both files; either may be missing, and then transformers' defaults hold.
    pub(super) fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let config = read_optional(&folder.join("tokenizer_config.json"))?;
        let map = read_optional(&folder.join("special_tokens_map.json"))?;
        let special = |role: &str, default: &str| {
            let value = config
                .get(role)
                .filter(|value| !value.is_null())
                .or_else(|| map.get(role));
            special_token(value, default, config.get("added_tokens_decoder"))
        };
        let model_max_length = config
            .get("model_max_length")
            .and_then(Value::as_f64)
            .filter(|length| (2.0..NO_LIMIT).contains(length))
            .map(|length| length as usize);
        Ok(Self {
            start: special("bos_token", "<|startoftext|>"),
            end: special("eos_token", "<|endoftext|>"),
            padding: special("pad_token", "<|endoftext|>"),
            unknown: special("unk_token", "<|endoftext|>"),
            model_max_length,
        })
    }

    /// Every special token once. Where two roles share a text, the later role's flags hold, as in
    /// transformers.
    pub(super) fn specials(&self) -> Vec<&SpecialToken> {
        let mut specials: Vec<&SpecialToken> = Vec::new();
        for token in [&self.start, &self.end, &self.unknown, &self.padding] {
            specials.retain(|known| known.content != token.content);
            specials.push(token);
        }
        specials
    }
}

/// A special token is written as its text, or as an object with its flags.
fn special_token(value: Option<&Value>, default: &str, decoder: Option<&Value>) -> SpecialToken {
    let content = match value {
        Some(Value::String(content)) => content,
        Some(object) => object.get("content").and_then(Value::as_str).unwrap_or(default),
        None => default,
    };
    let declared = decoder
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|tokens| tokens.values())
        .find(|token| token.get("content").and_then(Value::as_str) == Some(content));
    let flag = |name: &str| {
        let of = |object: Option<&Value>| {
            object
                .and_then(|object| object.get(name))
                .and_then(Value::as_bool)
        };
        of(declared).or_else(|| of(value)).unwrap_or(false)
    };
    SpecialToken {
        content: content.to_owned(),
        single_word: flag("single_word"),
        lstrip: flag("lstrip"),
        rstrip: flag("rstrip"),
        normalized: flag("normalized"),
    }
}

fn read_optional(path: &Path) -> Result<Value, TokenizerError> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|source| TokenizerError::Json {
            path: path.to_owned(),
            source,
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(source) => Err(TokenizerError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
