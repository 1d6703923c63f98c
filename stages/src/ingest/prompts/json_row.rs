//! The fields of one JSON object that matter, as Python writes it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// What was asked for of an object.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// The values of the fields, in the order in which they were asked for; a field that repeats has its last.
    pub values: Vec<Option<Value>>,
    /// The names of all fields, if they were asked for.
    pub names: Vec<String>,
}

/// Reads some fields of the object on a line; the others may hold anything.
///
/// Python's `json` writes `NaN`, `Infinity` and `-Infinity`, which JSON does not have; they are read as null, which is
/// what tables have in their place.
///
/// # Errors
/// A line that is no JSON object.
pub(crate) fn read_row(line: &str, fields: &[&str], names: bool) -> Result<Row, serde_json::Error> {
    parse(line, fields, names).or_else(|error| match without_constants(line) {
        Cow::Owned(line) => parse(&line, fields, names),
        Cow::Borrowed(_) => Err(error),
    })
}

fn parse(line: &str, fields: &[&str], names: bool) -> Result<Row, serde_json::Error> {
    let mut input = serde_json::Deserializer::from_str(line);
    let row = Wanted { fields, names }.deserialize(&mut input)?;
    input.end()?;
    Ok(row)
}

/// The line with null in place of Python's constants, borrowed if it has none outside of strings.
fn without_constants(line: &str) -> Cow<'_, str> {
    let mut changed = String::new();
    let (mut copied, mut at, mut inside, mut escaped) = (0, 0, false, false);
    while let Some(byte) = line.as_bytes().get(at) {
        let rest = &line.as_bytes()[at..];
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b'N' | b'I' | b'-' if !inside => {
                let constants: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
                if let Some(constant) = constants.into_iter().find(|constant| rest.starts_with(constant)) {
                    changed.push_str(&line[copied..at]);
                    changed.push_str("null");
                    copied = at + constant.len();
                    at = copied;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    match copied {
        0 => Cow::Borrowed(line),
        _ => Cow::Owned(changed + &line[copied..]),
    }
}

struct Wanted<'f> {
    fields: &'f [&'f str],
    names: bool,
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Row;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Row, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Row;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object such as {\"prompt\": \"a red car\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Row, A::Error> {
        let mut row = Row {
            values: vec![None; self.fields.len()],
            names: Vec::new(),
        };
        while let Some(key) = access.next_key::<Cow<'_, str>>()? {
            let wanted = self.fields.iter().any(|field| *field == key);
            let value = match wanted {
                true => Some(access.next_value::<Value>()?),
                false => access.next_value::<IgnoredAny>().map(|_| None)?,
            };
            for (slot, _) in row
                .values
                .iter_mut()
                .zip(self.fields)
                .filter(|(_, field)| **field == key)
            {
                slot.clone_from(&value);
            }
            if self.names {
                row.names.push(key.into_owned());
            }
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prompt(line: &str) -> Result<Option<Value>, serde_json::Error> {
        Ok(read_row(line, &["prompt"], false)?.values.remove(0))
    }

    #[test]
    fn what_python_writes_is_read() {
        for (line, expected) in [
            (r#"{"prompt": "a", "score": NaN}"#, Some(json!("a"))),
            (
                r#"{"a": -Infinity, "b": [Infinity, NaN], "prompt": "NaN \" NaN"}"#,
                Some(json!("NaN \" NaN")),
            ),
            (r#"{"prompt": NaN}"#, Some(Value::Null)),
            (
                r#"{"prompt": "a", "n": 1e999, "m": 123456789012345678901234567890}"#,
                Some(json!("a")),
            ),
            (r#"{"prompt": "a", "prompt": "b"}"#, Some(json!("b"))),
            (
                r#"{"prompt": "a \ud83d\ude97 car"}"#,
                Some(json!("a \u{1f697} car")),
            ),
            (r#"{"meta": {"prompt": "a"}}"#, None),
            ("{}", None),
        ] {
            assert_eq!(prompt(line).expect("an object"), expected, "{line}");
        }
        for line in [
            "",
            "// header",
            "[1]",
            "\"a\"",
            "7",
            "null",
            "{\"prompt\": \"a\"",
            "{\"prompt\": \"a\"} {}",
            "{'prompt': 'a'}",
            "{\"prompt\": nan}",
            "{\"prompt\": Na}",
            r#"{"prompt": "cut \ud83d"}"#,
        ] {
            assert!(prompt(line).is_err(), "{line}");
        }
        let deep = format!(
            "{{\"other\": {}{}, \"prompt\": \"a\"}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(prompt(&deep).expect("an object"), Some(json!("a")));
        let names = read_row(r#"{"b": 1, "a": NaN}"#, &[], true)
            .expect("an object")
            .names;
        assert_eq!(names, ["b", "a"]);
    }
}
