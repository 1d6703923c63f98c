use std::path::{Path, PathBuf};
use std::str::Utf8Error;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clean::{InvalidPrompt, RawText};
use super::collector::{Collector, RawPrompt};
use super::error::PromptsError;
use super::parquet_file::ParquetFile;
use super::parquet_text::TextColumn;

/// A text column of Parquet files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParquetSource {
    /// The files, read in this order.
    pub paths: Vec<PathBuf>,
    /// The column that holds the prompt. By default, `prompt`.
    #[serde(default = "default_column")]
    pub column: String,
    /// A text column that holds the category. By default, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_column: Option<String>,
    /// A text column that holds the split. By default, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_column: Option<String>,
}

fn default_column() -> String {
    "prompt".to_owned()
}

impl ParquetSource {
    pub(super) fn read(&self, path: &Path, collector: &mut Collector<'_>) -> Result<(), PromptsError> {
        let labels = Labels {
            category_column: self.category_column.as_deref(),
            split_column: self.split_column.as_deref(),
            ..Labels::default()
        };
        read_column(ParquetFile::open(path)?, &self.column, labels, collector)
    }
}

/// The category and the split of rows: the same for all, or in a column of their own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Labels<'a> {
    pub category: Option<&'a str>,
    pub split: Option<&'a str>,
    pub category_column: Option<&'a str>,
    pub split_column: Option<&'a str>,
}

/// Offers every row of a text column.
pub(super) fn read_column(
    file: ParquetFile,
    column: &str,
    labels: Labels<'_>,
    collector: &mut Collector<'_>,
) -> Result<(), PromptsError> {
    let path = file.path().to_owned();
    let mut columns = Vec::new();
    for (setting, column) in [
        ("column", Some(column)),
        ("category_column", labels.category_column),
        ("split_column", labels.split_column),
    ] {
        let Some(column) = column else { continue };
        file.check_text(column)
            .map_err(|error| error.of_setting(setting))?;
        columns.push(column);
    }
    let mut batches = file.read(&columns, None)?;
    let mut line = 0;
    while let Some(batch) = batches.next_batch()? {
        let prompts = batches.text(&batch, column)?;
        let label = |column: Option<&str>| column.map(|column| batches.text(&batch, column)).transpose();
        let (categories, splits) = (label(labels.category_column)?, label(labels.split_column)?);
        for row in 0..batch.num_rows() {
            line += 1;
            let prompt = prompts.bytes(row).map_or(RawText::Null, RawText::Bytes);
            let (text, category, split) = match (text(&categories, row), text(&splits, row)) {
                (Ok(category), Ok(split)) => (prompt, category, split),
                _ => (RawText::Invalid(InvalidPrompt::Label), None, None),
            };
            let raw = RawPrompt {
                text,
                category: labels.category.or(category),
                split: labels.split.or(split),
                line,
            };
            collector.offer(&path, raw)?;
        }
    }
    Ok(())
}

fn text(column: &Option<TextColumn>, row: usize) -> Result<Option<&str>, Utf8Error> {
    let bytes = column.as_ref().and_then(|column| column.bytes(row));
    bytes.map(str::from_utf8).transpose()
}

#[cfg(test)]
mod tests;
