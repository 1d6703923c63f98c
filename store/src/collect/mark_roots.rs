//! Marking from everything a collection starts from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::error::CollectError;
use super::mark::{Keep, Mark};
use super::options::CollectOptions;
use super::report::RootCounts;
use crate::error::StoreError;
use crate::files::{age, is_absent};
use crate::names::{Digest, FamilyKey, RunId, StageKey};
use crate::retention::{PinError, PinTarget};
use crate::runs::{RunRecord, RunStatus};
use crate::store::Store;

impl CollectOptions {
    /// Returns how long records are kept for their age alone.
    ///
    /// Whoever asks for less than all results of the runs that are kept wants them gone before the runs are old.
    pub(crate) fn recent(&self, store: &Store) -> Duration {
        let selects = self.max_bytes.is_some() || self.keep_rounds.is_some() || self.drop_intermediates;
        let recent = if selects {
            self.grace
        } else {
            self.older_than.max(self.grace)
        };
        recent.saturating_add(store.renew_after())
    }
}

/// Marks what pins, runs, leases and recent records lead to.
pub(crate) fn mark_roots<'s>(
    store: &'s Store,
    options: &CollectOptions,
    now: SystemTime,
) -> Result<(Mark<'s>, RootCounts), CollectError> {
    store.check_folders()?;
    let mut mark = Mark::new(store, options.max_bytes.is_some());
    let mut counts = RootCounts::default();
    for pin in store.pins().list().map_err(pin_error)? {
        counts.pins += 1;
        match pin.target {
            PinTarget::Run(run) => {
                let records = store.runs().records(&run).unwrap_or_default();
                if records.is_empty() {
                    return Err(pin_error(PinError::Unreadable {
                        name: pin.name,
                        reason: format!("the record of run `{run}` is gone or damaged"),
                    }));
                }
                for key in records.into_iter().flat_map(|run| run.stages.into_values()) {
                    mark.stage(key, Keep::Results)?;
                }
            }
            PinTarget::Stage(key) => mark.stage(key, Keep::Results)?,
            PinTarget::Artifact { stage, artifact } => {
                mark.stage(stage, Keep::Record)?;
                mark.artifact(artifact.kind, &artifact.file)?;
            }
        }
    }
    for key in store.leased()? {
        counts.leases += 1;
        mark.stage(key, Keep::Results)?;
    }
    counts.recent = mark_recent(store, &mut mark, options.recent(store), now)?;
    for run in store.kept_runs(options.keep_runs, options.older_than, now)? {
        let kept = run.why.is_some() && {
            let records = store.runs().records(&run.id)?;
            let limit = options.max_bytes.unwrap_or(u64::MAX);
            mark.within(limit, |mark| mark_run(store, mark, &run.id, records, options))?
        };
        if kept {
            counts.runs += 1;
        } else {
            counts.runs_given_up += 1;
        }
    }
    mark_checkpoints(store, &mut mark)?;
    Ok((mark, counts))
}

fn mark_run(
    store: &Store,
    mark: &mut Mark<'_>,
    id: &RunId,
    records: Vec<RunRecord>,
    options: &CollectOptions,
) -> Result<(), CollectError> {
    let of_all = records.iter().flat_map(|record| record.stages.values().copied());
    let of_all: BTreeSet<StageKey> = of_all.collect();
    let Some(run) = store.runs().together(id, records) else {
        return Ok(());
    };
    // What an unfinished run has is what it goes on with.
    let selects = run.status == RunStatus::Succeeded;
    let mut read = BTreeSet::new();
    if selects && options.drop_intermediates {
        for key in run.stages.values() {
            if let Some(links) = store.action_links(key)? {
                read.extend(links.inputs());
            }
        }
    }
    let rounds = options.keep_rounds.filter(|_| selects);
    let last = rounds.and_then(|rounds| run.stages.keys().filter_map(|name| (rounds.round_of)(name)).max());
    for (name, key) in &run.stages {
        let early = rounds.zip(last).is_some_and(|(rounds, last)| {
            (rounds.round_of)(name).is_some_and(|round| round.saturating_add(rounds.newest) <= last)
        });
        let keep = if early || read.contains(key) {
            Keep::Record
        } else {
            Keep::Results
        };
        mark.stage(*key, keep)?;
    }
    // Where processes found different keys for one name, the run counts one, and the others were relied on too.
    let of_run: BTreeSet<StageKey> = run.stages.into_values().collect();
    for key in of_all.difference(&of_run) {
        mark.stage(*key, Keep::Results)?;
    }
    Ok(())
}

/// Marks what records lead to that are kept for their age alone, and returns how many these are.
fn mark_recent(
    store: &Store,
    mark: &mut Mark<'_>,
    recent: Duration,
    now: SystemTime,
) -> Result<u64, CollectError> {
    let is_recent = |path: &Path| is_recent(store, path, recent, now);
    let mut count = 0;
    for fan in store.fans("actions")? {
        for (path, digest) in store.fan_entries(&fan, ".json")? {
            if is_recent(&path) {
                count += 1;
                mark.stage(StageKey::new(digest), Keep::Results)?;
            }
        }
    }
    for fan in store.fans("shards")? {
        for (_, family) in store.fan_entries(&fan, "")? {
            for (path, _) in shard_paths(store, &FamilyKey::new(family))? {
                if is_recent(&path)
                    && let Some(links) = store.shard_links(&path)?
                {
                    count += 1;
                    mark.blob(&links.blob);
                }
            }
        }
    }
    for fan in store.fans("checkpoints")? {
        for (_, key) in store.fan_entries(&fan, "")? {
            for (path, _) in checkpoint_paths(store, &StageKey::new(key))? {
                if is_recent(&path)
                    && let Some(links) = store.checkpoint_links(&path)?
                {
                    count += 1;
                    links.blobs.values().for_each(|file| mark.blob(file));
                }
            }
        }
    }
    Ok(count)
}

/// Tells whether a record is kept for its age alone; one whose age is not known is.
pub(crate) fn is_recent(store: &Store, path: &Path, recent: Duration, now: SystemTime) -> bool {
    match store.files().metadata(path) {
        Ok(metadata) => age(now, &metadata) < recent,
        Err(error) => !is_absent(&error),
    }
}

/// Marks the checkpoints that kept stages can go on from, and those that are to outlive their stage.
fn mark_checkpoints(store: &Store, mark: &mut Mark<'_>) -> Result<(), CollectError> {
    for fan in store.fans("checkpoints")? {
        for (_, key) in store.fan_entries(&fan, "")? {
            let key = StageKey::new(key);
            if !mark.has_results(&key) {
                continue;
            }
            for (path, _) in checkpoint_paths(store, &key)? {
                if let Some(links) = store.checkpoint_links(&path)?
                    && (links.keep || mark.is_unfinished(&key))
                {
                    links.blobs.values().for_each(|file| mark.blob(file));
                }
            }
        }
    }
    Ok(())
}

/// Lists the shard records of a family with the names they are kept under.
pub(crate) fn shard_paths(store: &Store, family: &FamilyKey) -> Result<Vec<(PathBuf, Digest)>, CollectError> {
    let names = store.shards().shard_names(family)?;
    Ok(names
        .into_iter()
        .map(|name| (store.layout().shard(family, &name), name))
        .collect())
}

/// Lists the checkpoints of a stage with their steps.
pub(crate) fn checkpoint_paths(store: &Store, key: &StageKey) -> Result<Vec<(PathBuf, u64)>, CollectError> {
    let steps = store.records().checkpoint_steps(key)?;
    Ok(steps
        .into_iter()
        .map(|step| (store.layout().checkpoint(key, step), step))
        .collect())
}

pub(crate) fn pin_error(error: PinError) -> CollectError {
    match error {
        PinError::Store(error) => CollectError::Store(error),
        error => CollectError::Pin(error),
    }
}

impl Store {
    /// Lists the stages that somebody works on at the moment; keys of other work are among them and lead nowhere.
    pub(crate) fn leased(&self) -> Result<Vec<StageKey>, StoreError> {
        let leases = self.leases().list()?;
        Ok(leases
            .into_iter()
            .map(|(key, _)| StageKey::new(*key.digest()))
            .collect())
    }
}
