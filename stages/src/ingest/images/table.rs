//! Tables of images and prompts, in any of three formats.

use std::ops::ControlFlow;
use std::path::Path;

use super::error::ImagesError;
use super::source::Visitor;
use super::{parquet_table, text_table};
use crate::ingest::prompts::PromptsError;
use crate::ingest::prompts::text_file::{open_input, start};

pub(super) const IMAGE: &str = "image";
pub(super) const LOSER: &str = "loser";
pub(super) const PROMPT: &str = "prompt";
pub(super) const WEIGHT: &str = "weight";
pub(super) const WINNER: &str = "winner";

/// What the rows of a table are, by its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// `image` and `prompt`, and perhaps `weight`.
    Images {
        /// Whether it has weights.
        weighted: bool,
    },
    /// `winner`, `loser` and `prompt`.
    Pairs,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv(char),
    JsonLines,
    Parquet,
}

impl Columns {
    /// Tells them by their names.
    ///
    /// # Errors
    /// [`PromptsError::MissingColumn`] if there is no image, no second one of a pair, or no prompt.
    pub(super) fn among(path: &Path, names: &[String]) -> Result<Self, ImagesError> {
        let has = |name: &str| names.iter().any(|known| known == name);
        let is_pair = !has(IMAGE) && (has(WINNER) || has(LOSER));
        let needed: &[&str] = match is_pair {
            true => &[WINNER, LOSER, PROMPT],
            false => &[IMAGE, PROMPT],
        };
        if let Some(missing) = needed.iter().find(|name| !has(name)) {
            let names = names.iter().map(String::as_str);
            return Err(PromptsError::missing_column(path, missing, names).into());
        }
        Ok(match is_pair {
            true => Self::Pairs,
            false => Self::Images {
                weighted: has(WEIGHT),
            },
        })
    }

    /// The columns of images, a winner before its loser.
    pub(super) fn images(self) -> &'static [&'static str] {
        match self {
            Self::Images { .. } => &[IMAGE],
            Self::Pairs => &[WINNER, LOSER],
        }
    }

    /// Whether rows have weights.
    pub(super) fn is_weighted(self) -> bool {
        self == Self::Images { weighted: true }
    }
}

/// Looks at the columns of a table.
///
/// # Errors
/// A table that cannot be read, or lacks a column.
pub(super) fn columns_of(path: &Path) -> Result<Columns, ImagesError> {
    match format(path)? {
        Format::Parquet => parquet_table::columns(path),
        Format::Csv(delimiter) => text_table::csv_columns(path, delimiter),
        Format::JsonLines => text_table::json_columns(path),
    }
}

/// Whether images may lie in files of their own.
///
/// # Errors
/// A table that cannot be read, or lacks a column.
pub(super) fn names_files(path: &Path) -> Result<bool, ImagesError> {
    match format(path)? {
        Format::Parquet => parquet_table::names_files(path),
        Format::Csv(_) | Format::JsonLines => Ok(true),
    }
}

/// Hands over the rows of a table.
///
/// # Errors
/// A table that cannot be read, or what the visitor says.
pub(super) fn read_table(
    file: usize,
    path: &Path,
    visitor: &mut Visitor<'_>,
) -> Result<ControlFlow<()>, ImagesError> {
    match format(path)? {
        Format::Parquet => parquet_table::read(file, path, visitor),
        Format::Csv(delimiter) => text_table::read_csv(file, path, delimiter, visitor),
        Format::JsonLines => text_table::read_json(file, path, visitor),
    }
}

/// Parquet where the name or the beginning of a file says so, JSON Lines and tabs by the name, else CSV.
fn format(path: &Path) -> Result<Format, ImagesError> {
    let begins = start(&mut open_input(path)?).map_err(ImagesError::file(path))?;
    let name = path.to_string_lossy().to_lowercase();
    let name = [".gz", ".zst"]
        .iter()
        .find_map(|packed| name.strip_suffix(packed))
        .unwrap_or(&name);
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    Ok(if begins.starts_with(b"PAR1") || ends(&[".parquet", ".pq"]) {
        Format::Parquet
    } else if ends(&[".jsonl", ".ndjson", ".json"]) {
        Format::JsonLines
    } else if ends(&[".tsv"]) {
        Format::Csv('\t')
    } else {
        Format::Csv(',')
    })
}
