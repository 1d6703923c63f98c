//! Where a blob that is gone or damaged may be had again.

use std::io::Write;

use crate::blobs::{Length, Look};
use crate::error::StoreError;
use crate::files::AtPath;
use crate::names::FileDigest;
use crate::store::Store;

/// Somewhere that may hold a blob this store has lost.
pub trait RepairSource {
    /// Names the source for the report.
    fn name(&self) -> String;

    /// Writes a blob; `false` if the source does not have it. What is written is hashed by the caller.
    ///
    /// # Errors
    /// [`StoreError`] if the source cannot be read; the next source is asked then.
    fn copy(&self, file: &FileDigest, into: &mut dyn Write) -> Result<bool, StoreError>;
}

/// Another store on this host or on a folder it mounts.
impl RepairSource for Store {
    fn name(&self) -> String {
        format!("store `{}`", self.root().display())
    }

    fn copy(&self, file: &FileDigest, into: &mut dyn Write) -> Result<bool, StoreError> {
        let path = match self.blobs().path(file) {
            Err(StoreError::MissingBlob(_) | StoreError::CorruptBlob { .. }) => return Ok(false),
            path => path?,
        };
        let copied = std::fs::File::open(&path).and_then(|mut blob| std::io::copy(&mut blob, into));
        copied.at("copy", &path)?;
        Ok(true)
    }
}

impl Store {
    /// Brings back a blob that is gone: from the trash, else from the first source that has it whole, else
    /// from a remote.
    ///
    /// Returns where it came from.
    pub(super) fn restore(&self, file: &FileDigest, sources: &[&dyn RepairSource]) -> Option<String> {
        if !self.writable() {
            return None;
        }
        // A damaged one in the trash is set aside by the look at it, and the next batch may hold a good one.
        while self.trash().revive(&self.layout().blob(file)) {
            match self.blobs().inspect_length(file, Length::Any, Look::Again) {
                Ok(_) => return Some("the trash".to_owned()),
                Err(_) if self.blobs().is_here(file) => return None,
                Err(_) => {}
            }
        }
        let fetch = |source: &&&dyn RepairSource| {
            let mut writer = self.blobs().writer(None).ok()?;
            let copied = source.copy(file, &mut writer).ok()?;
            // The hash is that of what arrived, whatever the source says.
            (copied && writer.finish().ok()? == *file).then_some(())
        };
        let source = sources.iter().find(|source| fetch(source).is_some());
        match source {
            Some(source) => Some(source.name()),
            None => self.fetch_elsewhere(file).then(|| "a remote".to_owned()),
        }
    }
}
