//! Reading tables batch by batch.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::error::TableError;
use super::manifest::{Part, read_manifest};
use super::parquet_file::{find_columns, order_columns};
use super::window::{Places, Windows};
use crate::artifacts::{Artifact, ArtifactKind};
use crate::error::StoreError;
use crate::store::Artifacts;

/// The batches of a table, rows in order, each of about 32 MiB or 4096 rows.
#[derive(Debug)]
pub struct TableReader {
    schema: SchemaRef,
    source: Source,
}

enum Source {
    File(ParquetRecordBatchReader),
    Parts(Box<Windows>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::File(_) => "File",
            Self::Parts(_) => "Parts",
        })
    }
}

impl Artifacts<'_> {
    /// Opens a table for reading, all columns or those named, in that order; other columns are not read.
    ///
    /// # Errors
    /// [`StoreError::Table`] if a column does not exist, or any error of reading.
    pub fn read_table(
        &self,
        artifact: &Artifact,
        columns: Option<&[&str]>,
    ) -> Result<TableReader, StoreError> {
        if artifact.kind == ArtifactKind::Parts {
            let manifest = read_manifest(self.store, artifact)?;
            let (empty, _) = self.open_table_blob(&manifest.schema.file)?;
            return self.read_places(empty.schema(), Places::from(&manifest), columns);
        }
        artifact.expect(ArtifactKind::Table)?;
        let (file, _) = self.open_table_blob(&artifact.file)?;
        let (found, schema) = project(file.schema(), columns)?;
        let reader = file.read(&found, None)?;
        Ok(TableReader {
            schema,
            source: Source::File(reader),
        })
    }

    /// Opens rows of blobs for reading, in the order of the parts, as [`Artifacts::read_table`](crate::Artifacts::read_table) reads a table of them.
    ///
    /// `schema` has the fields of all blobs. No table of the rows is stored for it.
    ///
    /// # Errors
    /// [`StoreError::Table`] if a column does not exist; the reader tells of blobs that are not there or hold less.
    pub fn read_rows(
        &self,
        schema: &SchemaRef,
        parts: &[Part],
        columns: Option<&[&str]>,
    ) -> Result<TableReader, StoreError> {
        self.read_places(schema, Places::from(parts), columns)
    }

    fn read_places(
        &self,
        schema: &SchemaRef,
        places: Places,
        columns: Option<&[&str]>,
    ) -> Result<TableReader, StoreError> {
        let (found, schema) = project(schema, columns)?;
        let windows = Windows::new(self.store.clone(), places, found, schema.clone());
        Ok(TableReader {
            schema,
            source: Source::Parts(Box::new(windows)),
        })
    }

    /// Reads a whole table into one batch, for tables known to be small.
    ///
    /// # Errors
    /// Those of [`Artifacts::read_table`](crate::Artifacts::read_table).
    pub fn read_table_whole(
        &self,
        artifact: &Artifact,
        columns: Option<&[&str]>,
    ) -> Result<RecordBatch, StoreError> {
        let reader = self.read_table(artifact, columns)?;
        let schema = reader.schema().clone();
        let batches = reader.collect::<Result<Vec<_>, _>>()?;
        Ok(arrow_select::concat::concat_batches(&schema, &batches).map_err(TableError::Arrow)?)
    }
}

impl TableReader {
    /// Returns the schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Iterator for TableReader {
    type Item = Result<RecordBatch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::File(reader) => Some(
                reader
                    .next()?
                    .map_err(TableError::Arrow)
                    .and_then(|batch| order_columns(&batch, &self.schema))
                    .map_err(StoreError::Table),
            ),
            Source::Parts(windows) => windows.next_batch().transpose(),
        }
    }
}

fn project(schema: &SchemaRef, columns: Option<&[&str]>) -> Result<(Vec<usize>, SchemaRef), TableError> {
    let found = find_columns(schema, columns)?;
    let fields: Vec<_> = found
        .iter()
        .map(|column| schema.fields()[*column].clone())
        .collect();
    Ok((
        found,
        Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())),
    ))
}
