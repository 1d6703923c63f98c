//! Directories fanned out by the first two digits of what they hold.

use std::path::{Path, PathBuf};

use super::Store;
use crate::files::PathError;
use crate::names::Digest;

impl Store {
    /// Lists the fan directories below a directory of the layout, in the order of their digits.
    pub(crate) fn fans(&self, name: &'static str) -> Result<Vec<PathBuf>, PathError> {
        let is_fan = |name: &str| {
            name.len() == 2 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let mut fans: Vec<PathBuf> = self
            .entries(&self.layout().directory(name))?
            .into_iter()
            .filter(|entry| entry.file_name().to_str().is_some_and(is_fan))
            .map(|entry| entry.path())
            .collect();
        fans.sort_unstable();
        Ok(fans)
    }

    /// Lists the entries of a fan directory whose names are digests with the given ending, in the order of the digests.
    pub(crate) fn fan_entries(&self, fan: &Path, ending: &str) -> Result<Vec<(PathBuf, Digest)>, PathError> {
        let entries = self.entries(fan)?;
        let mut found = Vec::with_capacity(entries.len());
        for entry in entries {
            let name = entry.file_name();
            let digest = name
                .to_str()
                .and_then(|name| name.strip_suffix(ending)?.parse::<Digest>().ok());
            found.extend(
                digest
                    .filter(|digest| fan.ends_with(digest.fan()))
                    .map(|digest| (entry.path(), digest)),
            );
        }
        found.sort_unstable_by_key(|(_, digest)| *digest);
        Ok(found)
    }

    /// Lists the entries of all fan directories; prefer one fan at a time where there may be millions.
    pub(crate) fn fanned(
        &self,
        name: &'static str,
        ending: &str,
    ) -> Result<Vec<(PathBuf, Digest)>, PathError> {
        let mut found = Vec::new();
        for fan in self.fans(name)? {
            found.extend(self.fan_entries(&fan, ending)?);
        }
        Ok(found)
    }
}
