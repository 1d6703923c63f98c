use serde_json::{Map, Value};

use super::AdapterError;

/// A setting for some layers only, as PEFT's `rank_pattern` and `alpha_pattern` give it.
///
/// PEFT takes keys as regular expressions for the whole name or for its last parts. Those in files
/// are names: diffusers writes whole ones, and people write last parts such as `to_q`. Only such
/// names are understood here, with `^` for a whole one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Patterns(Vec<(String, f64)>);

impl Patterns {
    pub(super) fn parse(key: &str, value: Option<&Value>) -> Result<Self, AdapterError> {
        let wrong = |found: String, expected| AdapterError::Setting {
            key: key.to_owned(),
            found,
            expected,
        };
        let empty = Map::new();
        let map = match value {
            None => &empty,
            Some(value) => value
                .as_object()
                .ok_or_else(|| wrong(value.to_string(), "a map from layers to numbers"))?,
        };
        let entry = |(layer, value): (&String, &Value)| {
            let layer = layer.replace("\\.", ".");
            let plain = |character: char| character.is_ascii_alphanumeric() || "._".contains(character);
            if !layer.strip_prefix('^').unwrap_or(&layer).chars().all(plain) {
                return Err(wrong(
                    layer,
                    "names of layers or their last parts, and no other patterns",
                ));
            }
            let number = value
                .as_f64()
                .filter(|number| number.is_finite() && *number > 0.0);
            let number = number.ok_or_else(|| wrong(value.to_string(), "a positive number"))?;
            Ok((layer, number))
        };
        map.iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// The number for a layer, if a pattern is about it.
    pub(super) fn find(&self, key: &str, layer: &str) -> Result<Option<f64>, AdapterError> {
        let mut found = self.0.iter().filter(|(pattern, _)| matches(pattern, layer));
        let Some((first, number)) = found.next() else {
            return Ok(None);
        };
        // PEFT takes the first in the order of the file, which a JSON map does not promise.
        match found.find(|(_, other)| other != number) {
            Some((second, _)) => Err(AdapterError::Setting {
                key: key.to_owned(),
                found: format!("{first}` and `{second}"),
                expected: "patterns that agree about every layer",
            }),
            None => Ok(Some(*number)),
        }
    }
}

fn matches(pattern: &str, layer: &str) -> bool {
    match pattern.strip_prefix('^') {
        Some(whole) => whole == layer,
        None => layer
            .strip_suffix(pattern)
            .is_some_and(|head| head.is_empty() || head.ends_with('.')),
    }
}
