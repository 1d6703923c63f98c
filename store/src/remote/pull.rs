//! Pulling results from a remote.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::arrival::Arrival;
use super::observer::TransferObserver;
use super::parallel::{parallel, parallel_map};
use super::transfer::{TransferOptions, TransferReport};
use super::wanted::Wanted;
use super::{Object, RemoteError, Upstream, listing};
use crate::digest::Digest;
use crate::id::{FamilyKey, FileDigest, StageKey};
use crate::key::domain;
use crate::lookup::Lookup;
use crate::record::ActionRecord;
use crate::run::{self, RunId};
use crate::sealed;
use crate::shard::ShardRecord;
use crate::store::Store;

#[derive(Default)]
struct Plan {
    actions: Vec<Arrival<ActionRecord>>,
    shards: Vec<Arrival<ShardRecord>>,
    blobs: BTreeSet<(FileDigest, u64)>,
    report: TransferReport,
}

/// Pulls what is wanted and not there yet.
///
/// Every file is checked as it comes; a record is written after all its blobs. What is refused or incomplete at the
/// remote is left out and reported. A pull that was interrupted goes on where it stopped.
///
/// # Errors
/// [`RemoteError`] if the remote cannot be reached or the store cannot be written.
pub fn pull(
    store: &Store,
    upstream: &Upstream,
    wanted: &Wanted,
    options: TransferOptions,
    observer: &dyn TransferObserver,
) -> Result<TransferReport, RemoteError> {
    let (keys, shards, runs) = wanted_there(upstream, wanted)?;
    // Few, and worth knowing whatever else is wanted.
    if !options.dry_run {
        for tombstone in listing::tombstones(upstream.remote())? {
            upstream.tombstone(store, &tombstone)?;
        }
    }
    let plan = Mutex::new(Plan::default());
    let change =
        |change: &dyn Fn(&mut Plan)| change(&mut plan.lock().unwrap_or_else(PoisonError::into_inner));
    parallel(&keys, |key| {
        // Without upstreams attached this tells what is in this store itself.
        let there = match options.metadata_only {
            true => store.good_action(key).is_some(),
            false => matches!(store.peek(key), Lookup::Hit(_)),
        };
        if there {
            change(&|plan| plan.report.present += 1);
            return Ok(());
        }
        let arrival = upstream.action(store, key).and_then(|arrival| match arrival {
            Some(arrival) => Ok(Some((upstream.blobs_of(store, &arrival.record)?, arrival))),
            None => Ok(None),
        });
        let arrival = left_out(arrival, observer, |text| {
            change(&|plan| plan.report.left_out.push(text.clone()));
        })?;
        if let Some((blobs, arrival)) = arrival {
            let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
            plan.report.unvouched += u64::from(arrival.unvouched);
            plan.blobs.extend(blobs);
            plan.actions.push(arrival);
        }
        Ok::<_, RemoteError>(())
    })?;
    parallel(&shards, |(family, name)| {
        if store.good_shard(family, name).is_some() {
            change(&|plan| plan.report.present += 1);
            return Ok(());
        }
        let arrival = left_out(upstream.shard(store, family, name), observer, |text| {
            change(&|plan| plan.report.left_out.push(text.clone()));
        })?;
        if let Some(arrival) = arrival {
            let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
            plan.report.unvouched += u64::from(arrival.unvouched);
            plan.blobs.insert((arrival.record.blob, arrival.record.bytes));
            plan.shards.push(arrival);
        }
        Ok::<_, RemoteError>(())
    })?;
    let plan = plan.into_inner().unwrap_or_else(PoisonError::into_inner);
    let report = carry_out(store, upstream, plan, options, observer)?;
    if !options.dry_run {
        parallel(&runs, |run| adopt_run(store, upstream, run))?;
    }
    Ok(report)
}

fn carry_out(
    store: &Store,
    upstream: &Upstream,
    plan: Plan,
    options: TransferOptions,
    observer: &dyn TransferObserver,
) -> Result<TransferReport, RemoteError> {
    let Plan {
        actions,
        shards,
        blobs,
        mut report,
    } = plan;
    let blobs: Vec<_> = blobs
        .into_iter()
        .filter(|(blob, _)| !store.is_here(blob))
        .collect();
    let blobs = if options.metadata_only { Vec::new() } else { blobs };
    let bytes = blobs.iter().map(|(_, size)| size).sum();
    observer.planned(blobs.len() as u64, bytes);
    report.records = (actions.len() + shards.len()) as u64;
    (report.blobs, report.bytes) = (blobs.len() as u64, bytes);
    if options.dry_run {
        return Ok(report);
    }
    let lost: Mutex<BTreeMap<FileDigest, String>> = Mutex::default();
    let came = AtomicU64::new(0);
    parallel(&blobs, |(blob, size)| {
        let fetched = upstream.fetch_blob(store, blob, *size, &|bytes| observer.advanced(bytes));
        match fetched {
            Ok(bytes) => drop(came.fetch_add(bytes, Ordering::Relaxed)),
            Err(error @ (RemoteError::Missing { .. } | RemoteError::Damaged { .. })) => {
                let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
                lost.insert(*blob, error.to_string());
            }
            Err(error) => return Err(error),
        }
        observer.object_done();
        Ok(())
    })?;
    report.bytes = came.into_inner();
    let lost = lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.blobs -= lost.len() as u64;
    for arrival in &shards {
        if lost.contains_key(&arrival.record.blob) {
            report.records -= 1;
            continue;
        }
        store.place_shard(arrival)?;
    }
    for arrival in &actions {
        let blobs = upstream.blobs_of(store, &arrival.record)?;
        if let Some(reason) = blobs.iter().find_map(|(blob, _)| lost.get(blob)) {
            let text = format!(
                "`{}` `{}`: {reason}",
                arrival.record.stage,
                arrival.record.key.short()
            );
            observer.note(&text);
            report.left_out.push(text);
            report.records -= 1;
            continue;
        }
        match options.metadata_only {
            true => store.place_metadata(arrival)?,
            false => drop(store.place_action(arrival)?),
        }
    }
    Ok(report)
}

/// Turns what concerns one record into a note, and passes on what concerns the remote or the store.
fn left_out<T>(
    result: Result<Option<T>, RemoteError>,
    observer: &dyn TransferObserver,
    note: impl Fn(String),
) -> Result<Option<T>, RemoteError> {
    match result {
        Err(
            error @ (RemoteError::Refused(_)
            | RemoteError::Missing { .. }
            | RemoteError::Damaged { .. }
            | RemoteError::TooLarge { .. }),
        ) => {
            observer.note(&error.to_string());
            note(error.to_string());
            Ok(None)
        }
        other => other,
    }
}

type Found = (Vec<StageKey>, Vec<(FamilyKey, Digest)>, Vec<RunId>);

/// Finds out which records of the remote are wanted.
fn wanted_there(upstream: &Upstream, wanted: &Wanted) -> Result<Found, RemoteError> {
    let remote = upstream.remote();
    Ok(match wanted {
        Wanted::All => (
            listing::actions(remote)?,
            listing::shards(remote)?,
            listing::runs(remote)?,
        ),
        Wanted::Run(run) => {
            let record = read_run(upstream, run)?;
            wanted.check_found(record.is_some(), "at the remote")?;
            let stages = record.into_iter().flat_map(|(run, _)| run.stages.into_values());
            let keys: BTreeSet<StageKey> = stages.collect();
            (keys.into_iter().collect(), Vec::new(), vec![*run])
        }
        Wanted::Stage(_) | Wanted::Artifact(_) => {
            let keys = listing::actions(remote)?;
            let matching = parallel_map(&keys, |key| {
                let object = Object::Action(*key);
                let bytes = remote.read(&object, object.limit())?.unwrap_or_default();
                let record = sealed::parse::<ActionRecord>(&bytes, domain::ACTION_RECORD, u32::MAX);
                let matches = matches!(record, Ok(Ok(record)) if wanted.matches(&record));
                Ok::<_, RemoteError>(matches.then_some(*key))
            })?;
            let keys: Vec<StageKey> = matching.into_iter().flatten().collect();
            wanted.check_found(!keys.is_empty(), "at the remote")?;
            (keys, Vec::new(), Vec::new())
        }
    })
}

fn read_run(upstream: &Upstream, id: &RunId) -> Result<Option<(run::RunRecord, Vec<u8>)>, RemoteError> {
    let object = Object::Run(*id);
    let Some(bytes) = upstream.remote.read(&object, object.limit())? else {
        return Ok(None);
    };
    Ok(
        match sealed::parse::<run::RunRecord>(&bytes, domain::RUN, run::VERSION) {
            Ok(Ok(record)) if record.id == *id => Some((record, bytes)),
            _ => None,
        },
    )
}

/// Takes over the record of a run, which only names keys; whoever made it owns it.
fn adopt_run(store: &Store, upstream: &Upstream, id: &RunId) -> Result<(), RemoteError> {
    if store.read_run(id).is_none()
        && let Some((_, bytes)) = read_run(upstream, id)?
    {
        store.create_object(&Object::Run(*id), &bytes)?;
    }
    Ok(())
}
