//! One Parquet file of the store, opened for reading some columns and rows.

use std::fs::File;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection,
};

use super::error::TableError;

/// Batches aim at this many bytes in memory.
pub(crate) const BATCH_BYTES: u64 = 32 << 20;

/// Batches have at most this many rows.
pub(crate) const BATCH_ROWS: usize = 4096;

/// An open file with its footer, cheap to keep.
#[derive(Debug, Clone)]
pub(crate) struct ParquetFile {
    file: Arc<File>,
    metadata: ArrowReaderMetadata,
}

/// Row groups end at 32 MiB or with the one row that goes beyond; a file from elsewhere may claim anything.
const GROUP_LIMIT: i64 = 1 << 30;

impl ParquetFile {
    pub(crate) fn open(file: File) -> Result<Self, TableError> {
        let metadata =
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(TableError::read)?;
        let mut groups = metadata.metadata().row_groups().iter();
        if let Some(group) = groups.find(|group| !(0..=GROUP_LIMIT).contains(&group.total_byte_size())) {
            let (bytes, limit) = (group.total_byte_size(), GROUP_LIMIT);
            return Err(TableError::RowGroupSize { bytes, limit });
        }
        Ok(Self {
            file: Arc::new(file),
            metadata,
        })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Returns the bytes that some columns of one row take on average, at least 1.
    pub(crate) fn row_bytes(&self, columns: &[usize]) -> u64 {
        let groups = self.metadata.metadata().row_groups().iter();
        let leaves = groups.flat_map(|group| group.columns());
        let bytes: i64 = leaves
            .filter(|leaf| {
                let root = leaf.column_path().parts().first();
                self.existing(columns)
                    .any(|column| Some(self.schema().field(column).name()) == root)
            })
            .map(|leaf| leaf.uncompressed_size())
            .sum();
        (u64::try_from(bytes).unwrap_or(0) / self.rows().max(1)).max(1)
    }

    /// The columns without those that the file lacks: a file may hold less than it should, which is told once its
    /// batches are put into order.
    fn existing(&self, columns: &[usize]) -> impl Iterator<Item = usize> {
        let count = self.schema().fields().len();
        columns.iter().copied().filter(move |column| *column < count)
    }

    fn batch_rows(&self, columns: &[usize]) -> usize {
        usize::try_from(BATCH_BYTES / self.row_bytes(columns))
            .unwrap_or(BATCH_ROWS)
            .clamp(1, BATCH_ROWS)
    }

    /// Reads some columns, of all rows or of a selection.
    pub(crate) fn read(
        &self,
        columns: &[usize],
        selection: Option<RowSelection>,
    ) -> Result<ParquetRecordBatchReader, TableError> {
        let file = self
            .file
            .try_clone()
            .map_err(|error| TableError::read(error.into()))?;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), self.existing(columns));
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_batch_size(self.batch_rows(columns))
            .with_projection(mask);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        builder.build().map_err(TableError::read)
    }
}

/// Finds columns by name, all of them if none are named.
pub(crate) fn find_columns(schema: &SchemaRef, names: Option<&[&str]>) -> Result<Vec<usize>, TableError> {
    let Some(names) = names else {
        return Ok((0..schema.fields().len()).collect());
    };
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let index = schema
            .fields()
            .iter()
            .position(|field| field.name() == name)
            .ok_or_else(|| {
                let columns: Vec<_> = schema
                    .fields()
                    .iter()
                    .map(|field| format!("`{}`", field.name()))
                    .collect();
                TableError::NoColumn {
                    name: (*name).to_owned(),
                    columns: columns.join(", "),
                }
            })?;
        if columns.contains(&index) {
            return Err(TableError::RepeatedColumn((*name).to_owned()));
        }
        columns.push(index);
    }
    Ok(columns)
}

/// Puts the columns of a batch, which come in file order, into the order of the projected schema.
pub(crate) fn order_columns(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, TableError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            batch
                .column_by_name(field.name())
                .cloned()
                .ok_or_else(|| TableError::NoColumn {
                    name: field.name().clone(),
                    columns: super::schema::describe(&batch.schema()),
                })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}
