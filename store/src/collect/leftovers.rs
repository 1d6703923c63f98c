//! What nobody needs and nobody can be told of: files and leases of the dead, old damage, old losers.

use std::fs::DirEntry;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ulid::Ulid;

use super::error::CollectError;
use super::report::Reason;
use super::sweep::Sweep;
use crate::files::{Life, StagingOwner};

/// A process that looks dead may live in another container of the same host, so its files are left alone for a while; so
/// are leases, which the living renew every few minutes.
const CERTAINLY_DEAD: Duration = Duration::from_secs(24 * 3600);

impl Sweep<'_> {
    pub(crate) fn leftovers(&mut self) -> Result<(), CollectError> {
        self.show()?;
        for entry in self.entries("tmp")? {
            let name = entry.file_name();
            let Some(owner) = name.to_str().and_then(StagingOwner::parse) else {
                continue;
            };
            let limit = match owner.life() {
                Life::Alive => continue,
                Life::Dead => CERTAINLY_DEAD.min(self.options.staging),
                Life::Unknown => self.options.staging,
            };
            self.staging(&entry.path(), limit)?;
        }
        for entry in self.entries("leases")? {
            self.staging(&entry.path(), CERTAINLY_DEAD)?;
        }
        for entry in self.entries("quarantine")? {
            let name = entry.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.split('.').nth(1))
                .unwrap_or_default();
            // The file is as old as it was when it was found damaged; its name says when that was.
            let aside = Ulid::from_string(id)
                .map(|id| SystemTime::UNIX_EPOCH + Duration::from_millis(id.timestamp_ms()));
            let old = aside.is_ok_and(|aside| {
                self.now
                    .duration_since(aside)
                    .is_ok_and(|age| age >= self.options.aside)
            });
            if old {
                self.remove(&entry.path(), Reason::Quarantine);
            }
        }
        for entry in self.entries("divergent")? {
            if !self.is_inside(&entry.path()) {
                continue;
            }
            for record in self.store.entries(&entry.path())? {
                let path = record.path();
                let Ok(metadata) = self.store.files().metadata(&path) else {
                    continue;
                };
                let moved = u64::try_from(metadata.ctime()).unwrap_or(0);
                let moved = SystemTime::UNIX_EPOCH + Duration::from_secs(moved);
                let since = self.now.duration_since(moved).unwrap_or_default();
                if since.min(self.age(&metadata)) >= self.options.aside {
                    self.remove(&path, Reason::Divergent);
                }
            }
        }
        Ok(())
    }

    fn entries(&mut self, name: &'static str) -> Result<Vec<DirEntry>, CollectError> {
        let directory = self.store.layout().directory(name);
        if !self.is_inside(&directory) {
            return Ok(Vec::new());
        }
        Ok(self.store.entries(&directory)?)
    }

    /// Removes the files of a writer or a lease if none of them was written to for the given time.
    fn staging(&mut self, directory: &Path, limit: Duration) -> Result<(), CollectError> {
        let files = self.store.files();
        // Of a link, only the link itself is a leftover.
        let is_directory = files.metadata(directory).is_ok_and(|metadata| metadata.is_dir());
        let entries = match is_directory {
            true => self.store.entries(directory)?,
            false => Vec::new(),
        };
        let young = |path: &Path| {
            files
                .metadata(path)
                .is_ok_and(|metadata| self.age(&metadata) < limit)
        };
        if young(directory) || entries.iter().any(|entry| young(&entry.path())) {
            return Ok(());
        }
        if !is_directory {
            self.remove(directory, Reason::Staging);
            return Ok(());
        }
        for entry in entries {
            self.remove(&entry.path(), Reason::Staging);
        }
        if self.moves.is_some() {
            // Fails if the writer is alive after all and made another file.
            let _ = files.remove_directory(directory);
        }
        Ok(())
    }

    fn remove(&mut self, path: &Path, reason: Reason) {
        let Ok(metadata) = self.store.files().metadata(path) else {
            return;
        };
        if self.moves.is_some()
            && let Err(error) = self.store.files().remove_file(path)
        {
            return self.report.fail(&error);
        }
        self.report
            .collected
            .entry(reason)
            .or_default()
            .add(metadata.len());
    }
}
