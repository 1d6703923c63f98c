//! Tables of several judges side by side.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use mitune_store::{Artifact, Store, StoreError, TableError, TableReader};

use crate::contract::StageError;

/// Columns that say which candidate a row is of; all tables have them, and the same rows in the same order.
const NAMES: usize = 2;

/// Stores the table that has the columns of all tables, from the first to the last.
///
/// # Errors
/// An error of the store.
pub(super) fn put_joined(
    store: &Store,
    schema: &SchemaRef,
    tables: &[Artifact],
) -> Result<Artifact, StageError> {
    let rows = tables.first().and_then(|table| table.rows).unwrap_or_default();
    let mut parts = Vec::with_capacity(tables.len());
    for table in tables {
        let reader = store.artifacts().read_table(table, None)?;
        parts.push(Part { reader, batch: None });
    }
    let joined = Joined {
        schema: schema.clone(),
        parts,
        left: rows as usize,
    };
    Ok(store.artifacts().try_put_table(schema, joined)?)
}

/// The rows of all tables, as many at a time as each has in its batch.
struct Joined {
    schema: SchemaRef,
    parts: Vec<Part>,
    left: usize,
}

/// A table that is read, and what is left of the batch read last.
struct Part {
    reader: TableReader,
    batch: Option<RecordBatch>,
}

impl Part {
    /// The batch that comes next; none at the end.
    fn batch(&mut self) -> Result<Option<&RecordBatch>, StoreError> {
        while self.batch.as_ref().is_none_or(|batch| batch.num_rows() == 0) {
            match self.reader.next() {
                Some(batch) => self.batch = Some(batch?),
                None => return Ok(None),
            }
        }
        Ok(self.batch.as_ref())
    }

    /// Takes rows off the batch that [`Self::batch`] gave.
    fn take(&mut self, rows: usize) -> Option<RecordBatch> {
        let batch = self.batch.take()?;
        self.batch = Some(batch.slice(rows, batch.num_rows() - rows));
        Some(batch.slice(0, rows))
    }
}

impl Joined {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        let mut rows = self.left;
        for part in &mut self.parts {
            let found = part.batch()?.map_or(0, RecordBatch::num_rows);
            rows = rows.min(found);
        }
        if rows == 0 {
            return Ok(None);
        }
        self.left -= rows;
        let mut columns: Vec<ArrayRef> = Vec::new();
        for part in &mut self.parts {
            let batch = part.take(rows);
            let found = batch.iter().flat_map(|batch| batch.columns());
            let skipped = if columns.is_empty() { 0 } else { NAMES };
            columns.extend(found.skip(skipped).map(Arc::clone));
        }
        let joined = RecordBatch::try_new(self.schema.clone(), columns).map_err(TableError::Arrow)?;
        Ok(Some(joined))
    }
}

impl Iterator for Joined {
    type Item = Result<RecordBatch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}
