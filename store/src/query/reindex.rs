//! Filling the index from the files.

use std::os::unix::fs::DirEntryExt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::summary::Summary;
use crate::error::StoreError;
use crate::files::PathError;
use crate::index::Tree;
use crate::names::{Digest, StageKey};
use crate::records::Sealed;
use crate::store::Catalog;

/// Records to a batch.
const PIECE: usize = 4096;

/// More readers than this wait for the same disk.
const MOST_THREADS: usize = 8;

impl Catalog<'_> {
    /// Forgets the index and fills it from all action records; returns how many there are, or `None` if no index is
    /// used or another process uses it.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the records cannot be listed.
    pub fn reindex(&self) -> Result<Option<u64>, StoreError> {
        if !self.store.index().wait() {
            return Ok(None);
        }
        self.store.index().clear();
        if !self.store.index().wait() {
            return Ok(None);
        }
        let records = self.index_records(&|| true)?;
        Ok(self.store.index().flush().then_some(records))
    }

    /// Puts all action records into the index as long as `go_on` says so.
    pub(crate) fn index_records(&self, go_on: &(dyn Fn() -> bool + Sync)) -> Result<u64, PathError> {
        let entries = self.action_entries()?;
        let next = AtomicUsize::new(0);
        let count = AtomicU64::new(0);
        let work = || {
            while go_on() {
                let begin = next.fetch_add(PIECE, Ordering::Relaxed);
                let Some(piece) = entries
                    .get(begin..(begin + PIECE).min(entries.len()))
                    .filter(|piece| !piece.is_empty())
                else {
                    return;
                };
                let changes: Vec<_> = piece
                    .iter()
                    .filter_map(|(key, inode)| {
                        let Ok(Sealed::Good(record)) = self.store.records().read_action(key) else {
                            return None;
                        };
                        let value = Summary::of(&record, *inode).to_bytes();
                        Some((Tree::Action.key(&[key.as_bytes()]), value))
                    })
                    .collect();
                count.fetch_add(changes.len() as u64, Ordering::Relaxed);
                self.store.index().put_all(changes);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        Ok(count.into_inner())
    }

    /// Lists the keys that have a record, in order, each with the inode of its file.
    pub(crate) fn action_entries(&self) -> Result<Vec<(StageKey, u64)>, PathError> {
        let mut found = Vec::new();
        for fan in self.store.entries(&self.store.layout().directory("actions"))? {
            let name = fan.file_name();
            let Some(name) = name.to_str().filter(|name| name.len() == 2) else {
                continue;
            };
            for entry in self.store.entries(&fan.path())? {
                let file = entry.file_name();
                let digest = file
                    .to_str()
                    .and_then(|file| file.strip_suffix(".json")?.parse::<Digest>().ok());
                found.extend(
                    digest
                        .filter(|digest| digest.fan() == name)
                        .map(|digest| (StageKey::new(digest), entry.ino())),
                );
            }
        }
        found.sort_unstable_by_key(|(key, _)| *key);
        Ok(found)
    }
}
