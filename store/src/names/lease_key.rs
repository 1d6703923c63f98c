//! Names of leases.

use std::fmt;

use super::digest::Digest;
use super::id::{FamilyKey, ItemKey, PipelineDigest, StageKey};
use super::key::{self, domain};
use super::run_id::RunId;

/// Names a piece of work that one process shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey(Digest);

impl LeaseKey {
    /// Names the whole work of a stage.
    pub fn of_stage(key: &StageKey) -> Self {
        Self(*key.digest())
    }

    /// Names the work on some items of a family.
    pub fn of_items<'k>(family: &FamilyKey, items: impl IntoIterator<Item = &'k ItemKey>) -> Self {
        let mut bytes = family.as_bytes().to_vec();
        bytes.extend(items.into_iter().flat_map(|item| *item.as_bytes()));
        Self(key::derive(domain::PORTION, &bytes))
    }

    /// Names the choice of a run for a process that begins with a pipeline.
    pub(crate) fn of_pipeline(pipeline: &PipelineDigest) -> Self {
        Self(*pipeline.digest())
    }

    /// Names the part that a process takes in a run.
    pub(crate) fn of_member(run: &RunId, host: &str, process: u32) -> Self {
        let member = format!("{run} {host} {process}");
        Self(key::derive(domain::RUN_MEMBER, member.as_bytes()))
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.0
    }

    pub(crate) fn new(digest: Digest) -> Self {
        Self(digest)
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
