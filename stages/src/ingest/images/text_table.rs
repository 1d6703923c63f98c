//! Tables of images as text: CSV with a header, and JSON Lines.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use super::error::ImagesError;
use super::place::ImagePlace;
use super::rows::{Caption, GivenImage, RowImages, RowPlace, SourceRow};
use super::source::Visitor;
use super::table::{Columns, PROMPT, WEIGHT};
use crate::ingest::prompts::csv_file::column_index;
use crate::ingest::prompts::csv_records::open_records;
use crate::ingest::prompts::json_row::{Row, read_row};
use crate::ingest::prompts::lines::{LineEnds, LineReader};
use crate::ingest::prompts::text_file::open_text;
use crate::ingest::prompts::{InvalidPrompt, PromptsError};

/// The greatest length of a line of JSON, in bytes.
const MOST_LINE_BYTES: usize = 16 << 20;

/// What a line has for a row.
struct Fields {
    /// Paths of images, relative to the table.
    images: Vec<String>,
    caption: Caption,
    weight: Option<f64>,
}

/// Tells the columns of a CSV file by its header.
pub(super) fn csv_columns(path: &Path, delimiter: char) -> Result<Columns, ImagesError> {
    let mut records = open_records(path, delimiter)?;
    let header = records.byte_headers().map_err(PromptsError::csv(path))?;
    let names = header
        .iter()
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned());
    Columns::among(path, &names.collect::<Vec<_>>())
}

/// Tells the columns of a file of JSON Lines by its first object.
pub(super) fn json_columns(path: &Path) -> Result<Columns, ImagesError> {
    let mut names = Vec::new();
    let _ = each_object(path, &[], |_, row| {
        names = row.names;
        Ok(ControlFlow::Break(()))
    })?;
    Columns::among(path, &names)
}

/// Hands over the records of a CSV file.
pub(super) fn read_csv(
    file: usize,
    path: &Path,
    delimiter: char,
    visitor: &mut Visitor<'_>,
) -> Result<ControlFlow<()>, ImagesError> {
    let columns = csv_columns(path, delimiter)?;
    let mut records = open_records(path, delimiter)?;
    let header = records.byte_headers().map_err(PromptsError::csv(path))?.clone();
    let index = |name: &str| column_index(path, &header, name);
    let images = columns.images().iter().map(|name| index(name));
    let images = images.collect::<Result<Vec<usize>, _>>()?;
    let prompt = index(PROMPT)?;
    let weight = columns.is_weighted().then(|| index(WEIGHT)).transpose()?;
    let mut record = csv::ByteRecord::new();
    let mut row = 0;
    while records
        .read_byte_record(&mut record)
        .map_err(PromptsError::csv(path))?
    {
        row += 1;
        let field = |index: usize| record.get(index).unwrap_or_default();
        let text = |index: usize| String::from_utf8_lossy(field(index).trim_ascii()).into_owned();
        let fields = Fields {
            images: images.iter().map(|index| text(*index)).collect(),
            caption: Caption::Bytes(field(prompt).to_vec()),
            weight: weight.map(|index| parsed(path, row, &text(index))).transpose()?,
        };
        let flow = visitor(fields.into_row(path, RowPlace { file, row }))?;
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Hands over the objects of a file of JSON Lines.
pub(super) fn read_json(
    file: usize,
    path: &Path,
    visitor: &mut Visitor<'_>,
) -> Result<ControlFlow<()>, ImagesError> {
    let columns = json_columns(path)?;
    let names = columns.images();
    let wanted: Vec<&str> = names.iter().copied().chain([PROMPT, WEIGHT]).collect();
    each_object(path, &wanted, |row, object| {
        let value = |index: usize| object.values.get(index).and_then(Option::as_ref);
        let image = |index: usize| value(index).and_then(Value::as_str).unwrap_or_default();
        let weight = value(names.len() + 1);
        let fields = Fields {
            images: (0..names.len()).map(|index| image(index).to_owned()).collect(),
            caption: caption(value(names.len())),
            weight: match columns {
                Columns::Images { weighted: true } => Some(number(path, row, weight)?),
                Columns::Images { weighted: false } if weight.is_some_and(|weight| !weight.is_null()) => {
                    let path = path.to_owned();
                    return Err(ImagesError::LateWeight { path, row });
                }
                Columns::Images { weighted: false } | Columns::Pairs => None,
            },
        };
        visitor(fields.into_row(path, RowPlace { file, row }))
    })
}

/// Reads the objects of a file of JSON Lines with the values of the fields that are wanted, or with all names where none
/// are; blank lines are passed over.
fn each_object(
    path: &Path,
    wanted: &[&str],
    mut each: impl FnMut(u64, Row) -> Result<ControlFlow<()>, ImagesError>,
) -> Result<ControlFlow<()>, ImagesError> {
    let mut lines = LineReader::new(open_text(path)?, LineEnds::Lf, MOST_LINE_BYTES);
    while let Some(line) = lines.next_line().map_err(PromptsError::read(path))? {
        let row = line.number;
        if line.cut {
            return Err(ImagesError::LongLine {
                path: path.to_owned(),
                row,
                limit: MOST_LINE_BYTES,
            });
        }
        let text = str::from_utf8(line.bytes).map_err(|_| ImagesError::Prompt {
            path: path.to_owned(),
            row,
            problem: InvalidPrompt::NotUtf8,
        })?;
        if text.trim_ascii().is_empty() {
            continue;
        }
        let object = read_row(text, wanted, wanted.is_empty()).map_err(|source| ImagesError::Line {
            path: path.to_owned(),
            row,
            source,
        })?;
        let flow = each(row, object)?;
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

impl Fields {
    /// The row of a table, whose folder paths of images start at.
    fn into_row(self, table: &Path, at: RowPlace) -> SourceRow {
        let folder = table.parent().unwrap_or(Path::new(""));
        let given = |path: &String| {
            GivenImage::at(match path.is_empty() {
                true => ImagePlace::Nowhere,
                false => ImagePlace::File(folder.join(path)),
            })
        };
        let images = match self.images.as_slice() {
            [winner, loser] => RowImages::Pair {
                winner: given(winner),
                loser: given(loser),
            },
            [image] => RowImages::One(given(image)),
            _ => RowImages::One(GivenImage::at(ImagePlace::Nowhere)),
        };
        SourceRow {
            at,
            caption: self.caption,
            images,
            weight: self.weight,
        }
    }
}

fn caption(value: Option<&Value>) -> Caption {
    match value {
        Some(Value::String(text)) => Caption::Bytes(text.clone().into_bytes()),
        None | Some(Value::Null) => Caption::Null,
        Some(Value::Bool(_)) => Caption::Invalid(InvalidPrompt::NotText("a boolean")),
        Some(Value::Number(_)) => Caption::Invalid(InvalidPrompt::NotText("a number")),
        Some(Value::Array(_)) => Caption::Invalid(InvalidPrompt::NotText("a list")),
        Some(Value::Object(_)) => Caption::Invalid(InvalidPrompt::NotText("an object")),
    }
}

fn number(path: &Path, row: u64, value: Option<&Value>) -> Result<f64, ImagesError> {
    let text = value.map_or(String::new(), Value::to_string);
    parsed(path, row, &text)
}

/// Reads a weight.
fn parsed(path: &Path, row: u64, text: &str) -> Result<f64, ImagesError> {
    let number: Option<f64> = text.parse().ok();
    checked_weight(path, row, number, text)
}

/// Checks that a weight is one.
pub(super) fn checked_weight(
    path: &Path,
    row: u64,
    number: Option<f64>,
    found: &str,
) -> Result<f64, ImagesError> {
    number
        .filter(|weight| weight.is_finite() && *weight >= 0.0)
        .ok_or_else(|| ImagesError::Weight {
            path: path.to_owned(),
            row,
            found: match found {
                "" => "missing".to_owned(),
                found => format!("`{found}`"),
            },
        })
}
