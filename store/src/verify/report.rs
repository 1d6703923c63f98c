//! What a check of a store found.

use serde::Serialize;

use crate::blobs::Doubt;
use crate::error::Fate;

/// Something wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyFinding {
    /// What it is about, such as ``Blob `0123456789ab` ``.
    pub what: String,
    /// What is wrong.
    pub reason: String,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyOutcome {
    /// Nothing is wrong.
    Clean,
    /// Everything that was wrong is mended.
    Repaired,
    /// Something is lost here, and the next run that needs it computes it again; or it cannot be read.
    Lost,
}

/// The result of checking a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Blobs looked at.
    pub blobs: u64,
    /// Bytes of those blobs.
    pub bytes: u64,
    /// Records of actions, shards, checkpoints, runs and pins, tombstones and settings of remotes looked at.
    pub records: u64,
    /// Stages whose results a collection removed on purpose while their records stay.
    pub dropped: u64,
    /// Blobs that only a remote has.
    pub elsewhere: u64,
    /// What was damaged or gone and is good again, or was damaged and nothing names it.
    pub repaired: Vec<VerifyFinding>,
    /// What is damaged and could not be mended; it was set aside where the store may be written.
    pub corrupt: Vec<VerifyFinding>,
    /// What is named by a record but gone; the next run computes it again.
    pub missing: Vec<VerifyFinding>,
    /// What could not be read.
    pub unreadable: Vec<VerifyFinding>,
}

impl VerifyReport {
    /// Tells whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.outcome() == VerifyOutcome::Clean
    }

    /// Sums up the findings.
    pub fn outcome(&self) -> VerifyOutcome {
        if !(self.corrupt.is_empty() && self.missing.is_empty() && self.unreadable.is_empty()) {
            VerifyOutcome::Lost
        } else if self.repaired.is_empty() {
            VerifyOutcome::Clean
        } else {
            VerifyOutcome::Repaired
        }
    }

    pub(super) fn doubt(&mut self, what: String, doubt: Doubt) {
        match doubt {
            Doubt::Missing(file) => {
                let reason = format!("blob `{}` is gone", file.short());
                self.missing.push(VerifyFinding { what, reason });
            }
            Doubt::Corrupt { file, reason, fate } => {
                let what = format!("Blob `{}`", file.short());
                if !self.corrupt.iter().any(|finding| finding.what == what) {
                    let stays = match fate {
                        Fate::Stays => "; it could not be set aside",
                        Fate::SetAside | Fate::Untouched => "",
                    };
                    self.corrupt(what, format!("{reason}{stays}"));
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

    pub(super) fn corrupt(&mut self, what: String, reason: String) {
        self.corrupt.push(VerifyFinding { what, reason });
    }

    pub(super) fn repaired(&mut self, what: String, reason: String) {
        self.repaired.push(VerifyFinding { what, reason });
    }
}
