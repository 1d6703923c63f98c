//! Cutting a stream of batches into row groups by the rows alone.

use std::collections::VecDeque;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;

use super::error::TableError;

/// A row group ends with the row that brings it to this many bytes of row encoding, about a hundred images.
const GROUP_BYTES: u64 = 32 << 20;

/// Or with this many rows.
const GROUP_ROWS: usize = 65_536;

/// Collects rows until a group is full, so that the cuts do not depend on how the rows arrived.
#[derive(Debug)]
pub(crate) struct RowGroups {
    schema: SchemaRef,
    pending: Vec<RecordBatch>,
    rows: usize,
    bytes: u64,
    full: VecDeque<RecordBatch>,
}

impl RowGroups {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            pending: Vec::new(),
            rows: 0,
            bytes: 0,
            full: VecDeque::new(),
        }
    }

    /// Takes a batch and the length of each of its rows.
    pub(crate) fn push(
        &mut self,
        batch: &RecordBatch,
        lengths: impl Iterator<Item = u64>,
    ) -> Result<(), TableError> {
        let mut start = 0;
        for (row, length) in lengths.enumerate() {
            self.rows += 1;
            self.bytes += length;
            if self.bytes >= GROUP_BYTES || self.rows >= GROUP_ROWS {
                self.pending.push(batch.slice(start, row + 1 - start));
                start = row + 1;
                self.close()?;
            }
        }
        if start < batch.num_rows() {
            self.pending.push(batch.slice(start, batch.num_rows() - start));
        }
        Ok(())
    }

    /// Returns the next full group.
    pub(crate) fn pop(&mut self) -> Option<RecordBatch> {
        self.full.pop_front()
    }

    /// Returns the rows of the last group, if there are any.
    pub(crate) fn finish(mut self) -> Result<Option<RecordBatch>, TableError> {
        self.close()?;
        Ok(self.full.pop_front())
    }

    fn close(&mut self) -> Result<(), TableError> {
        if self.rows > 0 {
            self.full.push_back(concat_batches(&self.schema, &self.pending)?);
        }
        self.pending.clear();
        self.rows = 0;
        self.bytes = 0;
        Ok(())
    }
}
