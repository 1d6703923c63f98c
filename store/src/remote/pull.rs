//! Pulling results from a remote.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::arrival::Arrival;
use super::observer::TransferObserver;
use super::parallel::{parallel, parallel_map};
use super::pull_choice::{Choice, read_run};
use super::transfer::{TransferOptions, TransferReport};
use super::wanted::Wanted;
use super::{RemoteError, Upstream, listing};
use crate::error::describe;
use crate::files::PathError;
use crate::names::{Digest, FamilyKey, FileDigest, Object, RunId, StageKey};
use crate::records::{ActionRecord, Lookup};
use crate::shards::ShardRecord;
use crate::store::Store;

/// Tombstones that are fetched before they are made durable together.
const TOMBSTONES: usize = 1000;

/// After so many files in a row that cannot be had, it is the remote that fails.
const FAILURES: usize = 100;

/// A pull in progress; records and blobs come in by many threads.
pub(super) struct Pull<'a> {
    pub(super) store: &'a Store,
    pub(super) upstream: &'a Upstream,
    pub(super) options: TransferOptions,
    pub(super) observer: &'a dyn TransferObserver,
    plan: Mutex<Plan>,
    /// Files that the remote failed to hand over, one after the other.
    pub(super) failures: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Plan {
    pub(super) actions: Vec<Arrival<ActionRecord>>,
    pub(super) shards: Vec<Arrival<ShardRecord>>,
    pub(super) blobs: BTreeSet<(FileDigest, u64)>,
    pub(super) report: TransferReport,
    /// The first blob that the disk has no room for.
    pub(super) no_room: Option<PathError>,
}

/// Pulls what is wanted and not there yet.
///
/// Every file is checked as it comes; a record is written after all its blobs. What is refused, odd or incomplete at
/// the remote is left out and reported. A pull that was interrupted goes on where it stopped.
///
/// # Errors
/// [`RemoteError`] if the remote cannot be reached or the store cannot be written; if the disk has no room for a blob,
/// after everything else came.
pub fn pull(
    store: &Store,
    upstream: &Upstream,
    wanted: &Wanted,
    options: TransferOptions,
    observer: &dyn TransferObserver,
) -> Result<TransferReport, RemoteError> {
    let pull = Pull {
        store,
        upstream,
        options,
        observer,
        plan: Mutex::default(),
        failures: AtomicUsize::new(0),
    };
    let choice = Choice::make(upstream, wanted)?;
    choice.odd.into_iter().for_each(|text| pull.leave_out(text));
    if !options.dry_run {
        // Worth knowing whatever else is wanted.
        pull.tombstones()?;
    }
    parallel(&choice.actions, |key| pull.plan_action(key))?;
    parallel(&choice.shards, |(family, name)| pull.plan_shard(family, name))?;
    pull.carry_out()?;
    if !options.dry_run {
        parallel(&choice.runs, |run| pull.adopt_run(run))?;
    }
    let plan = pull.plan.into_inner().unwrap_or_else(PoisonError::into_inner);
    match plan.no_room {
        Some(error) => Err(error.into()),
        None => Ok(plan.report),
    }
}

impl Pull<'_> {
    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn leave_out(&self, text: String) {
        self.observer.note(&text);
        self.plan().report.left_out.push(text);
    }

    /// Turns what concerns one file into a note, and passes on what concerns the remote or the store.
    pub(super) fn or_left_out<T>(
        &self,
        result: Result<Option<T>, RemoteError>,
    ) -> Result<Option<T>, RemoteError> {
        match result {
            Err(error) if self.is_left_out(&error) => {
                self.leave_out(describe(&error));
                Ok(None)
            }
            Ok(found) => {
                self.failures.store(0, Ordering::Relaxed);
                Ok(found)
            }
            error => error,
        }
    }

    /// Tells whether an error is that of one file of the remote, which says nothing about the others.
    pub(super) fn is_left_out(&self, error: &RemoteError) -> bool {
        match error {
            RemoteError::Refused(_)
            | RemoteError::Missing { .. }
            | RemoteError::Damaged { .. }
            | RemoteError::TooLarge { .. } => true,
            // What may be listed may be refused one by one.
            RemoteError::Failed { .. } | RemoteError::Denied { .. } => {
                self.failures.fetch_add(1, Ordering::Relaxed) < FAILURES
            }
            _ => false,
        }
    }

    /// Fetches the tombstones that are not known here, many at once.
    fn tombstones(&self) -> Result<(), RemoteError> {
        let listed = listing::tombstones(self.upstream.remote())?;
        listed.odd.into_iter().for_each(|text| self.leave_out(text));
        let known = |object: &Object| {
            self.store
                .files()
                .exists(&self.store.objects().object_path(object))
        };
        let new: Vec<Object> = listed.found.into_iter().filter(|object| !known(object)).collect();
        for some in new.chunks(TOMBSTONES) {
            let fetched = parallel_map(some, |object| {
                let bytes = self.or_left_out(self.upstream.tombstone_bytes(object))?;
                Ok::<_, RemoteError>(bytes.map(|bytes| (*object, bytes)))
            })?;
            let fetched: Vec<_> = fetched.into_iter().flatten().collect();
            self.store.records().adopt_tombstones(&fetched)?;
        }
        Ok(())
    }

    fn plan_action(&self, key: &StageKey) -> Result<(), RemoteError> {
        // Without upstreams attached this tells what is in this store itself.
        let there = match self.options.metadata_only {
            true => self.store.records().good_action(key).is_some(),
            false => matches!(self.store.records().peek(key), Lookup::Hit(_)),
        };
        if there {
            self.plan().report.present += 1;
            return Ok(());
        }
        let (store, upstream) = (self.store, self.upstream);
        let arrival = upstream.action(store, key).and_then(|arrival| match arrival {
            Some(arrival) => Ok(Some((upstream.blobs_of(store, &arrival.record)?, arrival))),
            None => Ok(None),
        });
        if let Some((blobs, arrival)) = self.or_left_out(arrival)? {
            let mut plan = self.plan();
            plan.blobs.extend(blobs);
            plan.actions.push(arrival);
        }
        Ok(())
    }

    fn plan_shard(&self, family: &FamilyKey, name: &Digest) -> Result<(), RemoteError> {
        if self.store.shards().good_shard(family, name).is_some() {
            self.plan().report.present += 1;
            return Ok(());
        }
        let arrival = self.upstream.shard(self.store, family, name);
        if let Some(arrival) = self.or_left_out(arrival)? {
            let mut plan = self.plan();
            plan.blobs.insert((arrival.record.blob, arrival.record.bytes));
            plan.shards.push(arrival);
        }
        Ok(())
    }

    /// Takes over the record of a run, which only names keys; whoever made it owns it.
    fn adopt_run(&self, id: &RunId) -> Result<(), RemoteError> {
        if self.store.runs().read(id).is_none()
            && let Some((_, bytes)) = self.or_left_out(read_run(self.upstream, id))?
        {
            self.store.objects().create_object(&Object::Run(*id), &bytes)?;
        }
        Ok(())
    }
}
