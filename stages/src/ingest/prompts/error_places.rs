//! How errors come to know their file, and what to do about them.

use std::io;
use std::path::Path;

use arrow_schema::ArrowError;
use mitune_bounded_file::BoundedFileError;
use parquet::errors::ParquetError;

use super::clean::InvalidPrompt;
use super::csv_problem::CsvProblem;
use super::error::PromptsError;
use super::file_format::FileFormat;
use super::parquet_problem::{ParquetProblem, system_error};
use super::text_problem::TextProblem;
use crate::suggestion::closest;

/// What to do about a file that is not as it was written.
const ANEW: &str = "Write the file anew, or download it again if it came from elsewhere";

impl PromptsError {
    /// Returns what to do about it, where the message does not say so itself.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let absent = |source: &io::Error| source.kind() == io::ErrorKind::NotFound;
        let damaged = |source: &io::Error| TextProblem::of(source).is_some_and(TextProblem::is_damage);
        let hint = match self {
            Self::MissingColumn {
                setting,
                nearest,
                delimiter,
                ..
            } => return missing_column_hint(*setting, *delimiter, nearest.as_deref()),
            Self::ColumnType {
                setting: Some(setting),
                inside: Some(inside),
                ..
            } => return Some(format!("`{setting}: {inside}` takes the text inside of it")),
            Self::MissingField {
                nearest: Some(name), ..
            } => return Some(format!("Did you mean `field: {name}`?")),
            Self::MissingField { .. } => "`field` names the field that holds the prompts",
            Self::Read { source, .. } if absent(source) => {
                "Relative paths start at the folder of the pipeline file"
            }
            Self::Path { .. } => {
                "Relative paths start at the folder of the pipeline file; `**` stands for any folders"
            }
            Self::Parquet { source, .. } | Self::Decode { source, .. } => source.hint(),
            Self::Read { source, .. } | Self::ReadPairs { source, .. } if damaged(source) => ANEW,
            Self::Damaged { .. } => ANEW,
            Self::Csv {
                source: CsvProblem::Fields { .. },
                ..
            } => "A field that holds the delimiter or a line end must stand between double quotes",
            Self::Csv {
                source: CsvProblem::QuoteNotClosed { .. } | CsvProblem::TooLong { quote: Some(_), .. },
                ..
            } => "Close the quote; one that belongs to the text is written twice, between double quotes",
            Self::TooManyRows { .. } => "Divide the files among several stages of the kind `ingest`",
            Self::TooManyPrompts { remedy, .. } => *remedy,
            Self::InvalidPrompt {
                problem: InvalidPrompt::NotUtf8,
                ..
            } => "`iconv -f LATIN1 -t UTF-8` converts a file of an older program",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// What to do about a column that is not there, where a setting names it.
fn missing_column_hint(
    setting: Option<&str>,
    delimiter: Option<char>,
    nearest: Option<&str>,
) -> Option<String> {
    Some(match (setting, delimiter, nearest) {
        (None, None, _) => return None,
        (None, Some(_), _) => "Commas must divide its columns".to_owned(),
        (Some(_), Some('\t'), _) => "Tabs seem to divide its columns: `delimiter: \"\\t\"`".to_owned(),
        (Some(_), Some(other), _) => {
            format!("Another character seems to divide its columns: `delimiter: \"{other}\"`")
        }
        (Some(setting), None, Some(name)) => format!("Did you mean `{setting}: {name}`?"),
        (Some("column"), None, None) => "`column` names the column that holds the prompts".to_owned(),
        (Some(setting), None, None) => format!("`{setting}` names one of the columns"),
    })
}

impl From<BoundedFileError> for PromptsError {
    fn from(error: BoundedFileError) -> Self {
        match error {
            BoundedFileError::Io { path, source } => Self::Read { path, source },
            error => Self::Unbounded(error),
        }
    }
}

impl PromptsError {
    pub(super) fn wrong_format(path: &Path, format: FileFormat) -> Self {
        Self::WrongFormat {
            path: path.to_owned(),
            format,
        }
    }

    pub(crate) fn damaged(path: &Path, problem: String) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problem,
        }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match TextProblem::of(&source) {
            Some(TextProblem::LineTooLong { line, limit }) => Self::LineTooLong { path, line, limit },
            _ => Self::Read { path, source },
        }
    }

    pub(super) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        move |error| match system_error(&error) {
            Some(source) => Self::Read { path, source },
            None => Self::Parquet {
                path,
                source: ParquetProblem::of(&error),
            },
        }
    }

    pub(super) fn decode(path: &Path) -> impl FnOnce(ArrowError) -> Self {
        let path = path.to_owned();
        move |error| match system_error(&error) {
            Some(source) => Self::Read { path, source },
            None => Self::Decode {
                path,
                source: ParquetProblem::of(&error),
            },
        }
    }

    pub(crate) fn csv(path: &Path) -> impl FnOnce(csv::Error) -> Self {
        let path = path.to_owned();
        move |error| match CsvProblem::of(&path, error) {
            Ok(source) => Self::Csv { path, source },
            Err(source) => Self::Read { path, source },
        }
    }

    /// The same error of a file of pairs, which no pipeline names.
    pub(super) fn of_pairs(self) -> Self {
        match self {
            Self::Read { path, source } => Self::ReadPairs { path, source },
            other => other,
        }
    }

    /// The same error of a column that a setting names.
    pub(super) fn of_setting(mut self, name: &'static str) -> Self {
        if let Self::MissingColumn { setting, .. } | Self::ColumnType { setting, .. } = &mut self {
            *setting = Some(name);
        }
        self
    }

    /// The same error of a file whose columns another character seems to divide.
    pub(super) fn divided_by(mut self, character: Option<char>) -> Self {
        if let Self::MissingColumn { delimiter, .. } = &mut self {
            *delimiter = character;
        }
        self
    }

    pub(super) fn missing_field(path: &Path, field: &str, found: &[String]) -> Self {
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        Self::MissingField {
            path: path.to_owned(),
            field: field.to_owned(),
            found: listed(&found, "none"),
            nearest: nearest(field, &found),
        }
    }

    pub(crate) fn missing_column<'a>(
        path: &Path,
        column: &str,
        found: impl Iterator<Item = &'a str>,
    ) -> Self {
        let found: Vec<&str> = found.collect();
        Self::MissingColumn {
            path: path.to_owned(),
            column: column.to_owned(),
            found: listed(&found, "no columns"),
            nearest: nearest(column, &found),
            setting: None,
            delimiter: None,
        }
    }
}

/// Names in backticks, the first twenty of them.
fn listed(names: &[&str], none: &str) -> String {
    const LISTED: usize = 20;
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => none.to_owned(),
        count if count > LISTED => format!("{} and {} more", names[..LISTED].join(", "), count - LISTED),
        _ => names.join(", "),
    }
}

/// The name that was meant, if one is spelled nearly like it.
fn nearest(name: &str, known: &[&str]) -> Option<String> {
    closest(name, known.iter().copied()).map(str::to_owned)
}
