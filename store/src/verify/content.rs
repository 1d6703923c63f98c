//! What an artifact means, worked out anew.

use crate::artifacts::{Artifact, ArtifactKind, directory, table, tensors_content};
use crate::error::StoreError;
use crate::files::FileIdentity;
use crate::names::ContentDigest;
use crate::records::ActionRecord;
use crate::store::Store;

impl Store {
    /// Works out what an artifact means from its bytes, where that is more than the bytes.
    pub(super) fn derive_content(&self, artifact: &Artifact) -> Result<Option<ContentDigest>, StoreError> {
        Ok(match artifact.kind {
            ArtifactKind::Table | ArtifactKind::Parts => {
                let reader = self.artifacts().read_table(artifact, None)?;
                let schema = reader.schema().clone();
                let mut rows = Vec::new();
                for batch in reader {
                    rows.extend(table::row_digests(&batch?)?);
                }
                Some(table::content(&schema, &rows)?)
            }
            ArtifactKind::Tensors => Some(tensors_content(&self.artifacts().read_tensors(artifact)?)),
            ArtifactKind::Directory => Some(directory::content(&self.artifacts().read_directory(artifact)?)),
            ArtifactKind::Json | ArtifactKind::Html => None,
        })
    }

    /// Tells whether blobs that are gone here may be had from a remote that does not answer at the moment.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        self.elsewhere().is_some() || self.remotes().names().is_ok_and(|names| !names.is_empty())
    }

    /// Moves a record whose results are lost out of the way, so that the next run computes them.
    pub(super) fn invalidate(&self, record: &ActionRecord) {
        let path = self.layout().action(&record.key);
        if self.writable()
            && let Ok(metadata) = self.files().metadata(&path)
        {
            // What cannot be moved is a miss all the same, because its blobs are gone.
            let _ = self.records().displace(record, &FileIdentity::of(&metadata));
        }
    }
}
