//! A text column of Parquet files.

use std::path::{Path, PathBuf};

use arrow_array::{Array, StringArray};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::collector::{Collector, RawPrompt};
use super::error::PromptsError;
use super::parquet_file::ParquetFile;

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

/// Offers every row of a text column; a null counts as empty.
pub(super) fn read_column(
    file: ParquetFile,
    column: &str,
    labels: Labels<'_>,
    collector: &mut Collector<'_>,
) -> Result<(), PromptsError> {
    let path = file.path().to_owned();
    let columns: Vec<&str> =
        [Some(column), labels.category_column, labels.split_column].into_iter().flatten().collect();
    let mut batches = file.read(&columns, None)?;
    let mut line = 0;
    while let Some(batch) = batches.next_batch()? {
        let prompts = batches.text(&batch, column)?;
        let label = |column: Option<&str>| column.map(|column| batches.text(&batch, column)).transpose();
        let (categories, splits) = (label(labels.category_column)?, label(labels.split_column)?);
        for row in 0..batch.num_rows() {
            line += 1;
            let raw = RawPrompt {
                text: text(prompts, row).unwrap_or_default().as_bytes(),
                cut: false,
                category: labels.category.or_else(|| categories.and_then(|column| text(column, row))),
                split: labels.split.or_else(|| splits.and_then(|column| text(column, row))),
                line,
            };
            collector.offer(&path, raw)?;
        }
    }
    Ok(())
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}
