//! Special tokens, added ones and lengths, from a folder's configuration files.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::TokenizerError;
use super::added::{AddedToken, declared};
use super::files::TokenizerFiles;

/// What `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` say.
pub(super) struct TokenizerConfiguration {
    pub(super) start: AddedToken,
    pub(super) end: AddedToken,
    pub(super) padding: AddedToken,
    pub(super) unknown: AddedToken,
    /// Special tokens without a part in encoding; they are still found in texts.
    pub(super) others: Vec<AddedToken>,
    /// Tokens with the ids they were given in training.
    pub(super) declared: BTreeMap<u32, AddedToken>,
    pub(super) model_max_length: Option<usize>,
    /// Whether special tokens in a text are split as any other words.
    pub(super) split_special_tokens: bool,
    pub(super) padding_side: Side,
    pub(super) truncation_side: Side,
}

/// An end of a sequence of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Side {
    /// Before the first.
    Left,
    /// After the last.
    #[default]
    Right,
}

/// transformers writes "no limit" as 1e30; a context that long is no limit.
const NO_LIMIT: f64 = 1e9;

const FILE: &str = "tokenizer_config.json";

/// Roles that special tokens may have, in the order in which transformers knows them.
const ROLES: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

impl TokenizerConfiguration {
    /// Reads the files; any may be missing, and then transformers' defaults hold.
    ///
    /// # Errors
    /// When a file is malformed, or has a setting that is not supported.
    pub(super) fn read(files: &TokenizerFiles) -> Result<Self, TokenizerError> {
        let mut config = files.object(FILE)?.unwrap_or_default();
        // transformers 5 takes the map for what older versions wrote, which is where there is no decoder.
        let mut late = Vec::new();
        if config.get("added_tokens_decoder").is_none_or(Value::is_null) {
            let mut map = files.object("special_tokens_map.json")?.unwrap_or_default();
            // Known too late there to make a token of `added_tokens.json` a special one.
            late.extend(map.remove("additional_special_tokens"));
            config.extend(map.into_iter().filter(|(_, value)| !value.is_null()));
        }
        let declared = declared(files, &config, |content| {
            let mut specials = special_values(&config).filter_map(AddedToken::of);
            specials.any(|token| token.content == content)
        })?;
        let token = |value: &Value| {
            let token = AddedToken::of(value)?;
            let known = declared.values().find(|known| known.content == token.content);
            // What was declared for the text holds for each of its roles.
            Some(AddedToken {
                special: true,
                ..known.cloned().unwrap_or(AddedToken {
                    normalized: normalized(value),
                    ..token
                })
            })
        };
        let role = |role: &str, default: &str| {
            let value = config.get(role).filter(|value| !value.is_null());
            let default = Value::String(default.to_owned());
            token(value.unwrap_or(&default))
                .ok_or_else(|| wrong(files, role, value, "a text, or an object with `content`"))
        };
        let [end, start] = ["<|endoftext|>", "<|startoftext|>"];
        let configuration = Self {
            start: role("bos_token", start)?,
            end: role("eos_token", end)?,
            padding: role("pad_token", end)?,
            unknown: role("unk_token", end)?,
            others: other_values(&config)
                .chain(late.iter().filter_map(Value::as_array).flatten())
                .filter_map(token)
                .collect(),
            model_max_length: model_max_length(files, config.get("model_max_length"))?,
            split_special_tokens: config.get("split_special_tokens") == Some(&Value::Bool(true)),
            padding_side: side(files, &config, "padding_side")?,
            truncation_side: side(files, &config, "truncation_side")?,
            declared,
        };
        Ok(configuration)
    }

    /// Every token beside the vocabulary once. Where two roles share a text, the later role's flags hold, as in
    /// transformers.
    pub(super) fn tokens(&self) -> Vec<&AddedToken> {
        let mut tokens: Vec<&AddedToken> = Vec::new();
        for token in [&self.start, &self.end, &self.unknown, &self.padding] {
            tokens.retain(|known| known.content != token.content);
            tokens.push(token);
        }
        for token in self.declared.values().chain(&self.others) {
            if tokens.iter().all(|known| known.content != token.content) {
                tokens.push(token);
            }
        }
        tokens
    }

    /// The id that a token was given in training.
    pub(super) fn declared_id(&self, content: &str) -> Option<u32> {
        let found = self.declared.iter().find(|(_, token)| token.content == content);
        found.map(|(id, _)| *id)
    }
}

/// Whether a special token is found in the normalised text: only where its object says so.
fn normalized(value: &Value) -> bool {
    value.get("normalized").and_then(Value::as_bool).unwrap_or(false)
}

/// Values of every role, and of special tokens without one.
fn special_values(config: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    ROLES
        .iter()
        .filter_map(|role| config.get(*role))
        .chain(other_values(config))
}

/// Values of special tokens that have no part in encoding.
fn other_values(config: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let roles = ["sep_token", "cls_token", "mask_token"];
    let named = roles.into_iter().filter_map(|role| config.get(role));
    // A list, or names with their tokens.
    let extra = ["extra_special_tokens", "additional_special_tokens"];
    let extra = extra
        .into_iter()
        .find_map(|key| config.get(key).filter(|value| !value.is_null()));
    let list = extra.and_then(Value::as_array).into_iter().flatten();
    let map = extra.and_then(Value::as_object).into_iter().flat_map(Map::values);
    let own = config.iter().filter(|(key, value)| {
        key.ends_with("_token") && !ROLES.contains(&key.as_str()) && (value.is_string() || value.is_object())
    });
    named.chain(list).chain(map).chain(own.map(|(_, value)| value))
}

fn model_max_length(files: &TokenizerFiles, value: Option<&Value>) -> Result<Option<usize>, TokenizerError> {
    match value.filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(found) => match found.as_f64() {
            Some(length) if length >= NO_LIMIT => Ok(None),
            Some(length) if length >= 2.0 && length.fract() == 0.0 => Ok(Some(length as usize)),
            _ => Err(wrong(files, "model_max_length", value, "a whole number from 2")),
        },
    }
}

fn side(files: &TokenizerFiles, config: &Map<String, Value>, key: &str) -> Result<Side, TokenizerError> {
    let value = config.get(key).filter(|value| !value.is_null());
    match value.map(Value::as_str) {
        None | Some(Some("right")) => Ok(Side::Right),
        Some(Some("left")) => Ok(Side::Left),
        Some(_) => Err(wrong(files, key, value, "`left` or `right`")),
    }
}

fn wrong(files: &TokenizerFiles, key: &str, found: Option<&Value>, expected: &'static str) -> TokenizerError {
    TokenizerError::Setting {
        path: files.path(FILE),
        key: key.to_owned(),
        found: found.unwrap_or(&Value::Null).to_string(),
        expected,
    }
}
