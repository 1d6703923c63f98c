//! Checking what is no result yet: shards and checkpoints; and what is none at all: runs, pins, tombstones, remotes.

use std::path::Path;

use super::Verification;
use crate::blobs::{Doubt, Length};
use crate::collect::CollectError;
use crate::error::{StoreError, describe};
use crate::names::{FamilyKey, FileDigest, RunId, StageKey};
use crate::records::{Sealed, tombstone};
use crate::remote::RemoteError;
use crate::store::Store;

impl Verification<'_> {
    pub(super) fn shards(&mut self) -> Result<(), StoreError> {
        for fan in self.fans("shards")? {
            for (directory, digest) in self.fan_entries(&fan, "")? {
                let family = FamilyKey::new(digest);
                let names = self.store.shards().shard_names(&family);
                for name in self.listed(&directory, names)? {
                    self.report.records += 1;
                    let path = self.store.layout().shard(&family, &name);
                    let links = self.store.shard_links(&path);
                    let blob = links.map(|links| links.map(|links| links.blob));
                    let good = self.mend_links(blob.map(|blob| blob.into_iter().collect()));
                    let what = format!("Shard `{}`", name.short());
                    let is_good = |store: &Store| store.shards().good_shard(&family, &name).is_some();
                    if !is_good(self.store) && !self.store.shards().newer_shard(&family, &name) {
                        self.revive(what, &path, is_good, lost("its blob", good));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn checkpoints(&mut self) -> Result<(), StoreError> {
        for fan in self.fans("checkpoints")? {
            for (directory, digest) in self.fan_entries(&fan, "")? {
                let key = StageKey::new(digest);
                let steps = self.store.records().checkpoint_steps(&key);
                for step in self.listed(&directory, steps)? {
                    self.report.records += 1;
                    let path = self.store.layout().checkpoint(&key, step);
                    let links = self.store.checkpoint_links(&path);
                    let blobs =
                        links.map(|links| links.into_iter().flat_map(|links| links.blobs.into_values()));
                    let good = self.mend_links(blobs.map(Iterator::collect));
                    let what = format!("Checkpoint `{}` step {step}", key.short());
                    let is_good = |store: &Store| store.records().good_checkpoint(&key, step).is_some();
                    if !is_good(self.store) && !self.store.records().newer_checkpoint(&key, step) {
                        self.revive(what, &path, is_good, lost("a blob of it", good));
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a record that is no good out of the trash, or tells what is lost.
    fn revive(&mut self, what: String, path: &Path, is_good: impl Fn(&Store) -> bool, lost: String) {
        if self.store.trash().revive(path) && is_good(self.store) {
            let reason = "the record was damaged; restored from the trash".to_owned();
            self.report.repaired(what, reason);
        } else {
            self.report.corrupt(what, lost);
        }
    }

    /// Mends the blobs that a record names and tells whether all of them are good.
    fn mend_links(&mut self, blobs: Result<Vec<FileDigest>, CollectError>) -> bool {
        let blobs = blobs.unwrap_or_default();
        let mut good = true;
        for file in blobs {
            match self.mended(&file, Length::Any) {
                Ok(()) => {}
                Err(Doubt::Unreadable(error)) => {
                    self.report.doubt(String::new(), Doubt::Unreadable(error));
                    good = false;
                }
                Err(doubt @ Doubt::Corrupt { .. }) => {
                    self.report.doubt(String::new(), doubt);
                    good = false;
                }
                Err(Doubt::Missing(_)) => good = false,
            }
        }
        good
    }

    pub(super) fn runs(&mut self) -> Result<(), StoreError> {
        let runs = self.store.runs().ids();
        for id in self.listed(&self.store.layout().directory("runs"), runs)? {
            let founder = self.store.layout().run_record(&id);
            let files = match self.store.runs().run_record_files(&id) {
                Ok(files) => files,
                Err(error) => {
                    self.report.doubt(format!("Run `{id}`"), Doubt::Unreadable(error));
                    continue;
                }
            };
            for path in files {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let what = match path == founder {
                    true => format!("Run `{id}`"),
                    false => format!("Record `{name}` of run `{id}`"),
                };
                self.run_record(what, &id, &path);
            }
        }
        Ok(())
    }

    fn run_record(&mut self, what: String, id: &RunId, path: &Path) {
        self.report.records += 1;
        match self.store.runs().read_record(id, path) {
            Ok(Sealed::Good(_) | Sealed::Absent | Sealed::Newer { .. }) => {}
            Ok(Sealed::Corrupt { identity, reason }) => {
                self.store.set_aside("run", path, &identity);
                self.report.corrupt(what, reason);
            }
            Err(error) => self.report.doubt(what, Doubt::Unreadable(error)),
        }
    }

    pub(super) fn pins(&mut self) -> Result<(), StoreError> {
        let names = self.store.pins().pin_names();
        for name in self.listed(&self.store.layout().pins(), names)? {
            self.report.records += 1;
            if let Err(error) = self.store.pins().read_pin(&name) {
                // Not set aside: a collection that does not know the pin would take what it keeps.
                self.report.corrupt(format!("Pin `{name}`"), error.to_string());
            }
        }
        Ok(())
    }

    pub(super) fn tombstones(&mut self) -> Result<(), StoreError> {
        let directory = self.store.layout().directory("invalid");
        let tombstones = self.store.records().tombstones();
        for object in self.listed(&directory, tombstones)? {
            self.report.records += 1;
            let what = format!("Tombstone `{object}`");
            match self.store.objects().object_bytes(&object) {
                // Not set aside: it still says not to use the record.
                Ok(Some(bytes)) => {
                    if let Err(reason) = tombstone::check(&object, &bytes) {
                        self.report.corrupt(what, reason);
                    }
                }
                Ok(None) => {}
                Err(error) => self.report.doubt(what, Doubt::Unreadable(error)),
            }
        }
        Ok(())
    }

    pub(super) fn remotes(&mut self) -> Result<(), StoreError> {
        let directory = self.store.layout().directory("remotes");
        let names = self.store.remotes().names();
        for name in self.listed(&directory, names)? {
            self.report.records += 1;
            let read = self.store.remotes().read(&name);
            if let Err(error @ RemoteError::Settings { .. }) = read {
                // Left where it is, since nobody but the user can say what should stand there.
                self.report.corrupt(format!("Remote `{name}`"), describe(&error));
            }
        }
        Ok(())
    }
}

fn lost(what: &str, good: bool) -> String {
    let damaged = if good { "the record" } else { what };
    format!("{damaged} is damaged or gone")
}
