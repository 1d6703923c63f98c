//! Rows of several blobs in the order of the table.
//!
//! Each window of consecutive rows is gathered with one pass over every blob it touches, so a blob is decoded at most
//! once per window and memory is bounded by the window, whatever the order of the rows.

use std::collections::{BTreeMap, HashMap, VecDeque};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::interleave::interleave_record_batch;
use parquet::arrow::arrow_reader::RowSelection;

use super::error::TableError;
use super::manifest::{Manifest, Part};
use super::parquet_file::{BATCH_BYTES, BATCH_ROWS, ParquetFile, order_columns};
use crate::error::StoreError;
use crate::names::FileDigest;
use crate::store::Store;

/// Files kept open between windows.
const OPEN_FILES: usize = 16;

/// Rows in order: each the index of its blob, and its row there.
#[derive(Debug)]
pub(crate) struct Places {
    blobs: Vec<FileDigest>,
    rows: Vec<(usize, u32)>,
}

/// Reads rows of blobs, window by window.
#[derive(Debug)]
pub(crate) struct Windows {
    store: Store,
    blobs: Vec<FileDigest>,
    places: Vec<(usize, u32)>,
    next: usize,
    columns: Vec<usize>,
    schema: SchemaRef,
    open: VecDeque<(FileDigest, ParquetFile)>,
    /// Bytes one row of each blob takes in memory, as far as they are known.
    row_bytes: Vec<Option<u64>>,
}

impl From<&Manifest> for Places {
    fn from(manifest: &Manifest) -> Self {
        Self {
            blobs: manifest.blobs.iter().map(|member| member.file).collect(),
            rows: manifest.places().collect(),
        }
    }
}

impl From<&[Part]> for Places {
    fn from(parts: &[Part]) -> Self {
        let mut index = HashMap::new();
        let (mut blobs, mut rows) = (Vec::new(), Vec::new());
        for part in parts {
            let blob = *index.entry(part.blob).or_insert_with(|| {
                blobs.push(part.blob);
                blobs.len() - 1
            });
            rows.extend(part.rows.iter().map(|row| (blob, *row)));
        }
        Self { blobs, rows }
    }
}

impl Windows {
    pub(crate) fn new(store: Store, places: Places, columns: Vec<usize>, schema: SchemaRef) -> Self {
        let Places { blobs, rows: places } = places;
        let row_bytes = vec![None; blobs.len()];
        Self {
            store,
            blobs,
            places,
            next: 0,
            columns,
            schema,
            open: VecDeque::new(),
            row_bytes,
        }
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        let end = self.window_end()?;
        if self.next == end {
            return Ok(None);
        }
        let places = self.places[self.next..end].to_vec();
        self.next = end;
        if self.columns.is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
            let batch = RecordBatch::try_new_with_options(self.schema.clone(), Vec::new(), &options);
            return Ok(Some(batch.map_err(TableError::Arrow)?));
        }

        let mut wanted: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (blob, row) in &places {
            wanted.entry(*blob).or_default().push(*row);
        }
        let mut batches = Vec::with_capacity(wanted.len());
        let mut positions = BTreeMap::new();
        for (blob, rows) in &mut wanted {
            rows.sort_unstable();
            rows.dedup();
            positions.insert(*blob, batches.len());
            batches.push(self.read_rows(*blob, rows)?);
        }
        let mut indices = Vec::with_capacity(places.len());
        for (blob, row) in &places {
            let place = wanted.get(blob).and_then(|rows| rows.binary_search(row).ok());
            match (positions.get(blob), place) {
                (Some(batch), Some(place)) => indices.push((*batch, place)),
                _ => return Err(TableError::ManifestContent("a row was not read").into()),
            }
        }
        let batches: Vec<_> = batches.iter().collect();
        Ok(Some(
            interleave_record_batch(&batches, &indices).map_err(TableError::Arrow)?,
        ))
    }

    /// Finds where the next window ends, from the footers of the blobs it touches.
    fn window_end(&mut self) -> Result<usize, StoreError> {
        let mut bytes = 0;
        for index in self.next..self.places.len().min(self.next + BATCH_ROWS) {
            let (blob, _) = self.places[index];
            let row = match self.row_bytes[blob] {
                Some(known) => known,
                None => {
                    let digest = self.blobs[blob];
                    let file = self.file(&digest)?;
                    *self.row_bytes[blob].insert(file.row_bytes(&self.columns))
                }
            };
            if index > self.next && bytes + row > BATCH_BYTES {
                return Ok(index);
            }
            bytes += row;
        }
        Ok(self.places.len().min(self.next + BATCH_ROWS))
    }

    /// Reads sorted rows of one blob.
    fn read_rows(&mut self, blob: usize, rows: &[u32]) -> Result<RecordBatch, StoreError> {
        let digest = self.blobs[blob];
        let file = self.file(&digest)?;
        let total = file.rows();
        if let Some(row) = rows.last().filter(|row| u64::from(**row) >= total) {
            return Err(TableError::RowRange {
                blob: digest,
                row: *row,
                rows: total,
            }
            .into());
        }
        let ranges = rows.iter().map(|row| *row as usize..*row as usize + 1);
        let selection =
            RowSelection::from_consecutive_ranges(ranges, usize::try_from(total).unwrap_or(usize::MAX));
        let reader = file.read(&self.columns, Some(selection))?;
        let mut batches = Vec::new();
        for batch in reader {
            batches.push(order_columns(&batch.map_err(TableError::Arrow)?, &self.schema)?);
        }
        let batch = concat_batches(&self.schema, &batches).map_err(TableError::Arrow)?;
        if batch.num_rows() != rows.len() {
            return Err(TableError::ManifestContent("a blob gave another number of rows").into());
        }
        Ok(batch)
    }

    fn file(&mut self, digest: &FileDigest) -> Result<ParquetFile, StoreError> {
        if let Some(index) = self.open.iter().position(|(open, _)| open == digest)
            && let Some(entry) = self.open.remove(index)
        {
            let file = entry.1.clone();
            self.open.push_back(entry);
            return Ok(file);
        }
        let (file, _) = self.store.artifacts().open_table_blob(digest)?;
        if self.open.len() == OPEN_FILES {
            self.open.pop_front();
        }
        self.open.push_back((*digest, file.clone()));
        Ok(file)
    }
}
