//! Pushing results to a remote.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::knowledge::{learn_blobs, learn_records};
use super::observer::TransferObserver;
use super::parallel::parallel;
use super::parcel::Parcel;
use super::transfer::{TransferOptions, TransferReport};
use super::wanted::Wanted;
use super::{Created, Object, RemoteError, Upstream, describe};
use crate::digest::Digest;
use crate::error::StoreError;
use crate::file_system::is_lasting;
use crate::id::FileDigest;
use crate::key::domain;
use crate::record::{self, ActionRecord};
use crate::sealed;
use crate::store::Store;

/// Pushes what is wanted and not there yet: blobs, then lists of blobs, then records.
///
/// Nothing that is there is replaced, except a record that was disowned or whose blobs are gone. A push that was
/// interrupted goes on where it stopped.
///
/// # Errors
/// [`RemoteError`] if the remote cannot be reached or may not be written.
pub fn push(
    store: &Store,
    upstream: &Upstream,
    wanted: &Wanted,
    options: TransferOptions,
    observer: &dyn TransferObserver,
) -> Result<TransferReport, RemoteError> {
    let objects = store.wanted_here(wanted)?;
    let found = match wanted {
        Wanted::Run(run) => store.read_run(run).is_some(),
        _ => objects.iter().any(|object| matches!(object, Object::Action(_))),
    };
    wanted.check_found(found, "in the store")?;
    let pushed = push_objects(store, upstream, &objects, options, observer);
    // Also after an error, so that the next push knows how far this one came.
    upstream.have.save();
    pushed
}

pub(crate) fn push_objects(
    store: &Store,
    upstream: &Upstream,
    objects: &[Object],
    options: TransferOptions,
    observer: &dyn TransferObserver,
) -> Result<TransferReport, RemoteError> {
    let mut report = TransferReport::default();
    learn_records(upstream, objects)?;
    for object in disowned_before(objects) {
        upstream.have.remove(&object);
    }
    let new: Vec<Object> = objects
        .iter()
        .copied()
        .filter(|object| !upstream.have.contains(object))
        .collect();
    report.present = (objects.len() - new.len()) as u64;
    // A run's record is no larger than a page, but a shard's may be: parcels are made and sent in batches.
    let mut first = true;
    for batch in new.chunks(BATCH) {
        let mut parcels = Vec::with_capacity(batch.len());
        for object in batch {
            match Parcel::pack(store, *object) {
                Ok(Some(parcel)) => parcels.push(parcel),
                Ok(None) => {}
                Err(error) if concerns_one_record(&error) => {
                    let text = format!("`{object}`: {}", describe(&error));
                    observer.note(&text);
                    report.left_out.push(text);
                }
                Err(error) => return Err(error.into()),
            }
        }
        send(store, upstream, &parcels, options, observer, &mut report, first)?;
        first = false;
    }
    Ok(report)
}

/// Tells whether the others can be packed: what is wrong is the record, or something else that has its name.
fn concerns_one_record(error: &StoreError) -> bool {
    match error {
        StoreError::Path(error) => is_lasting(error.io()),
        StoreError::Format(_) => false,
        _ => true,
    }
}

/// Lists the records whose predecessor was disowned: the remote may still have that one under the name.
fn disowned_before(objects: &[Object]) -> Vec<Object> {
    let tombstone = |object: &Object| match object {
        Object::Tombstone(subject, _) => Some(*subject),
        _ => None,
    };
    let subjects: BTreeSet<Digest> = objects.iter().filter_map(tombstone).collect();
    let affected = |object: &&Object| match object {
        Object::Action(key) => subjects.contains(key.digest()),
        Object::Shard(_, name) => subjects.contains(name),
        _ => false,
    };
    objects.iter().filter(affected).copied().collect()
}

/// Records that are looked at together; bounds memory.
const BATCH: usize = 4096;

fn send(
    store: &Store,
    upstream: &Upstream,
    parcels: &[Parcel],
    options: TransferOptions,
    observer: &dyn TransferObserver,
    report: &mut TransferReport,
    first: bool,
) -> Result<(), RemoteError> {
    let distinct = |blobs: &dyn Fn(&Parcel) -> &Vec<(FileDigest, u64)>| -> BTreeSet<(FileDigest, u64)> {
        parcels
            .iter()
            .flat_map(|parcel| blobs(parcel).iter().copied())
            .collect()
    };
    let lists = distinct(&|parcel| &parcel.lists);
    let mut blobs = distinct(&|parcel| &parcel.blobs);
    blobs.retain(|blob| !lists.contains(blob));
    learn_blobs(upstream, blobs.iter().chain(&lists).map(|(blob, _)| *blob), first)?;
    let lacking = |blobs: BTreeSet<(FileDigest, u64)>| -> Vec<(FileDigest, u64)> {
        let there =
            |blob: &FileDigest| upstream.have.contains(&Object::Blob(*blob)) && !upstream.is_bad(blob);
        blobs.into_iter().filter(|(blob, _)| !there(blob)).collect()
    };
    let (blobs, lists) = (lacking(blobs), lacking(lists));
    let sizes = blobs.iter().chain(&lists).map(|(_, size)| *size);
    let bytes = sizes.fold(0_u64, u64::saturating_add);
    observer.planned((blobs.len() + lists.len() + parcels.len()) as u64, bytes);
    report.blobs += (blobs.len() + lists.len()) as u64;
    report.bytes = report.bytes.saturating_add(bytes);
    report.records += parcels.len() as u64;
    if options.dry_run {
        return Ok(());
    }
    let lost: Mutex<BTreeSet<FileDigest>> = Mutex::default();
    for phase in [&blobs, &lists] {
        parallel(phase, |(blob, size)| {
            match store.path(blob) {
                Ok(path) if upstream.is_bad(blob) => {
                    upstream.remote.mend(blob, &path, *size)?;
                    upstream.acquit(blob);
                }
                Ok(path) => upstream.remote.upload(blob, &path, *size)?,
                Err(StoreError::MissingBlob(_) | StoreError::CorruptBlob { .. }) => {
                    lost.lock().unwrap_or_else(PoisonError::into_inner).insert(*blob);
                    return Ok(());
                }
                Err(error) => return Err(RemoteError::from(error)),
            }
            upstream.have.extend([Object::Blob(*blob)]);
            observer.advanced(*size);
            observer.object_done();
            Ok(())
        })?;
    }
    let lost = lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (sent, adopted) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    for rank in 0..=3 {
        let phase: Vec<&Parcel> = parcels
            .iter()
            .filter(|parcel| order(&parcel.object) == rank)
            .collect();
        parallel(&phase, |parcel| {
            if parcel
                .blobs
                .iter()
                .chain(&parcel.lists)
                .any(|(blob, _)| lost.contains(blob))
            {
                return Ok(());
            }
            if !put_record(store, upstream, parcel)? {
                let text = format!(
                    "`{}`: the remote has another result, which counts there",
                    parcel.object
                );
                adopted.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
            sent.fetch_add(1, Ordering::Relaxed);
            upstream.have.extend([parcel.object]);
            observer.object_done();
            Ok::<_, RemoteError>(())
        })?;
    }
    report.records -= parcels.len() as u64 - sent.into_inner();
    for text in adopted.into_inner().unwrap_or_else(PoisonError::into_inner) {
        observer.note(&text);
        report.left_out.push(text);
    }
    Ok(())
}

/// Tombstones go first, so that a disowned record gives way; a run goes after all it names.
fn order(object: &Object) -> u8 {
    match object {
        Object::Tombstone(..) => 0,
        Object::Shard(..) => 1,
        Object::Run(_) => 3,
        _ => 2,
    }
}

/// Creates a record at the remote; returns false if another one stays there.
fn put_record(store: &Store, upstream: &Upstream, parcel: &Parcel) -> Result<bool, RemoteError> {
    let (remote, object) = (upstream.remote(), &parcel.object);
    if remote.create(object, &parcel.bytes)? == Created::New {
        return Ok(true);
    }
    let there = remote.read(object, object.limit())?.unwrap_or_default();
    if there == parcel.bytes || !matches!(object, Object::Action(_) | Object::Shard(..)) {
        return Ok(true);
    }
    // Another record. It counts unless nobody can use it.
    let gives_way = match object {
        Object::Action(key) => {
            store.disowned(key.digest(), &there)?.is_some() || !is_whole(upstream, &there)?
        }
        Object::Shard(_, name) => store.disowned(name, &there)?.is_some(),
        _ => false,
    };
    if gives_way {
        remote.replace(object, &parcel.bytes)?;
    }
    Ok(gives_way)
}

/// Tells whether the remote has the blobs that an action record names itself.
fn is_whole(upstream: &Upstream, bytes: &[u8]) -> Result<bool, RemoteError> {
    let Ok(record) = sealed::parse::<ActionRecord>(bytes, domain::ACTION_RECORD, record::VERSION) else {
        return Ok(false);
    };
    // A record of a newer program is left alone.
    let Ok(record) = record else { return Ok(true) };
    for artifact in record.outputs.values() {
        if upstream.blob_size(&artifact.file)? != Some(artifact.bytes) {
            return Ok(false);
        }
    }
    Ok(true)
}
