//! Rows of a table, read again where their items are computed.

use std::ops::Range;

use arrow_array::RecordBatch;
use mitune_store::{Artifact, Store, TableReader};

use crate::contract::StageError;

/// Reads rows of a table. It is quick for rows that lie behind those asked for before, and keeps few in memory.
pub(crate) struct RowReader<'a> {
    store: &'a Store,
    table: &'a Artifact,
    columns: &'static [&'static str],
    reader: TableReader,
    batch: Option<RecordBatch>,
    /// Row of the table that the batch begins with.
    start: u64,
}

impl<'a> RowReader<'a> {
    pub(crate) fn open(
        store: &'a Store,
        table: &'a Artifact,
        columns: &'static [&'static str],
    ) -> Result<Self, StageError> {
        Ok(Self {
            store,
            table,
            columns,
            reader: store.artifacts().read_table(table, Some(columns))?,
            batch: None,
            start: 0,
        })
    }

    /// Reads rows of the table; `read` gets the batch that holds a row, and the row's place in it.
    pub(crate) fn read<T>(
        &mut self,
        wanted: &Range<u64>,
        read: impl Fn(&RecordBatch, usize) -> Result<T, StageError>,
    ) -> Result<Vec<T>, StageError> {
        // What another process had begun and did not finish lies before what was read last.
        if wanted.start < self.start {
            *self = Self::open(self.store, self.table, self.columns)?;
        }
        let mut found = Vec::new();
        for row in wanted.clone() {
            let (batch, offset) = self.batch_with(row)?;
            found.push(read(batch, offset)?);
        }
        Ok(found)
    }

    /// Returns the batch that holds a row of the table, and the row's place in it.
    fn batch_with(&mut self, row: u64) -> Result<(&RecordBatch, usize), StageError> {
        loop {
            let length = self.batch.as_ref().map_or(0, RecordBatch::num_rows) as u64;
            if row < self.start + length {
                break;
            }
            self.start += length;
            let next = self.reader.next().ok_or_else(|| StageError::failed(Shorter))?;
            self.batch = Some(next?);
        }
        let offset = (row - self.start) as usize;
        let batch = self.batch.as_ref().map(|batch| (batch, offset));
        batch.ok_or_else(|| StageError::failed(Shorter))
    }
}

/// A table with fewer rows than it had.
#[derive(Debug, thiserror::Error)]
#[error("Table of candidates became shorter while it was read")]
struct Shorter;
