//! How errors come to know their file, and what to do about them.

use std::io;
use std::path::Path;

use arrow_schema::ArrowError;
use mitune_bounded_file::BoundedFileError;
use parquet::errors::ParquetError;

use super::clean::InvalidPrompt;
use super::error::PromptsError;
use super::file_format::FileFormat;
use crate::suggestion::closest;

impl PromptsError {
    /// Returns what to do about it, where the message does not say so itself.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let absent = |source: &io::Error| source.kind() == io::ErrorKind::NotFound;
        let hint = match self {
            Self::MissingColumn {
                nearest: Some(name), ..
            } => return Some(format!("Did you mean `column: {name}`?")),
            Self::MissingField {
                nearest: Some(name), ..
            } => return Some(format!("Did you mean `field: {name}`?")),
            Self::MissingColumn { .. } => "`column` names the column that holds the prompts",
            Self::MissingField { .. } => "`field` names the field that holds the prompts",
            Self::Read { source, .. } if absent(source) => {
                "Relative paths start at the folder of the pipeline file"
            }
            Self::Path { .. } => {
                "Relative paths start at the folder of the pipeline file; `**` stands for any folders"
            }
            Self::Parquet { .. } | Self::Decode { .. } | Self::Damaged { .. } => {
                "Write the file anew, or download it again if it came from elsewhere"
            }
            Self::InvalidPrompt {
                problem: InvalidPrompt::NotUtf8,
                ..
            } => "`iconv -f LATIN1 -t UTF-8` converts a file of an older program",
            _ => return None,
        };
        Some(hint.to_owned())
    }
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

    pub(super) fn damaged(path: &Path, problem: String) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problem,
        }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    pub(super) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { path, source }
    }

    pub(super) fn decode(path: &Path) -> impl FnOnce(ArrowError) -> Self {
        let path = path.to_owned();
        move |source| Self::Decode { path, source }
    }

    pub(super) fn csv(path: &Path) -> impl FnOnce(csv::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Csv { path, source }
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

    pub(super) fn missing_column<'a>(
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
