//! The blobs of a result: whether they are there, and that they stay.

use super::action_record::ActionRecord;
use crate::blobs::{Doubt, Look};
use crate::error::StoreError;
use crate::names::FileDigest;
use crate::store::Records;

impl Records<'_> {
    /// Looks at every blob of a result and returns the first doubt.
    pub(crate) fn inspect_results(&self, record: &ActionRecord, look: Look) -> Result<(), Doubt> {
        record
            .outputs
            .values()
            .try_for_each(|artifact| self.store.artifacts().inspect_artifact(artifact, look))
    }

    /// Makes sure that the blobs a record names are there and stay.
    pub(crate) fn hold_results(&self, record: &ActionRecord) -> Result<(), StoreError> {
        self.inspect_results(record, Look::Size)?;
        Ok(self.store.hold_all(&self.result_blobs(record))?)
    }

    /// Lists the blobs of a result with its preimage; those of a list that is not here are left out.
    pub(crate) fn result_blobs(&self, record: &ActionRecord) -> Vec<FileDigest> {
        let mut files = vec![record.preimage];
        for artifact in record.outputs.values() {
            files.push(artifact.file);
            files.extend(
                self.store
                    .member_links(artifact.kind, &artifact.file)
                    .unwrap_or_default(),
            );
        }
        files
    }
}
