//! Files with one JSON object on each line.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::collector::{Collector, RawPrompt};
use super::error::PromptsError;
use super::lines::LineReader;

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
        let file = File::open(path).map_err(PromptsError::read(path))?;
        let mut lines = LineReader::new(BufReader::new(file), MAX_LINE_BYTES);
        while let Some(line) = lines.next_line().map_err(PromptsError::read(path))? {
            let number = line.number;
            if line.cut {
                return Err(PromptsError::LineTooLong {
                    path: path.to_owned(),
                    line: number,
                    limit: MAX_LINE_BYTES,
                });
            }
            // A blank line is no object, but common at the end of a file; it counts as an empty prompt.
            let object: Map<String, Value> = if line.bytes.trim_ascii().is_empty() {
                Map::from_iter([(self.field.clone(), Value::String(String::new()))])
            } else {
                serde_json::from_slice(line.bytes).map_err(|source| PromptsError::Json {
                    path: path.to_owned(),
                    line: number,
                    source,
                })?
            };
            let text = string(path, number, &self.field, object.get(&self.field))?;
            let label =
                |field: &Option<String>| match field.as_deref().map(|field| (field, object.get(field))) {
                    None | Some((_, None | Some(Value::Null))) => Ok(None),
                    Some((field, value)) => string(path, number, field, value).map(Some),
                };
            let (category, split) = (label(&self.category_field)?, label(&self.split_field)?);
            collector.offer(
                path,
                RawPrompt {
                    text: text.as_bytes(),
                    cut: false,
                    category,
                    split,
                    line: number,
                },
            )?;
        }
        Ok(())
    }
}

fn string<'v>(
    path: &Path,
    line: u64,
    field: &str,
    value: Option<&'v Value>,
) -> Result<&'v str, PromptsError> {
    let found = match value {
        Some(Value::String(text)) => return Ok(text),
        None => "no such field",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    };
    Err(PromptsError::JsonField {
        path: path.to_owned(),
        line,
        field: field.to_owned(),
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::super::PromptSource;
    use super::super::fixture::{Files, message, rows};
    use super::*;

    fn source(paths: Vec<PathBuf>) -> PromptSource {
        PromptSource::Jsonl(JsonLinesSource {
            paths,
            field: "caption".to_owned(),
            category_field: Some("kind".to_owned()),
            split_field: None,
        })
    }

    #[test]
    fn fields_are_read_and_blank_lines_are_not() {
        let files = Files::new();
        let content = "\u{feff}{\"caption\": \"a caf\\u00e9\", \"kind\": null}\r\n\r\n{\"kind\":\"x\",\"caption\":\"b\"}";
        let ingested = files
            .ingest(source(files.write("a.jsonl", content)))
            .expect("prompts");
        let name = "a.jsonl".to_owned();
        assert_eq!(
            rows(&ingested),
            [
                ("a caf\u{e9}".to_owned(), None, None, name.clone(), 1),
                ("b".to_owned(), Some("x".to_owned()), None, name, 3)
            ]
        );
        assert_eq!(ingested.report.rejected["empty"], 1);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let files = Files::new();
        let cases = [
            ("{\"caption\": 3}", "must be a string, found a number"),
            ("{\"text\": \"a\"}", "must be a string, found no such field"),
            ("{\"caption\": null}", "must be a string, found null"),
            (
                "{\"caption\": \"a\", \"kind\": []}",
                "must be a string, found an array",
            ),
            ("[\"a\"]", "is not a JSON object: invalid type: sequence"),
            ("{\"caption\": \"a\"", "is not a JSON object: EOF"),
            ("{\"caption\": \"a\\u0000b\"}", "holds a NUL character"),
        ];
        for (line, problem) in cases {
            let paths = files.write("a.jsonl", format!("{{\"caption\": \"fine\"}}\n{line}\n"));
            let found = message(files.ingest(source(paths)));
            assert!(
                found.contains("ine 2 of `") || found.contains("at `a.jsonl:2`"),
                "{found}"
            );
            assert!(found.contains("a.jsonl") && found.contains(problem), "{found}");
        }
        let bytes = message(files.ingest(source(files.write("b.jsonl", b"{\"caption\": \"\xff\"}"))));
        assert!(
            bytes.contains("Line 1 of `") && bytes.contains("invalid unicode"),
            "{bytes}"
        );
        let long = format!("{{\"caption\": \"{}\"}}", "x".repeat(MAX_LINE_BYTES));
        let long = message(files.ingest(source(files.write("c.jsonl", long))));
        assert!(
            long.contains("Line 1 of `") && long.ends_with("is longer than 16777216 bytes"),
            "{long}"
        );
    }
}
