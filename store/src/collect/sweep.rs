//! Moving what is dead to the trash, records before the blobs they name.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ulid::Ulid;

use super::error::CollectError;
use super::mark::Mark;
use super::mark_roots::{checkpoint_paths, shard_paths};
use super::options::CollectOptions;
use super::report::{CollectReport, Reason};
use super::turn::Turn;
use crate::files::age;
use crate::names::{FamilyKey, FileDigest, StageKey};
use crate::store::Store;

/// A collection that moves files, or only counts them.
pub(crate) struct Sweep<'a> {
    pub(crate) store: &'a Store,
    pub(crate) mark: &'a Mark<'a>,
    pub(crate) options: &'a CollectOptions,
    pub(crate) now: SystemTime,
    /// Who may move, and where to.
    pub(crate) moves: Option<(&'a Turn<'a>, Ulid)>,
    pub(crate) report: CollectReport,
}

impl Sweep<'_> {
    pub(crate) fn records(&mut self) -> Result<(), CollectError> {
        let recent = self.options.recent(self.store);
        for fan in self.fans("actions")? {
            self.show()?;
            for (path, digest) in self.store.fan_entries(&fan, ".json")? {
                let key = StageKey::new(digest);
                if self.mark.has_record(&key) {
                    self.report.records += 1;
                    self.note_drop(&key)?;
                } else {
                    self.discard(&path, Reason::ActionRecord, recent);
                    if self.moves.is_some() && !self.store.files().exists(&path) {
                        self.store.forget_drop(&key);
                    }
                }
            }
        }
        for fan in self.fans("shards")? {
            self.show()?;
            for (directory, family) in self.store.fan_entries(&fan, "")? {
                if !self.is_inside(&directory) {
                    continue;
                }
                for (path, _) in shard_paths(self.store, &FamilyKey::new(family))? {
                    if self.is_old(&path, recent) && !self.shard_stays(&path)? {
                        self.discard(&path, Reason::ShardRecord, recent);
                    }
                }
            }
        }
        for fan in self.fans("checkpoints")? {
            self.show()?;
            for (directory, digest) in self.store.fan_entries(&fan, "")? {
                if !self.is_inside(&directory) {
                    continue;
                }
                let key = StageKey::new(digest);
                for (path, _) in checkpoint_paths(self.store, &key)? {
                    if self.is_old(&path, recent) && !self.checkpoint_stays(&key, &path)? {
                        self.discard(&path, Reason::Checkpoint, recent);
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn blobs(&mut self) -> Result<(), CollectError> {
        let grace = self.options.grace.saturating_add(self.store.renew_after());
        for fan in self.fans("blobs")? {
            self.show()?;
            for (path, digest) in self.store.fan_entries(&fan, "")? {
                if !self.mark.has_blob(&FileDigest::new(digest)) {
                    self.discard(&path, Reason::Blob, grace);
                } else if let Ok(metadata) = self.store.files().metadata(&path) {
                    self.report.live.add(metadata.len());
                }
            }
        }
        Ok(())
    }

    /// Lists the fan directories that files may be moved from.
    fn fans(&mut self, name: &'static str) -> Result<Vec<PathBuf>, CollectError> {
        let mut fans = self.store.fans(name)?;
        fans.retain(|fan| self.is_inside(fan));
        Ok(fans)
    }

    /// Tells whether files may be moved and removed in a directory; what leads out of the store is reported.
    pub(crate) fn is_inside(&mut self, directory: &Path) -> bool {
        match self.store.check_inside(directory) {
            Ok(()) => true,
            Err(error) => {
                self.report.fail(&format!("{error}: {}", error.io()));
                false
            }
        }
    }

    /// A shard is kept with its rows.
    pub(crate) fn shard_stays(&self, path: &Path) -> Result<bool, CollectError> {
        let links = self.store.shard_links(path)?;
        Ok(links.is_some_and(|links| self.mark.has_blob(&links.blob)))
    }

    pub(crate) fn checkpoint_stays(&self, key: &StageKey, path: &Path) -> Result<bool, CollectError> {
        if !self.mark.has_results(key) {
            return Ok(false);
        }
        let links = self.store.checkpoint_links(path)?;
        Ok(links.is_some_and(|links| links.keep || self.mark.is_unfinished(key)))
    }

    /// Shows that the collection is at work, where it changes something.
    pub(crate) fn show(&self) -> Result<(), CollectError> {
        self.moves.map_or(Ok(()), |(turn, _)| turn.show())
    }

    fn is_old(&self, path: &Path, limit: Duration) -> bool {
        let metadata = self.store.files().metadata(path);
        metadata.is_ok_and(|metadata| self.age(&metadata) >= limit)
    }

    pub(crate) fn age(&self, metadata: &Metadata) -> Duration {
        age(self.now, metadata)
    }

    /// Moves a dead file to the trash unless it is younger than the limit.
    fn discard(&mut self, path: &Path, reason: Reason, limit: Duration) {
        // Only now: whoever relies on the file since it was marked has renewed its time.
        let Ok(metadata) = self.store.files().metadata(path) else {
            return;
        };
        if self.age(&metadata) < limit {
            if reason == Reason::Blob {
                self.report.young.add(metadata.len());
            }
            return;
        }
        if let Some((_, batch)) = self.moves {
            let Some(trashed) = self.store.layout().trashed(&batch, path) else {
                return;
            };
            match self.store.trash().throw_away(path, &trashed) {
                Ok(()) => {}
                Err(error) if error.io().kind() == ErrorKind::NotFound => return,
                Err(error) => return self.report.fail(&error),
            }
            // Somebody may have renewed it between the last look and the move.
            let moved = self.store.files().metadata(&trashed);
            if moved.is_ok_and(|moved| self.age(&moved) < limit) {
                if let Err(error) = self.store.trash().put_back(&trashed, path) {
                    self.report.fail(&error);
                }
                return;
            }
        }
        self.report
            .collected
            .entry(reason)
            .or_default()
            .add(metadata.len());
    }
}
