use fancy_regex::Regex;
use serde_json::Value;

use super::AdapterError;
use super::ordered_json::OrderedJson;

/// A setting for some layers only, as PEFT's `rank_pattern` and `alpha_pattern` give it.
///
/// Keys are regular expressions of Python for the whole name of a layer or for its last parts, and the first that matches
/// holds, as in PEFT: `re.match(rf"(.*\\.)?({key})$", name)`.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<(Pattern, f64)>);

#[derive(Debug)]
enum Pattern {
    /// A name, in which a point stands for any character, as it does in regular expressions.
    Name(String),
    Expression(Box<Regex>),
}

impl Patterns {
    /// Reads a map from patterns to numbers in the order of the file.
    pub(super) fn parse(key: &str, value: Option<&OrderedJson>) -> Result<Self, AdapterError> {
        let wrong = |found: String, expected| AdapterError::Setting {
            key: key.to_owned(),
            found,
            expected,
        };
        let entries = match value {
            None | Some(OrderedJson::Other(Value::Null)) => return Ok(Self::default()),
            Some(OrderedJson::Object(entries)) => entries,
            Some(OrderedJson::Other(other)) => {
                return Err(wrong(
                    other.to_string(),
                    "a map from patterns of layers to numbers",
                ));
            }
        };
        let entry = |(pattern, value): &(String, OrderedJson)| {
            let number = match value {
                OrderedJson::Other(value) => value.as_f64().filter(|number| number.is_finite()),
                OrderedJson::Object(_) => None,
            };
            let number = number.ok_or_else(|| wrong(value.to_string(), "a number"))?;
            let known = Pattern::parse(pattern);
            let known = known.ok_or_else(|| wrong(pattern.clone(), "regular expressions of layers"))?;
            Ok((known, number))
        };
        entries.iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// The number for a layer, if a pattern is about it.
    ///
    /// # Errors
    /// When an expression takes too long.
    pub(super) fn find(&self, key: &str, layer: &str) -> Result<Option<f64>, AdapterError> {
        // transformers 5 leaves out what stands before every layer of a text encoder.
        let names = [Some(layer), layer.strip_prefix("text_model.")];
        for (pattern, number) in &self.0 {
            for name in names.into_iter().flatten() {
                match pattern.matches(name) {
                    Some(true) => return Ok(Some(*number)),
                    Some(false) => {}
                    None => {
                        return Err(AdapterError::Setting {
                            key: key.to_owned(),
                            found: pattern.as_str().to_owned(),
                            expected: "expressions that are matched in reasonable time",
                        });
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Option<Self> {
        let plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        match pattern.chars().all(plain) {
            true => Some(Self::Name(pattern.to_owned())),
            false => {
                let whole = Regex::new(&format!(r"^(.*\.)?({pattern})$"));
                whole.ok().map(|whole| Self::Expression(Box::new(whole)))
            }
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Expression(expression) => expression.as_str(),
        }
    }

    /// Whether a layer's name matches; nothing where that takes too long.
    fn matches(&self, layer: &str) -> Option<bool> {
        match self {
            // Files have a name for every layer, and expressions for that many would take seconds.
            Self::Name(name) => Some(ends_with(layer.as_bytes(), name.as_bytes())),
            Self::Expression(expression) => expression.is_match(layer).ok(),
        }
    }
}

fn ends_with(layer: &[u8], name: &[u8]) -> bool {
    let Some(start) = layer.len().checked_sub(name.len()) else {
        return false;
    };
    let (head, tail) = layer.split_at(start);
    let same = |(found, wanted): (&u8, &u8)| *wanted == b'.' || found == wanted;
    tail.iter().zip(name).all(same) && head.last().is_none_or(|last| *last == b'.')
}
