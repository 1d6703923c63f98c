//! Files with one JSON object on each line.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clean::{InvalidPrompt, RawText};
use super::collector::{Collector, RawPrompt};
use super::error::PromptsError;
use super::json_row::{Row, read_row};
use super::lines::{LineEnds, LineReader};
use super::text_file::open_text;

/// The greatest length of a line, in bytes; its object may hold more than the prompt.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// A field of files with one JSON object on each line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonLinesSource {
    /// The files, read in this order.
    pub paths: Vec<PathBuf>,
    /// The field that holds the prompt. By default, `prompt`.
    #[serde(default = "default_field")]
    pub field: String,
    /// A field that holds the category. By default, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_field: Option<String>,
    /// A field that holds the split. By default, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_field: Option<String>,
}

fn default_field() -> String {
    "prompt".to_owned()
}

impl JsonLinesSource {
    pub(super) fn read(&self, path: &Path, collector: &mut Collector<'_>) -> Result<(), PromptsError> {
        let mut lines = LineReader::new(open_text(path)?, LineEnds::Lf, MAX_LINE_BYTES);
        let labels = [&self.category_field, &self.split_field].map(Option::as_deref);
        let fields: Vec<&str> = [Some(self.field.as_str()), labels[0], labels[1]]
            .into_iter()
            .flatten()
            .collect();
        let mut found = false;
        let mut first: Option<Row> = None;
        while let Some(line) = lines.next_line().map_err(PromptsError::read(path))? {
            let number = line.number;
            if line.cut {
                return Err(PromptsError::LineTooLong {
                    path: path.to_owned(),
                    line: number,
                    limit: MAX_LINE_BYTES,
                });
            }
            let row = match Line::read(line.bytes, &fields, first.is_none()) {
                Line::Row(row) => row,
                Line::Blank => {
                    // A blank line is no object, but common at the end of a file; it counts as an empty prompt.
                    collector.offer(path, raw(RawText::Bytes(b""), number))?;
                    continue;
                }
                Line::Invalid(problem, source) => {
                    if first.is_none()
                        && let Some(document) = whole_document(path, line.bytes)
                    {
                        return Err(document);
                    }
                    let offered = collector.offer(path, raw(RawText::Invalid(problem), number));
                    offered.map_err(|error| match source {
                        Some(source) => PromptsError::Json {
                            path: path.to_owned(),
                            line: number,
                            source,
                        },
                        None => error,
                    })?;
                    first.get_or_insert_default();
                    continue;
                }
            };
            found |= row.values[0].is_some();
            let mut texts = row.values.iter();
            let text = prompt(texts.next().and_then(Option::as_ref));
            let mut label = |field: Option<&str>| match field {
                Some(field) => label(path, number, field, texts.next().and_then(Option::as_ref)),
                None => Ok(None),
            };
            let (category, split) = (label(labels[0])?, label(labels[1])?);
            let raw = RawPrompt {
                category,
                split,
                ..raw(text, number)
            };
            collector.offer(path, raw)?;
            first.get_or_insert(row);
        }
        match first {
            Some(first) if !found && !first.names.is_empty() => {
                Err(PromptsError::missing_field(path, &self.field, &first.names))
            }
            _ => Ok(()),
        }
    }
}

/// What a line turns out to be.
enum Line {
    Blank,
    Row(Row),
    Invalid(InvalidPrompt, Option<serde_json::Error>),
}

impl Line {
    fn read(bytes: &[u8], fields: &[&str], names: bool) -> Self {
        let text = match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Self::Invalid(InvalidPrompt::not_utf8(bytes, error), None),
        };
        if text.trim_ascii().is_empty() {
            return Self::Blank;
        }
        match read_row(text, fields, names) {
            Ok(row) => Self::Row(row),
            Err(source) => Self::Invalid(InvalidPrompt::NotJson, Some(source)),
        }
    }
}

fn raw(text: RawText<'_>, line: u64) -> RawPrompt<'_> {
    RawPrompt {
        text,
        category: None,
        split: None,
        line,
    }
}

/// Says so if the first line of a file begins a document of JSON rather than being a row of it.
fn whole_document(path: &Path, line: &[u8]) -> Option<PromptsError> {
    let (found, filter) = match line.trim_ascii() {
        b"{" => ("an object over several lines", "."),
        [b'[', ..] => ("a JSON list", ".[]"),
        _ => return None,
    };
    Some(PromptsError::JsonDocument {
        path: path.to_owned(),
        found,
        filter,
    })
}

fn prompt(value: Option<&Value>) -> RawText<'_> {
    match value {
        Some(Value::String(text)) => RawText::Bytes(text.as_bytes()),
        None | Some(Value::Null) => RawText::Null,
        Some(other) => RawText::Invalid(InvalidPrompt::NotText(kind(other))),
    }
}

fn label<'v>(
    path: &Path,
    line: u64,
    field: &str,
    value: Option<&'v Value>,
) -> Result<Option<&'v str>, PromptsError> {
    match value {
        Some(Value::String(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(other) => Err(PromptsError::JsonField {
            path: path.to_owned(),
            line,
            field: field.to_owned(),
            found: kind(other),
        }),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
