//! Listing what is to be checked; a directory that cannot be listed is a finding.

use std::path::{Path, PathBuf};

use super::Verification;
use crate::blobs::Doubt;
use crate::error::StoreError;
use crate::names::Digest;

impl Verification<'_> {
    pub(super) fn fans(&mut self, name: &'static str) -> Result<Vec<PathBuf>, StoreError> {
        let fans = self.store.fans(name);
        self.listed(&self.store.layout().directory(name), fans)
    }

    pub(super) fn fan_entries(
        &mut self,
        fan: &Path,
        ending: &str,
    ) -> Result<Vec<(PathBuf, Digest)>, StoreError> {
        let entries = self.store.fan_entries(fan, ending);
        self.listed(fan, entries)
    }

    /// Takes what a directory lists; one that cannot be listed, or that a link leads to, counts as unreadable.
    pub(super) fn listed<T>(
        &mut self,
        directory: &Path,
        entries: Result<Vec<T>, impl Into<StoreError>>,
    ) -> Result<Vec<T>, StoreError> {
        let inside = self.store.check_inside(directory).map_err(StoreError::from);
        match inside.and_then(|()| entries.map_err(Into::into)) {
            Err(StoreError::Path(error)) => {
                self.report.doubt(String::new(), Doubt::Unreadable(error));
                Ok(Vec::new())
            }
            listed => listed,
        }
    }
}
