//! Images inside of Parquet, read again by their rows.

use std::path::Path;

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::error::ImagesError;
use crate::ingest::prompts::pairs::image_column::{Image, image};
use crate::ingest::prompts::parquet_file::{Batches, ParquetFile};

/// Rows decoded at a time: few, because each may hold images of megabytes. Where values are larger still, fewer are.
pub(super) const BATCH_ROWS: usize = 16;

/// Columns that may hold images.
const COLUMNS: [&str; 5] = ["image", "jpg_0", "jpg_1", "loser", "winner"];

/// Rows that are read and dropped at most before the file is opened anew behind them.
const MOST_PASSED_OVER: u64 = 256;

/// The images of a file, one batch of them in memory. Rows that follow each other are read without opening it again.
pub(super) struct ParquetImages {
    /// The file of the source, from 0.
    pub(super) file: usize,
    batches: Batches,
    batch: Option<RecordBatch>,
    /// The row, from 1, that the batch or else the next one begins with.
    first: u64,
}

impl ParquetImages {
    /// Opens a file at a row, from 1.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn open(file: usize, path: &Path, row: u64) -> Result<Self, ImagesError> {
        let opened = ParquetFile::open(path)?;
        let columns: Vec<&str> = COLUMNS.into_iter().filter(|column| opened.has(column)).collect();
        let before = row.saturating_sub(1).min(opened.rows());
        let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        let selection = (before > 0).then(|| {
            let behind = opened.rows() - before;
            RowSelection::from(vec![
                RowSelector::skip(count(before)),
                RowSelector::select(count(behind)),
            ])
        });
        Ok(Self {
            file,
            batches: opened.with_batch_rows(BATCH_ROWS).read(&columns, selection)?,
            batch: None,
            first: before + 1,
        })
    }

    /// Whether a row is read sooner from here than from a file that is opened anew.
    pub(super) fn is_near(&self, row: u64) -> bool {
        (self.first..self.first.saturating_add(MOST_PASSED_OVER)).contains(&row)
    }

    /// The bytes of the image of a row that lies not before the batch; nothing where there is none.
    ///
    /// # Errors
    /// A file that is damaged.
    pub(super) fn image(&mut self, row: u64, column: &str) -> Result<Option<Vec<u8>>, ImagesError> {
        loop {
            if let Some(batch) = &self.batch {
                let rows = batch.num_rows() as u64;
                if row < self.first + rows {
                    let index = usize::try_from(row - self.first).unwrap_or(usize::MAX);
                    let found = batch.column_by_name(column);
                    return Ok(found.and_then(|found| match image(found, index)? {
                        Image::Bytes(bytes, _) => Some(bytes),
                        Image::Path(_) => None,
                    }));
                }
                self.first += rows;
            }
            self.batch = self.batches.next_batch()?;
            if self.batch.is_none() {
                return Ok(None);
            }
        }
    }
}
