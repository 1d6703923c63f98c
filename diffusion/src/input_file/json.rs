//! JSON objects, as Python writes them too.

use std::path::Path;

use serde_json::{Map, Value};

use super::{InputFileError, LONGEST_CONFIGURATION, read_file, text_of};

/// Reads the settings in a configuration.
///
/// # Errors
/// When the file cannot be read, is something else than JSON, or its JSON is not an object: a list would be taken for
/// the fields in their order.
pub(crate) fn read_object(path: &Path) -> Result<Map<String, Value>, InputFileError> {
    parse_object(path, &read_file(path, LONGEST_CONFIGURATION)?)
}

/// The settings in the bytes of a file.
///
/// # Errors
/// As [`read_object`].
pub(crate) fn parse_object(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>, InputFileError> {
    let text = text_of(path, bytes, "a JSON file")?;
    let parsed = serde_json::from_str(text).or_else(|source| {
        // What Python adds to JSON is understood, all else is told as it stands.
        serde_json::from_str(&without_infinities(text)).map_err(|_| source)
    });
    match parsed {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(InputFileError::NotAnObject {
            path: path.to_owned(),
            found: kind_of(&other),
        }),
        Err(source) => Err(InputFileError::Json {
            path: path.to_owned(),
            source,
        }),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Replaces the bare words for infinities, which Python writes, by null: where diffusers uses them they are its
/// defaults. `NaN` stays and is an error: no setting means anything with it.
pub(crate) fn without_infinities(text: &str) -> String {
    const WORDS: [&str; 2] = ["-Infinity", "Infinity"];
    let mut plain = String::with_capacity(text.len());
    let (mut rest, mut quoted) = (text, false);
    while let Some(character) = rest.chars().next() {
        let word = WORDS.into_iter().find(|word| !quoted && rest.starts_with(word));
        let length = match (word, character) {
            (Some(word), _) => {
                plain.push_str("null");
                rest = &rest[word.len()..];
                continue;
            }
            // An escape covers the character after it.
            (None, '\\') => rest.chars().take(2).map(char::len_utf8).sum(),
            (None, '"') => {
                quoted = !quoted;
                1
            }
            (None, character) => character.len_utf8(),
        };
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    plain
}
