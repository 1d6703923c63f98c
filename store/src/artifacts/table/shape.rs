//! What a table is, as the footers of its files tell: a record may claim anything.

use std::collections::HashMap;

use arrow_schema::{Schema, SchemaRef};

use super::error::TableError;
use super::manifest::{Manifest, read_manifest};
use super::schema::{describe, encode_fields};
use crate::artifacts::{Artifact, ArtifactKind};
use crate::error::StoreError;
use crate::names::FileDigest;
use crate::store::Artifacts;

/// How far bytes are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In this store itself; what only a remote has is taken at its word.
    Here,
    /// Everywhere: what only a remote has is fetched.
    Everywhere,
}

impl Artifacts<'_> {
    /// Returns the columns of a table after checking that it has the rows that are recorded, `None` if its bytes are out
    /// of reach.
    ///
    /// With [`Reach::Here`] the blobs of a table of parts are not opened one by one.
    ///
    /// # Errors
    /// [`StoreError::Table`] if it is another table than its record says or none at all, [`StoreError::Kind`] for
    /// another artifact, or any error of reading.
    pub fn table_shape(&self, artifact: &Artifact, reach: Reach) -> Result<Option<SchemaRef>, StoreError> {
        let out_of_reach = |file: &FileDigest| reach == Reach::Here && !self.store.blobs().is_here(file);
        if out_of_reach(&artifact.file) {
            return Ok(None);
        }
        if artifact.kind != ArtifactKind::Parts {
            artifact.expect(ArtifactKind::Table)?;
            let (file, _) = self.open_table_blob(&artifact.file)?;
            check_rows(artifact, file.rows())?;
            return Ok(Some(file.schema().clone()));
        }
        let manifest = read_manifest(self.store, artifact)?;
        check_rows(artifact, manifest.rows())?;
        if out_of_reach(&manifest.schema.file) {
            return Ok(None);
        }
        let (empty, _) = self.open_table_blob(&manifest.schema.file)?;
        let schema = empty.schema().clone();
        if reach == Reach::Everywhere {
            self.check_parts(&manifest, &schema)?;
        }
        Ok(Some(schema))
    }

    /// Checks that the blobs of a table of parts have its columns and the rows that it names.
    fn check_parts(&self, manifest: &Manifest, schema: &Schema) -> Result<(), StoreError> {
        let mut rows = HashMap::new();
        for (index, member) in manifest.blobs.iter().enumerate() {
            rows.insert(index, self.check_blob(&member.file, schema)?);
        }
        let beyond = |(blob, row): &(usize, u32)| rows.get(blob).is_none_or(|rows| u64::from(*row) >= *rows);
        match manifest.places().find(beyond) {
            None => Ok(()),
            Some((blob, row)) => Err(TableError::RowRange {
                blob: manifest.blobs[blob].file,
                row,
                rows: rows.get(&blob).copied().unwrap_or_default(),
            }
            .into()),
        }
    }

    /// Checks that a blob is a table with the given columns, and returns its rows.
    pub(crate) fn check_blob(&self, blob: &FileDigest, schema: &Schema) -> Result<u64, StoreError> {
        let (file, _) = self.open_table_blob(blob)?;
        if encode_fields(file.schema())? != encode_fields(schema)? {
            let (found, expected) = (describe(file.schema()), describe(schema));
            return Err(TableError::Fields { found, expected }.into());
        }
        Ok(file.rows())
    }
}

fn check_rows(artifact: &Artifact, found: u64) -> Result<(), TableError> {
    match artifact.rows {
        Some(recorded) if recorded == found => Ok(()),
        recorded => Err(TableError::Rows { recorded, found }),
    }
}
