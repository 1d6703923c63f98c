//! Checking a whole store.

use serde::Serialize;

use crate::artifact::{Artifact, ArtifactKind};
use crate::blob::{Doubt, Look};
use crate::directory;
use crate::error::StoreError;
use crate::id::{ContentDigest, FamilyKey, StageKey};
use crate::record::ActionRecord;
use crate::sealed::Sealed;
use crate::store::Store;
use crate::table;
use crate::tensors::tensors_content;

/// How closely a store is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyDepth {
    /// Every record parses and every blob it names is there with the right size.
    Quick,
    /// Also every blob has the bytes of its name, and every artifact the content that is recorded.
    Full,
}

/// Something wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyFinding {
    /// What it is about, such as ``Blob `0123456789ab` ``.
    pub what: String,
    /// What is wrong.
    pub reason: String,
}

/// The result of checking a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Blobs looked at.
    pub blobs: u64,
    /// Bytes of those blobs.
    pub bytes: u64,
    /// Records of actions, shards and checkpoints looked at.
    pub records: u64,
    /// What was damaged; it was set aside where the store may be written.
    pub corrupt: Vec<VerifyFinding>,
    /// What is named by a record but gone; the next run computes it again.
    pub missing: Vec<VerifyFinding>,
    /// What could not be read.
    pub unreadable: Vec<VerifyFinding>,
}

impl VerifyReport {
    /// Tells whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.corrupt.is_empty() && self.missing.is_empty() && self.unreadable.is_empty()
    }

    fn doubt(&mut self, what: String, doubt: Doubt) {
        match doubt {
            Doubt::Missing(file) => {
                self.missing.push(VerifyFinding {
                    what,
                    reason: format!("blob `{}` is gone", file.short()),
                });
            }
            Doubt::Corrupt { file, reason } => {
                let what = format!("Blob `{}`", file.short());
                if !self.corrupt.iter().any(|finding| finding.what == what) {
                    self.corrupt.push(VerifyFinding { what, reason });
                }
            }
            Doubt::Unreadable(error) => {
                self.unreadable.push(VerifyFinding {
                    what: error.to_string(),
                    reason: error.io().to_string(),
                });
            }
        }
    }

    fn corrupt(&mut self, what: String, reason: String) {
        self.corrupt.push(VerifyFinding { what, reason });
    }
}

impl Store {
    /// Checks every record and blob; what is damaged is set aside, so that the next run computes it again.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be listed; a single file that cannot be read is part of the report.
    pub fn verify(&self, depth: VerifyDepth) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        for blob in self.blobs()? {
            report.blobs += 1;
            report.bytes += blob.bytes;
            let look = if depth == VerifyDepth::Full {
                Look::Again
            } else {
                Look::Size
            };
            if let Err(doubt) = self.inspect(&blob.file, Some(blob.bytes), look) {
                report.doubt(format!("Blob `{}`", blob.file.short()), doubt);
            }
        }
        for key in self.action_keys()? {
            report.records += 1;
            let what = format!("Action record `{}`", key.short());
            match self.read_action(&key) {
                Ok(Sealed::Good(record)) => self.verify_action(&record, depth, &mut report),
                Ok(Sealed::Corrupt { reason, .. }) => report.corrupt(what, reason),
                Ok(Sealed::Absent | Sealed::Newer { .. }) => {}
                Err(error) => report.doubt(what, Doubt::Unreadable(error)),
            }
        }
        self.verify_shards(&mut report)?;
        self.verify_checkpoints(&mut report)?;
        Ok(report)
    }

    fn verify_action(&self, record: &ActionRecord, depth: VerifyDepth, report: &mut VerifyReport) {
        let what = |part: &str| format!("{part} of `{}` `{}`", record.stage, record.key.short());
        if let Err(doubt) = self.inspect(&record.preimage, None, Look::Size) {
            report.doubt(what("Preimage"), doubt);
        }
        for (port, artifact) in &record.outputs {
            let what = what(&format!("Output `{port}`"));
            if let Err(doubt) = self.inspect_artifact(artifact, Look::Size) {
                report.doubt(what, doubt);
            } else if depth == VerifyDepth::Full {
                match self.derive_content(artifact) {
                    Ok(Some(content)) if content != artifact.content => {
                        let reason = format!(
                            "its content is `{}`, recorded as `{}`",
                            content.short(),
                            artifact.content.short()
                        );
                        report.corrupt(what, reason);
                    }
                    Ok(_) => {}
                    Err(error) => report.corrupt(what, error.to_string()),
                }
            }
        }
    }

    /// Works out what an artifact means from its bytes, where that is more than the bytes.
    fn derive_content(&self, artifact: &Artifact) -> Result<Option<ContentDigest>, StoreError> {
        Ok(match artifact.kind {
            ArtifactKind::Table | ArtifactKind::Parts => {
                let reader = self.read_table(artifact, None)?;
                let schema = reader.schema().clone();
                let mut rows = Vec::new();
                for batch in reader {
                    rows.extend(table::row_digests(&batch?)?);
                }
                Some(table::content(&schema, &rows)?)
            }
            ArtifactKind::Tensors => Some(tensors_content(&self.read_tensors(artifact)?)),
            ArtifactKind::Directory => Some(directory::content(&self.read_directory(artifact)?)),
            ArtifactKind::Json | ArtifactKind::Html => None,
        })
    }

    fn verify_shards(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        for (_, digest) in self.fanned("shards", "")? {
            let family = FamilyKey::new(digest);
            for name in self.shard_names(&family)? {
                report.records += 1;
                if self.good_shard(&family, &name).is_none() {
                    let reason = "the record or its blob is damaged or gone".to_owned();
                    report.corrupt(format!("Shard `{}`", name.short()), reason);
                }
            }
        }
        Ok(())
    }

    fn verify_checkpoints(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        for (_, digest) in self.fanned("checkpoints", "")? {
            let key = StageKey::new(digest);
            for step in self.checkpoint_steps(&key)? {
                report.records += 1;
                if self.good_checkpoint(&key, step).is_none() {
                    let reason = "the record or a blob of it is damaged or gone".to_owned();
                    report.corrupt(format!("Checkpoint `{}` step {step}", key.short()), reason);
                }
            }
        }
        Ok(())
    }
}
