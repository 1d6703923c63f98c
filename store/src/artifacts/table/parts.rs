//! Tables put together from rows of shard blobs, without copying them.

use std::collections::HashMap;
use std::fs::File;

use arrow_schema::SchemaRef;

use super::error::TableError;
use super::manifest::{Manifest, Part};
use super::outline::Member;
use super::parquet_file::ParquetFile;
use super::row_digest::content;
use super::schema::{describe, encode_fields};
use crate::artifacts::{Artifact, ArtifactKind};
use crate::error::StoreError;
use crate::files::AtPath;
use crate::names::{FileDigest, RowDigest};
use crate::store::Artifacts;

impl Artifacts<'_> {
    /// Stores a table as a list of rows in blobs that are there already.
    ///
    /// The digests are those of the rows in order, as [`crate::ShardItem`] has them; the table then has the same
    /// content as one that [`Artifacts::put_table`](crate::Artifacts::put_table) makes of equal rows. They are taken as given here and checked by a
    /// full verification.
    ///
    /// # Errors
    /// [`StoreError::MissingBlob`] if a blob is not in the store, [`StoreError::Table`] if a blob has other fields or
    /// fewer rows, or any error of writing.
    pub fn put_parts(
        &self,
        schema: &SchemaRef,
        parts: &[Part],
        row_digests: &[RowDigest],
    ) -> Result<Artifact, StoreError> {
        let rows = parts.iter().map(|part| part.rows.len() as u64).sum();
        if rows != row_digests.len() as u64 {
            return Err(TableError::PartRows {
                rows,
                digests: row_digests.len(),
            }
            .into());
        }
        let content = content(schema, row_digests)?;
        let fields = encode_fields(schema)?;
        let mut blobs: HashMap<FileDigest, (u64, u64)> = HashMap::new();
        for part in parts {
            let (_, rows) = match blobs.get(&part.blob) {
                Some(known) => *known,
                None => {
                    let (file, bytes) = self.open_table_blob(&part.blob)?;
                    if encode_fields(file.schema())? != fields {
                        let (found, expected) = (describe(file.schema()), describe(schema));
                        return Err(TableError::Fields { found, expected }.into());
                    }
                    blobs.insert(part.blob, (bytes, file.rows()));
                    (bytes, file.rows())
                }
            };
            if let Some(row) = part.rows.iter().find(|row| u64::from(**row) >= rows) {
                return Err(TableError::RowRange {
                    blob: part.blob,
                    row: *row,
                    rows,
                }
                .into());
            }
        }
        let empty = self.put_table(schema, [])?;
        let schema = Member {
            file: empty.file,
            bytes: empty.bytes,
        };
        let manifest = Manifest::from_parts(schema, parts, |blob| {
            blobs.get(blob).map_or(0, |(bytes, _)| *bytes)
        });
        let json = serde_json::to_vec(&manifest).map_err(TableError::Manifest)?;
        let file = self.store.blobs().put_bytes(&json)?;
        Ok(Artifact {
            kind: ArtifactKind::Parts,
            file,
            content,
            bytes: json.len() as u64,
            rows: Some(rows),
        })
    }

    /// Opens a verified blob as Parquet and tells its size.
    pub(crate) fn open_table_blob(&self, blob: &FileDigest) -> Result<(ParquetFile, u64), StoreError> {
        let path = self.store.blobs().path(blob)?;
        let file = File::open(&path).at("open", &path)?;
        let bytes = file.metadata().at("read", &path)?.len();
        Ok((ParquetFile::open(file)?, bytes))
    }
}
