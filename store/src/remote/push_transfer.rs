//! What a push sends, and the records that it then creates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::knowledge::learn_blobs;
use super::parallel::parallel;
use super::parcel::Parcel;
use super::push::Push;
use super::{Created, RemoteError, Upstream};
use crate::error::{StoreError, describe};
use crate::names::{FileDigest, Object, domain};
use crate::records::{ActionRecord, action_record, sealed};
use crate::store::Store;

/// Blobs with their sizes, those to send or those that records name.
type Blobs = BTreeSet<(FileDigest, u64)>;

impl Push<'_> {
    /// Sends what parcels name and the remote lacks, then creates the records all of whose blobs are there.
    pub(super) fn send(&mut self, parcels: &[Parcel], first: bool) -> Result<(), RemoteError> {
        let (blobs, mut lists) = self.to_send(parcels, first)?;
        let sizes = blobs.iter().chain(&lists).map(|(_, size)| *size);
        let bytes = sizes.fold(0_u64, u64::saturating_add);
        let count = (blobs.len() + lists.len()) as u64;
        self.observer.planned(count + parcels.len() as u64, bytes);
        if self.options.dry_run {
            self.report.blobs += count;
            self.report.bytes = self.report.bytes.saturating_add(bytes);
            self.report.records += self.without_loss(parcels, &BTreeMap::new())?.len() as u64;
            return Ok(());
        }
        let mut lost = self.upload(&blobs)?;
        // A list would name a blob that is not there.
        let whole = parcels.iter().filter(|parcel| parcel.lost(&lost).is_none());
        let named: Blobs = whole.flat_map(|parcel| parcel.lists.iter().copied()).collect();
        lists.retain(|list| named.contains(list));
        lost.extend(self.upload(&lists)?);
        for rank in 0..=3 {
            let phase = parcels.iter().filter(|parcel| order(&parcel.object) == rank);
            let whole = self.without_loss(phase, &lost)?;
            self.create(&whole)?;
        }
        Ok(())
    }

    /// Finds the blobs and the lists of blobs that the remote lacks.
    fn to_send(&self, parcels: &[Parcel], first: bool) -> Result<(Blobs, Blobs), RemoteError> {
        let distinct = |blobs: fn(&Parcel) -> &Vec<(FileDigest, u64)>| -> Blobs {
            let named = parcels.iter().flat_map(|parcel| blobs(parcel).iter());
            named.copied().collect()
        };
        let mut lists = distinct(|parcel| &parcel.lists);
        let mut blobs = distinct(|parcel| &parcel.blobs);
        blobs.retain(|blob| !lists.contains(blob));
        let upstream = self.upstream;
        learn_blobs(upstream, blobs.iter().chain(&lists).map(|(blob, _)| *blob), first)?;
        let lacks = |(blob, _): &(FileDigest, u64)| {
            !upstream.known.contains(&Object::Blob(*blob)) || upstream.is_bad(blob)
        };
        blobs.retain(lacks);
        lists.retain(lacks);
        Ok((blobs, lists))
    }

    /// Uploads blobs, counts those that arrived, and returns why others cannot go.
    fn upload(&mut self, blobs: &Blobs) -> Result<BTreeMap<FileDigest, String>, RemoteError> {
        let blobs: Vec<(FileDigest, u64)> = blobs.iter().copied().collect();
        let (store, upstream, observer) = (self.store, self.upstream, self.observer);
        let lost: Mutex<BTreeMap<FileDigest, String>> = Mutex::default();
        let (arrived, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        parallel(&blobs, |(blob, size)| {
            match store.blobs().path(blob) {
                Ok(path) if upstream.is_bad(blob) => {
                    upstream.remote.mend(blob, &path, *size)?;
                    upstream.acquit(blob);
                }
                Ok(path) => upstream.remote.upload(blob, &path, *size)?,
                Err(error @ (StoreError::MissingBlob(_) | StoreError::CorruptBlob { .. })) => {
                    let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
                    lost.insert(*blob, describe(&error));
                    return Ok(());
                }
                Err(error) => return Err(RemoteError::from(error)),
            }
            upstream.known.extend([Object::Blob(*blob)]);
            arrived.fetch_add(1, Ordering::Relaxed);
            bytes.fetch_add(*size, Ordering::Relaxed);
            observer.advanced(*size);
            observer.object_done();
            Ok(())
        })?;
        self.report.blobs += arrived.into_inner();
        self.report.bytes = self.report.bytes.saturating_add(bytes.into_inner());
        Ok(lost.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leaves out the records of which something did not go, and returns the others.
    fn without_loss<'p>(
        &mut self,
        parcels: impl IntoIterator<Item = &'p Parcel>,
        lost: &BTreeMap<FileDigest, String>,
    ) -> Result<Vec<&'p Parcel>, RemoteError> {
        let mut whole = Vec::new();
        for parcel in parcels {
            if let Some(reason) = parcel.lost(lost) {
                self.hold_back(&parcel.object, reason, true)?;
                continue;
            }
            let lacking = match &parcel.run {
                Some(run) => self.lacking(run)?,
                None => None,
            };
            match lacking {
                Some(key) => {
                    let object = &parcel.object;
                    let key = key.short();
                    self.leave_out(format!(
                        "`{object}`: the remote lacks the result `{key}`, which it names"
                    ));
                }
                None => whole.push(parcel),
            }
        }
        Ok(whole)
    }

    /// Creates records whose blobs are there.
    fn create(&mut self, parcels: &[&Parcel]) -> Result<(), RemoteError> {
        let (store, upstream, observer) = (self.store, self.upstream, self.observer);
        let adopted: Mutex<Vec<String>> = Mutex::default();
        parallel(parcels, |parcel| {
            if !put_record(store, upstream, parcel)? {
                let text = format!(
                    "`{}`: the remote has another result, which counts there",
                    parcel.object
                );
                adopted.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
            upstream.known.extend([parcel.object]);
            observer.object_done();
            Ok::<_, RemoteError>(())
        })?;
        self.report.records += parcels.len() as u64;
        for text in adopted.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.leave_out(text);
        }
        Ok(())
    }
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
            store.records().disowned(key.digest(), &there)?.is_some() || !is_whole(upstream, &there)?
        }
        Object::Shard(_, name) => store.records().disowned(name, &there)?.is_some(),
        _ => false,
    };
    if gives_way {
        remote.replace(object, &parcel.bytes)?;
    }
    Ok(gives_way)
}

/// Tells whether the remote has the blobs that an action record names itself.
fn is_whole(upstream: &Upstream, bytes: &[u8]) -> Result<bool, RemoteError> {
    let Ok(record) = sealed::parse::<ActionRecord>(bytes, domain::ACTION_RECORD, action_record::VERSION)
    else {
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
