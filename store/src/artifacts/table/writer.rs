//! Writing tables as Parquet with fixed settings: the same rows give the same bytes.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::error::TableError;
use super::row_digest::{self, ContentHasher};
use super::row_groups::RowGroups;
use super::schema::describe;
use crate::artifacts::{Artifact, ArtifactKind};
use crate::error::StoreError;
use crate::names::ContentDigest;
use crate::store::Artifacts;

impl Artifacts<'_> {
    /// Stores a table as one Parquet file; metadata of the schema is kept but is no content.
    ///
    /// # Errors
    /// [`StoreError::Table`] if a batch has other fields than the schema or a type that tables here do not hold, or
    /// any error of writing.
    pub fn put_table(
        &self,
        schema: &SchemaRef,
        batches: impl IntoIterator<Item = RecordBatch>,
    ) -> Result<Artifact, StoreError> {
        self.try_put_table(schema, batches.into_iter().map(Ok))
    }

    /// Stores a table from batches that may fail to come, such as those of a [`crate::TableReader`].
    ///
    /// # Errors
    /// The first error of a batch, or those of [`Artifacts::put_table`](crate::Artifacts::put_table).
    pub fn try_put_table(
        &self,
        schema: &SchemaRef,
        batches: impl IntoIterator<Item = Result<RecordBatch, StoreError>>,
    ) -> Result<Artifact, StoreError> {
        let mut writer = self.store.blobs().writer(None)?;
        let written = write_parquet(&mut writer, schema, batches);
        if let Some(failure) = writer.take_failure() {
            return Err(failure.into());
        }
        let (content, rows) = written?;
        let bytes = writer.written();
        let file = writer.finish()?;
        Ok(Artifact {
            kind: ArtifactKind::Table,
            file,
            content,
            bytes,
            rows: Some(rows),
        })
    }
}

/// Writes Parquet and returns what the table means and its number of rows.
pub(crate) fn write_parquet<W: Write + Send>(
    output: W,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = Result<RecordBatch, StoreError>>,
) -> Result<(ContentDigest, u64), StoreError> {
    let mut content = ContentHasher::new(schema)?;
    let mut writer =
        ArrowWriter::try_new(output, schema.clone(), Some(properties(schema))).map_err(TableError::write)?;
    let mut groups = RowGroups::new(schema.clone());
    let mut count = 0;
    for batch in batches {
        let batch = adopt_schema(batch?, schema)?;
        let rows = row_digest::rows(&batch)?;
        rows.iter().for_each(|(digest, _)| content.push(digest));
        count += rows.len() as u64;
        groups.push(&batch, rows.iter().map(|(_, length)| *length))?;
        while let Some(group) = groups.pop() {
            write_group(&mut writer, &group)?;
        }
    }
    if let Some(group) = groups.finish()? {
        write_group(&mut writer, &group)?;
    }
    writer.close().map_err(TableError::write)?;
    Ok((content.finish(), count))
}

fn write_group<W: Write + Send>(writer: &mut ArrowWriter<W>, group: &RecordBatch) -> Result<(), TableError> {
    writer
        .write(group)
        .and_then(|()| writer.flush())
        .map_err(TableError::write)
}

/// Gives a batch the metadata of the table, if its fields are the same.
fn adopt_schema(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, TableError> {
    let same = batch.schema().fields().len() == schema.fields().len()
        && batch.schema().fields().iter().zip(schema.fields()).all(|(a, b)| {
            a.name() == b.name() && a.data_type() == b.data_type() && a.is_nullable() == b.is_nullable()
        });
    if !same {
        return Err(TableError::Fields {
            found: describe(&batch.schema()),
            expected: describe(schema),
        });
    }
    Ok(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?)
}

/// The settings of every Parquet file: no time, no library version, and no effort on what does not shrink.
fn properties(schema: &Schema) -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default());
    let mut builder = WriterProperties::builder()
        .set_created_by("mitune".to_owned())
        .set_max_row_group_row_count(Some(usize::MAX))
        .set_data_page_row_count_limit(4096)
        .set_compression(zstd);
    for field in schema.fields() {
        builder = set_incompressible(builder, field, &mut vec![field.name().clone()], false);
    }
    builder.build()
}

/// Leaves images and lists of floats as they are: they take time to compress and do not shrink.
fn set_incompressible(
    mut builder: WriterPropertiesBuilder,
    field: &Field,
    path: &mut Vec<String>,
    in_list: bool,
) -> WriterPropertiesBuilder {
    match field.data_type() {
        DataType::Binary => store_plain(builder, path),
        DataType::Float32 | DataType::Float64 if in_list => store_plain(builder, path),
        DataType::List(element) => {
            let depth = path.len();
            path.extend(["list".to_owned(), element.name().clone()]);
            builder = set_incompressible(builder, element, path, true);
            path.truncate(depth);
            builder
        }
        DataType::Struct(fields) => {
            for member in fields {
                path.push(member.name().clone());
                builder = set_incompressible(builder, member, path, in_list);
                path.pop();
            }
            builder
        }
        _ => builder,
    }
}

fn store_plain(builder: WriterPropertiesBuilder, path: &[String]) -> WriterPropertiesBuilder {
    let column = ColumnPath::new(path.to_vec());
    builder
        .set_column_compression(column.clone(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(column.clone(), false)
        .set_column_statistics_enabled(column, EnabledStatistics::None)
}
