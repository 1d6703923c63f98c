//! CSV files with a header.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clean::{InvalidPrompt, RawText};
use super::collector::{Collector, RawPrompt};
use super::csv_records::open_records;
use super::error::PromptsError;

/// A column of CSV files; their first record names the columns, and `line` counts the records after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvSource {
    /// The files, read in this order.
    pub paths: Vec<PathBuf>,
    /// The column that holds the prompt. By default, `prompt`.
    #[serde(default = "default_column")]
    pub column: String,
    /// A column that holds the category. By default, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_column: Option<String>,
    /// A column that holds the split. By default, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_column: Option<String>,
    /// The ASCII character between fields. By default, a comma.
    #[serde(default = "default_delimiter")]
    pub delimiter: char,
}

fn default_column() -> String {
    "prompt".to_owned()
}

fn default_delimiter() -> char {
    ','
}

impl CsvSource {
    pub(super) fn validate(&self) -> Result<(), PromptsError> {
        if self.paths.is_empty() {
            let problem = "must list at least one file, found none".to_owned();
            return Err(PromptsError::Setting {
                setting: "source.csv.paths",
                problem,
            });
        }
        if !self.delimiter.is_ascii() || ['"', '\r', '\n'].contains(&self.delimiter) {
            let problem = format!(
                "must be an ASCII character that is no quote or line ending, found {:?}",
                self.delimiter
            );
            return Err(PromptsError::Setting {
                setting: "source.csv.delimiter",
                problem,
            });
        }
        Ok(())
    }

    pub(super) fn read(&self, path: &Path, collector: &mut Collector<'_>) -> Result<(), PromptsError> {
        let mut records = open_records(path, self.delimiter)?;
        let header = records.byte_headers().map_err(PromptsError::csv(path))?.clone();
        let index = |setting, column: &str| {
            column_index(path, &header, column).map_err(|error| error.of_setting(setting))
        };
        let label = |setting, column: &Option<String>| {
            let column = column.as_deref();
            column.map(|column| index(setting, column)).transpose()
        };
        let prompt = index("column", &self.column)?;
        let category = label("category_column", &self.category_column)?;
        let split = label("split_column", &self.split_column)?;
        let mut record = csv::ByteRecord::new();
        // Records are counted, because the parser's own line numbers are off after CRLF and blank lines.
        let mut number = 0;
        while records
            .read_byte_record(&mut record)
            .map_err(PromptsError::csv(path))?
        {
            number += 1;
            let text = |index: Option<usize>| {
                let bytes = index
                    .and_then(|index| record.get(index))
                    .unwrap_or_default()
                    .trim_ascii();
                str::from_utf8(bytes).map(|text| (!text.is_empty()).then_some(text))
            };
            let prompt = RawText::Bytes(record.get(prompt).unwrap_or_default());
            let (text, category, split) = match (text(category), text(split)) {
                (Ok(category), Ok(split)) => (prompt, category, split),
                _ => (RawText::Invalid(InvalidPrompt::Label), None, None),
            };
            let raw = RawPrompt {
                text,
                category,
                split,
                line: number,
            };
            collector.offer(path, raw)?;
        }
        Ok(())
    }
}

/// The place of a column in the header.
pub(crate) fn column_index(
    path: &Path,
    header: &csv::ByteRecord,
    column: &str,
) -> Result<usize, PromptsError> {
    header
        .iter()
        .position(|name| name.trim_ascii() == column.as_bytes())
        .ok_or_else(|| {
            let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
            PromptsError::missing_column(path, column, names.iter().map(AsRef::as_ref))
                .divided_by(other_delimiter(header, column))
        })
}

/// The character that divides the columns of a header, if a column is found once it does.
fn other_delimiter(header: &csv::ByteRecord, column: &str) -> Option<char> {
    let is_column = |piece: &[u8]| {
        let piece = piece.trim_ascii();
        let inside = piece
            .strip_prefix(b"\"")
            .and_then(|piece| piece.strip_suffix(b"\""));
        inside.unwrap_or(piece) == column.as_bytes()
    };
    let divides = |delimiter: u8| {
        let mut names = header.iter();
        names.any(|name| name.split(|byte| *byte == delimiter).any(is_column))
    };
    let found = [b';', b'\t', b'|', b','].into_iter().find(|byte| divides(*byte));
    found.map(char::from)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Files, message, rows};
    use super::super::{Ingested, PromptSource};
    use super::*;

    fn source(paths: Vec<PathBuf>) -> CsvSource {
        CsvSource {
            paths,
            column: default_column(),
            category_column: None,
            split_column: None,
            delimiter: default_delimiter(),
        }
    }

    fn read(files: &Files, source: CsvSource) -> Result<Ingested, PromptsError> {
        files.ingest(PromptSource::Csv(source))
    }

    #[test]
    fn quotes_labels_and_line_numbers_are_read() {
        let files = Files::new();
        let paths = files.write(
            "table.csv",
            "\u{feff}id;kind; prompt ;part\r\n1;cars;\"a \"\"red\"\"; old\ncar\";\r\n2;;a boat;dev\r\n",
        );
        let source = CsvSource {
            category_column: Some("kind".to_owned()),
            split_column: Some("part".to_owned()),
            delimiter: ';',
            ..source(paths)
        };
        let name = "table.csv".to_owned();
        assert_eq!(
            rows(&read(&files, source).expect("prompts")),
            [
                (
                    "a \"red\"; old\ncar".to_owned(),
                    Some("cars".to_owned()),
                    None,
                    name.clone(),
                    1
                ),
                ("a boat".to_owned(), None, Some("dev".to_owned()), name, 2),
            ]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_ends() {
        let files = Files::new();
        let content = [&b"prompt\na car\n\"open"[..], &vec![b'x'; 65 << 20]].concat();
        let found = message(read(&files, source(files.write("a.csv", content))));
        assert!(
            found.contains("a.csv` as CSV") && found.contains("is a quote never closed?"),
            "{found}"
        );
    }

    #[test]
    fn a_file_that_ends_within_a_quote_is_refused_with_its_line() {
        let files = Files::new();
        for (content, line) in [
            ("prompt\na car\n\"a boat\na tree\na house\n", 3),
            ("id,prompt\r\n1,\"two\r\nlines\"\r\n2,\"a boat\r\n3,a tree\r\n", 4),
            ("\"prompt\na car\n", 1),
            ("prompt\n\"a \"\"red\"\" car\n", 2),
        ] {
            let error = read(&files, source(files.write("a.csv", content))).expect_err("an open quote");
            let hint = error.hint().unwrap_or_default();
            assert!(hint.starts_with("Close the quote;"), "{content:?}: {hint}");
            let found = message::<()>(Err(error));
            let expected = format!("a.csv` as CSV: the quote that opens on line {line} is never closed");
            assert!(found.ends_with(&expected), "{content:?}: {found}");
        }
        let legal = "prompt\na 5\" nail\n\"a\" boat\n\"a \"\"red\"\" car\"";
        let legal = read(&files, source(files.write("b.csv", legal))).expect("prompts");
        assert_eq!(rows(&legal).len(), 3);
    }

    #[test]
    fn a_delimiter_that_was_not_expected_is_told() {
        let files = Files::new();
        for (header, hint) in [
            ("id;prompt", "`delimiter: \";\"`"),
            ("\"id\";\"prompt\"", "`delimiter: \";\"`"),
            ("id\tprompt", "`delimiter: \"\\t\"`"),
            ("id,prompts", "Did you mean `column: prompts`?"),
            ("id,words", "`column` names the column"),
        ] {
            let paths = files.write("a.csv", format!("{header}\n1;a car, red\n"));
            let error = read(&files, source(paths)).expect_err("no such column");
            let found = error.hint().unwrap_or_default();
            assert!(found.contains(hint), "{header}: {found}");
        }
        let labelled = CsvSource {
            category_column: Some("kind".to_owned()),
            ..source(files.write("a.csv", "prompt,kinds\na car,x\n"))
        };
        let hint = read(&files, labelled).expect_err("no such column").hint();
        assert_eq!(hint.as_deref(), Some("Did you mean `category_column: kinds`?"));
    }

    #[test]
    fn the_mark_of_dos_is_no_record() {
        let files = Files::new();
        let paths = files.write("a.csv", "id,prompt\r\n1,a car\r\n\u{1a}");
        assert_eq!(rows(&read(&files, source(paths)).expect("prompts")).len(), 1);
    }

    #[test]
    fn labels_that_are_no_text_are_invalid_like_prompts() {
        let files = Files::new();
        let paths = files.write("a.csv", b"prompt,kind\na car,\xff\na boat,x\n");
        let labelled = CsvSource {
            category_column: Some("kind".to_owned()),
            ..source(paths)
        };
        let found = message(read(&files, labelled));
        assert!(
            found.starts_with("The prompt at `a.csv:1` has a category or split that is not UTF-8"),
            "{found}"
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let files = Files::new();
        let missing = message(read(&files, source(files.write("a.csv", "id,text\n1,a car\n"))));
        assert!(missing.starts_with("No column `prompt` in `"), "{missing}");
        assert!(missing.ends_with("a.csv`; found `id`, `text`"), "{missing}");
        let ragged = message(read(&files, source(files.write("b.csv", "id,prompt\n1,a,car\n"))));
        assert!(
            ragged.ends_with("b.csv` as CSV: line 2 has 3 fields, but the header has 2"),
            "{ragged}"
        );
        let bytes = message(read(
            &files,
            source(files.write("c.csv", b"prompt\na \xff car\n")),
        ));
        assert!(
            bytes.starts_with("The prompt at `c.csv:1` is not UTF-8"),
            "{bytes}"
        );
        let empty = message(read(&files, source(files.write("d.csv", ""))));
        assert!(empty.starts_with("No column `prompt` in `"), "{empty}");
        let none = message(read(&files, source(files.write("e.csv", "prompt\n\n\"\"\n"))));
        assert!(none.starts_with("No prompts left of"), "{none}");
        for delimiter in ['\u{e9}', '"', '\n'] {
            let refused = message(read(
                &files,
                CsvSource {
                    delimiter,
                    ..source(vec![PathBuf::from("a.csv")])
                },
            ));
            assert!(
                refused.starts_with("Setting `source.csv.delimiter` must be an ASCII character"),
                "{refused}"
            );
        }
    }
}
