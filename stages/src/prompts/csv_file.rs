//! CSV files with a header.

use std::fs::File;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::collector::{Collector, RawPrompt};
use super::error::PromptsError;

/// A column of CSV files; their first record names the columns.
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
            return Err(PromptsError::Setting { setting: "source.csv.paths", problem });
        }
        if !self.delimiter.is_ascii() || ['"', '\r', '\n'].contains(&self.delimiter) {
            let problem = format!("must be an ASCII character that is no quote or line ending, found {:?}", self.delimiter);
            return Err(PromptsError::Setting { setting: "source.csv.delimiter", problem });
        }
        Ok(())
    }

    pub(super) fn read(&self, path: &Path, collector: &mut Collector<'_>) -> Result<(), PromptsError> {
        let mut records = open_records(path, self.delimiter)?;
        let header = records.byte_headers().map_err(PromptsError::csv(path))?.clone();
        let prompt = column_index(path, &header, &self.column)?;
        let label = |column: &Option<String>| {
            column.as_deref().map(|column| column_index(path, &header, column)).transpose()
        };
        let (category, split) = (label(&self.category_column)?, label(&self.split_column)?);
        let mut record = csv::ByteRecord::new();
        while records.read_byte_record(&mut record).map_err(PromptsError::csv(path))? {
            let text = |index: Option<usize>| {
                let bytes = index.and_then(|index| record.get(index))?.trim_ascii();
                (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes))
            };
            let (category, split) = (text(category), text(split));
            let raw = RawPrompt {
                text: record.get(prompt).unwrap_or_default(),
                cut: false,
                category: category.as_deref(),
                split: split.as_deref(),
                line: record.position().map_or(0, csv::Position::line),
            };
            collector.offer(path, raw)?;
        }
        Ok(())
    }
}

/// Opens a CSV file whose first record is a header; every record must have as many fields.
pub(super) fn open_records(path: &Path, delimiter: char) -> Result<csv::Reader<File>, PromptsError> {
    let file = File::open(path).map_err(PromptsError::read(path))?;
    let delimiter = u8::try_from(delimiter).unwrap_or(b',');
    Ok(csv::ReaderBuilder::new().delimiter(delimiter).from_reader(file))
}

/// The place of a column in the header.
pub(super) fn column_index(path: &Path, header: &csv::ByteRecord, column: &str) -> Result<usize, PromptsError> {
    header.iter().position(|name| name.trim_ascii() == column.as_bytes()).ok_or_else(|| {
        let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
        PromptsError::missing_column(path, column, names.iter().map(AsRef::as_ref))
    })
}
