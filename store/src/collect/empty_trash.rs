//! The second look at what earlier collections moved to the trash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ulid::Ulid;

use super::error::CollectError;
use super::sweep::Sweep;
use crate::names::{FileDigest, StageKey};
use crate::store::Store;

/// What the trash can hold, in the order in which it is removed: records before the blobs they name.
const KINDS: [&str; 4] = ["actions", "shards", "checkpoints", "blobs"];

impl Sweep<'_> {
    /// Puts back what is needed again, and removes for good what has been in the trash for long enough.
    pub(crate) fn trash(&mut self) -> Result<(), CollectError> {
        for batch in self.store.trash().trash_batches()? {
            let directory = self.store.layout().trash_batch(&batch);
            if !self.is_inside(&directory) {
                continue;
            }
            for kind in KINDS {
                self.trashed_directory(&batch, &directory.join(kind))?;
            }
            if self.moves.is_some() {
                // Fails as long as something is left in it.
                let _ = self.store.files().remove_directory(&directory);
            }
        }
        Ok(())
    }

    fn trashed_directory(&mut self, batch: &Ulid, directory: &Path) -> Result<(), CollectError> {
        self.show()?;
        let files = self.store.files();
        // The time of a directory is when the last file was moved into it.
        let Ok(metadata) = files.metadata(directory) else {
            return Ok(());
        };
        if !self.is_inside(directory) {
            return Ok(());
        }
        let old = self.age(&metadata) >= self.options.trash;
        for entry in self.store.entries(directory)? {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.trashed_directory(batch, &path)?;
            } else {
                self.trashed_file(batch, &path, old)?;
            }
        }
        if self.moves.is_some() {
            let _ = files.remove_directory(directory);
        }
        Ok(())
    }

    fn trashed_file(&mut self, batch: &Ulid, trashed: &Path, old: bool) -> Result<(), CollectError> {
        let files = self.store.files();
        let Ok(metadata) = files.metadata(trashed) else {
            return Ok(());
        };
        let Some(path) = original(self.store, batch, trashed) else {
            return Ok(());
        };
        let grace = self.options.grace.saturating_add(self.store.renew_after());
        let needed = self.needs(trashed, &path)? || self.age(&metadata) < self.limit(&path, grace);
        // A link or the like is no file of the store, whatever it is called.
        let needed = needed && metadata.is_file();
        // What was put again in the meantime stands under its name; this one is no longer of use.
        if needed && !files.exists(&path) {
            if self.moves.is_some()
                && let Err(error) = self.store.trash().put_back(trashed, &path)
            {
                self.report.fail(&error);
                return Ok(());
            }
            self.report.restored.add(metadata.len());
        } else if old {
            if self.moves.is_some()
                && let Err(error) = files.remove_file(trashed)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                self.report.fail(&error);
                return Ok(());
            }
            self.report.removed.add(metadata.len());
        } else {
            self.report.waiting.add(metadata.len());
        }
        Ok(())
    }

    /// Records that are put back are recent ones from then on.
    fn limit(&self, path: &Path, grace: Duration) -> Duration {
        if path.starts_with(self.store.layout().directory("blobs")) {
            grace
        } else {
            self.options.recent(self.store)
        }
    }

    /// Tells whether something kept leads to a file in the trash.
    fn needs(&self, trashed: &Path, path: &Path) -> Result<bool, CollectError> {
        let layout = self.store.layout();
        let name = |path: &Path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.trim_end_matches(".json").parse().ok()
        };
        let above = || path.parent().and_then(&name);
        if path.starts_with(layout.directory("blobs")) {
            return Ok(name(path).is_some_and(|digest| self.mark.has_blob(&FileDigest::new(digest))));
        }
        if path.starts_with(layout.directory("actions")) {
            return Ok(name(path).is_some_and(|digest| self.mark.has_record(&StageKey::new(digest))));
        }
        if path.starts_with(layout.directory("shards")) {
            return self.shard_stays(trashed);
        }
        match above() {
            Some(digest) => self.checkpoint_stays(&StageKey::new(digest), trashed),
            None => Ok(false),
        }
    }
}

/// Returns where a file in the trash stood.
fn original(store: &Store, batch: &Ulid, trashed: &Path) -> Option<PathBuf> {
    let below = trashed.strip_prefix(store.layout().trash_batch(batch)).ok()?;
    Some(store.root().join(below))
}
