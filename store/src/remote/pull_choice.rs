//! Which records of a remote a pull is about.

use std::collections::BTreeSet;

use super::parallel::parallel_map;
use super::wanted::Wanted;
use super::{RemoteError, Upstream, listing};
use crate::names::{Digest, FamilyKey, Object, RunId, StageKey, domain};
use crate::records::{ActionRecord, sealed};
use crate::runs::{RunRecord, run};

/// Records that a remote has and that are wanted.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) actions: Vec<StageKey>,
    pub(super) shards: Vec<(FamilyKey, Digest)>,
    pub(super) runs: Vec<RunId>,
    /// What stands among them and is no record.
    pub(super) odd: Vec<String>,
}

impl Choice {
    /// Finds out which records of the remote are wanted.
    pub(super) fn make(upstream: &Upstream, wanted: &Wanted) -> Result<Self, RemoteError> {
        match wanted {
            Wanted::All => Self::everything(upstream),
            Wanted::Run(run) => Self::of_run(upstream, wanted, run),
            Wanted::Stage(_) | Wanted::Artifact(_) => Self::matching(upstream, wanted),
        }
    }

    fn everything(upstream: &Upstream) -> Result<Self, RemoteError> {
        let remote = upstream.remote();
        let actions = listing::actions(remote)?;
        let shards = listing::shards(remote)?;
        let runs = listing::runs(remote)?;
        let odd = [actions.odd, shards.odd, runs.odd];
        Ok(Self {
            actions: actions.found,
            shards: shards.found,
            runs: runs.found,
            odd: odd.into_iter().flatten().collect(),
        })
    }

    fn of_run(upstream: &Upstream, wanted: &Wanted, run: &RunId) -> Result<Self, RemoteError> {
        let record = read_run(upstream, run)?;
        wanted.check_found(record.is_some(), "at the remote")?;
        let stages = record.into_iter().flat_map(|(run, _)| run.stages.into_values());
        let keys: BTreeSet<StageKey> = stages.collect();
        Ok(Self {
            actions: keys.into_iter().collect(),
            runs: vec![*run],
            ..Self::default()
        })
    }

    fn matching(upstream: &Upstream, wanted: &Wanted) -> Result<Self, RemoteError> {
        let remote = upstream.remote();
        let listed = listing::actions(remote)?;
        let matching = parallel_map(&listed.found, |key| {
            let object = Object::Action(*key);
            let bytes = match remote.read(&object, object.limit()) {
                // Nobody knows whether it is wanted.
                Err(RemoteError::Failed { .. } | RemoteError::TooLarge { .. }) => return Ok(None),
                bytes => bytes?.unwrap_or_default(),
            };
            let record = sealed::parse::<ActionRecord>(&bytes, domain::ACTION_RECORD, u32::MAX);
            let matches = matches!(record, Ok(Ok(record)) if wanted.matches(&record));
            Ok::<_, RemoteError>(matches.then_some(*key))
        })?;
        let actions: Vec<StageKey> = matching.into_iter().flatten().collect();
        wanted.check_found(!actions.is_empty(), "at the remote")?;
        Ok(Self {
            actions,
            odd: listed.odd,
            ..Self::default()
        })
    }
}

/// Reads the record of a run with its bytes, `None` if it is absent or damaged.
pub(super) fn read_run(upstream: &Upstream, id: &RunId) -> Result<Option<(RunRecord, Vec<u8>)>, RemoteError> {
    let object = Object::Run(*id);
    let Some(bytes) = upstream.remote.read(&object, object.limit())? else {
        return Ok(None);
    };
    Ok(
        match sealed::parse::<RunRecord>(&bytes, domain::RUN, run::VERSION) {
            Ok(Ok(record)) if record.id == *id => Some((record, bytes)),
            _ => None,
        },
    )
}
