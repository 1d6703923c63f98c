//! Checking a whole store, and mending what can be mended.

mod claims;
mod content;
mod depth;
mod listed;
mod repair;
mod report;
mod unfinished;

use std::collections::{BTreeMap, BTreeSet};

pub use depth::{Sample, SampleError, VerifyDepth};
pub use repair::RepairSource;
pub use report::{VerifyFinding, VerifyOutcome, VerifyReport};

use self::claims::Claims;
use crate::artifacts::Artifact;
use crate::blobs::{Doubt, Length, Look};
use crate::error::{Fate, StoreError};
use crate::names::{FileDigest, StageKey};
use crate::records::{ActionRecord, Sealed};
use crate::size_limits::PREIMAGE_LIMIT;
use crate::store::Store;

impl Store {
    /// Checks records and blobs; what is damaged or gone is mended from the trash.
    ///
    /// What cannot be mended is set aside, and records that name it are moved to `divergent/`, so that the next run
    /// computes it again.
    ///
    /// # Errors
    /// [`StoreError`] if the store is of no use at all; what cannot be listed or read is part of the report.
    pub fn verify(&self, depth: VerifyDepth) -> Result<VerifyReport, StoreError> {
        self.verify_with(depth, &[])
    }

    /// Checks a store as [`Store::verify`] does and mends it also from other places.
    ///
    /// # Errors
    /// Those of [`Store::verify`].
    pub fn verify_with(
        &self,
        depth: VerifyDepth,
        sources: &[&dyn RepairSource],
    ) -> Result<VerifyReport, StoreError> {
        let mut verification = Verification {
            store: self,
            depth,
            sources,
            claims: Claims::default(),
            damaged: BTreeMap::new(),
            staying: BTreeSet::new(),
            report: VerifyReport::default(),
        };
        verification.blobs()?;
        verification.actions()?;
        verification.shards()?;
        verification.checkpoints()?;
        verification.runs()?;
        verification.pins()?;
        verification.tombstones()?;
        verification.remotes()?;
        for (file, reason) in std::mem::take(&mut verification.damaged) {
            let what = format!("Blob `{}`", file.short());
            let reason = format!("{reason}; it was set aside, and no record names it");
            verification.report.repaired(what, reason);
        }
        Ok(verification.report)
    }
}

struct Verification<'a> {
    store: &'a Store,
    depth: VerifyDepth,
    sources: &'a [&'a dyn RepairSource],
    claims: Claims,
    /// Blobs that were set aside and could not be had again, with what was wrong.
    damaged: BTreeMap<FileDigest, String>,
    /// Damaged blobs that could not be set aside.
    staying: BTreeSet<FileDigest>,
    report: VerifyReport,
}

impl Verification<'_> {
    fn blobs(&mut self) -> Result<(), StoreError> {
        for fan in self.fans("blobs")? {
            for (path, digest) in self.fan_entries(&fan, "")? {
                let file = FileDigest::new(digest);
                self.report.blobs += 1;
                let size = self.store.files().metadata(&path).map_or(0, |there| there.len());
                self.report.bytes = self.report.bytes.saturating_add(size);
                let (look, length) = if self.depth.reads(&digest) {
                    (Look::Again, self.claims.length(self.store, &file, size))
                } else {
                    (Look::Size, Length::Any)
                };
                match self.store.blobs().inspect_length(&file, length, look) {
                    // A collector or another reader moved it in the meantime; records that name it tell.
                    Ok(_) | Err(Doubt::Missing(_)) => {}
                    Err(Doubt::Corrupt { file, reason, fate }) => self.damaged_blob(file, reason, fate),
                    Err(doubt) => self.report.doubt(format!("Blob `{}`", file.short()), doubt),
                }
            }
        }
        Ok(())
    }

    fn damaged_blob(&mut self, file: FileDigest, reason: String, fate: Fate) {
        match fate {
            // The records are wrong, which is told where they are checked.
            Fate::Untouched => {}
            Fate::Stays => {
                self.staying.insert(file);
                let doubt = Doubt::Corrupt { file, reason, fate };
                self.report.doubt(String::new(), doubt);
            }
            Fate::SetAside => {
                if !self.mend(&file, &reason) {
                    self.damaged.insert(file, reason);
                }
            }
        }
    }

    fn actions(&mut self) -> Result<(), StoreError> {
        for fan in self.fans("actions")? {
            for (_, digest) in self.fan_entries(&fan, ".json")? {
                let key = StageKey::new(digest);
                self.report.records += 1;
                let what = format!("Action record `{}`", key.short());
                match self.store.records().read_action(&key) {
                    Ok(Sealed::Good(record)) => self.action(&record),
                    Ok(Sealed::Corrupt { reason, .. }) => {
                        // The damaged one is out of the way; the trash may hold a good one.
                        if let Ok(Sealed::Good(record)) = self.store.records().read_action(&key) {
                            self.report
                                .repaired(what, format!("{reason}; restored from the trash"));
                            self.action(&record);
                        } else {
                            self.report.corrupt(what, reason);
                        }
                    }
                    Ok(Sealed::Absent | Sealed::Newer { .. }) => {}
                    Err(error) => self.report.doubt(what, Doubt::Unreadable(error)),
                }
            }
        }
        Ok(())
    }

    fn action(&mut self, record: &ActionRecord) {
        let what = |part: &str| format!("{part} of `{}` `{}`", record.stage, record.key.short());
        if let Err(doubt) = self.mended(&record.preimage, Length::AtMost(PREIMAGE_LIMIT)) {
            self.report.doubt(what("Preimage"), doubt);
        }
        if self.store.is_dropped(&record.key) {
            self.report.dropped += 1;
            return;
        }
        let (mut lost, mut never) = (false, false);
        for (port, artifact) in &record.outputs {
            let what = what(&format!("Output `{port}`"));
            match self.artifact(artifact) {
                Err(Doubt::Unreadable(error)) => self.report.doubt(what, Doubt::Unreadable(error)),
                Err(doubt) => {
                    lost = true;
                    // A blob that is good and still does not fit shows that the record is wrong.
                    never |= self.is_good(&doubt);
                    self.report.doubt(what, doubt);
                }
                Ok(())
                    if self.depth.reads(record.key.digest())
                        && self.store.blobs().is_here(&artifact.file) =>
                {
                    let wrong = match self.store.derive_content(artifact) {
                        Ok(Some(content)) if content != artifact.content => Some(format!(
                            "its content is `{}`, recorded as `{}`",
                            content.short(),
                            artifact.content.short()
                        )),
                        Ok(_) => None,
                        Err(error) => Some(error.to_string()),
                    };
                    if let Some(reason) = wrong {
                        lost = true;
                        self.report.corrupt(what, reason);
                    }
                }
                Ok(()) => {}
            }
        }
        if never || (lost && !self.store.may_be_elsewhere()) {
            self.store.invalidate(record);
        }
    }

    /// Tells whether a blob that does not fit is good itself.
    fn is_good(&self, doubt: &Doubt) -> bool {
        match doubt {
            Doubt::Corrupt { file, fate, .. } => *fate == Fate::Untouched && self.store.blobs().is_here(file),
            Doubt::Missing(_) | Doubt::Unreadable(_) => false,
        }
    }

    /// Looks at every blob of an artifact, mending what can be mended, and returns the first doubt that stays.
    fn artifact(&mut self, artifact: &Artifact) -> Result<(), Doubt> {
        self.mended(&artifact.file, Length::Exactly(artifact.bytes))?;
        let members = self
            .store
            .artifacts()
            .members(artifact)
            .map_err(|error| match error {
                StoreError::MissingBlob(file) => Doubt::Missing(file),
                StoreError::Path(error) => Doubt::Unreadable(error),
                other => Doubt::Corrupt {
                    file: artifact.file,
                    reason: other.to_string(),
                    fate: Fate::Untouched,
                },
            })?;
        let mut doubts = members
            .into_iter()
            .filter_map(|(file, bytes)| self.mended(&file, Length::Exactly(bytes)).err());
        let first = doubts.next();
        // The others are mended too, so that one loss does not hide what can be had.
        doubts.for_each(drop);
        first.map_or(Ok(()), Err)
    }

    /// Looks at a blob by existence and size and mends it if it is in doubt.
    fn mended(&mut self, file: &FileDigest, length: Length) -> Result<(), Doubt> {
        if self.staying.contains(file) {
            return Err(Doubt::Corrupt {
                file: *file,
                reason: "its bytes are not those of its name".to_owned(),
                fate: Fate::Stays,
            });
        }
        let there = self.store.blobs().is_here(file);
        let doubt = match self.store.blobs().inspect_length(file, length, Look::Size) {
            Ok(_) if there => return Ok(()),
            // Looking at it took it out of the trash, which is no damage.
            Ok(_) => match self.store.blobs().inspect_length(file, length, Look::Again) {
                Ok(_) => return Ok(()),
                Err(doubt) => doubt,
            },
            Err(doubt) => doubt,
        };
        if let Some(reason) = self.damaged.remove(file) {
            return Err(Doubt::Corrupt {
                file: *file,
                reason,
                fate: Fate::SetAside,
            });
        }
        let reason = match &doubt {
            // Records may be pulled without their blobs.
            Doubt::Missing(_) if self.store.size_elsewhere(file, length.exact()).is_some() => {
                self.report.elsewhere += 1;
                return Ok(());
            }
            Doubt::Missing(_) => "it was gone".to_owned(),
            Doubt::Corrupt { .. } if self.store.blobs().is_here(file) => return Err(doubt),
            Doubt::Corrupt { reason, .. } => reason.clone(),
            Doubt::Unreadable(_) => return Err(doubt),
        };
        if self.mend(file, &reason) {
            // What came back need not have the size that the record tells.
            self.store
                .blobs()
                .inspect_length(file, length, Look::Size)
                .map(drop)
        } else {
            Err(doubt)
        }
    }

    fn mend(&mut self, file: &FileDigest, reason: &str) -> bool {
        match self.store.restore(file, self.sources) {
            Some(source) => {
                self.restored(file, reason, &source);
                true
            }
            None => false,
        }
    }

    fn restored(&mut self, file: &FileDigest, reason: &str, source: &str) {
        let what = format!("Blob `{}`", file.short());
        self.report
            .repaired(what, format!("{reason}; restored from {source}"));
    }
}
