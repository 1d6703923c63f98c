//! JSON objects, as Python writes them too.

use std::path::Path;

use serde_json::{Map, Value};

use super::json_problem::{JsonProblem, kind_of};
use super::{Contents, InputFileError, LONGEST_CONFIGURATION, read_file, text_of};

const EXPECTED: &str = "a JSON file";

/// Reads the settings in a configuration.
///
/// # Errors
/// When the file cannot be read, is something else than JSON, or its JSON is not an object: a list would be taken for
/// the fields in their order.
pub fn read_object(path: &Path) -> Result<Map<String, Value>, InputFileError> {
    parse_object(path, &read_file(path, LONGEST_CONFIGURATION)?)
}

/// The settings in the bytes of a file.
///
/// # Errors
/// As [`read_object`].
pub fn parse_object(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>, InputFileError> {
    let text = text_of(path, bytes, EXPECTED)?;
    let path = path.to_owned();
    match parse(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(InputFileError::NotAnObject {
            path,
            found: kind_of(&other),
        }),
        Err(source) => Err(match Contents::of_anything(bytes) {
            Some(Contents::Text) => InputFileError::Contents {
                path,
                found: Contents::Text,
                expected: EXPECTED,
            },
            _ => InputFileError::Json { path, source },
        }),
    }
}

fn parse(text: &str) -> Result<Value, JsonProblem> {
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    // What Python adds to JSON is understood, all else is told where it stands.
    let plain = without_infinities(text);
    serde_json::from_str(&plain).map_err(|error| JsonProblem::of(&plain, &error))
}

/// Replaces the bare words for infinities, which Python writes, by null: where diffusers uses them they are its
/// defaults. `NaN` stays and is an error: no setting means anything with it. Everything else keeps its place.
pub(crate) fn without_infinities(text: &str) -> String {
    const WORDS: [(&str, &str); 2] = [("-Infinity", "null     "), ("Infinity", "null    ")];
    let mut plain = String::with_capacity(text.len());
    let (mut rest, mut quoted) = (text, false);
    while let Some(character) = rest.chars().next() {
        let word = WORDS
            .into_iter()
            .find(|(word, _)| !quoted && rest.starts_with(word));
        let length = match (word, character) {
            (Some((word, null)), _) => {
                plain.push_str(null);
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
