//! Pushing results to a remote.

use std::collections::BTreeSet;

use super::knowledge::learn_records;
use super::observer::TransferObserver;
use super::parcel::Parcel;
use super::transfer::{TransferOptions, TransferReport};
use super::wanted::Wanted;
use super::{RemoteError, Upstream};
use crate::error::{StoreError, describe};
use crate::files::is_lasting;
use crate::names::{Digest, Object, StageKey};
use crate::runs::{RunRecord, RunStatus};
use crate::store::Store;

/// A push in progress.
pub(super) struct Push<'a> {
    pub(super) store: &'a Store,
    pub(super) upstream: &'a Upstream,
    pub(super) options: TransferOptions,
    pub(super) observer: &'a dyn TransferObserver,
    pub(super) report: TransferReport,
    /// Stages whose results are not there and did not go, so that no run may name them.
    pub(super) held: BTreeSet<StageKey>,
}

/// Pushes what is wanted and not there yet: blobs, then lists of blobs, then records.
///
/// Nothing that is there is replaced, except a record that was disowned or whose blobs are gone. What is damaged here
/// is left out and reported, with the runs that name it. A push that was interrupted goes on where it stopped.
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
        Wanted::Run(run) => store.runs().read(run).is_some(),
        _ => objects.iter().any(|object| matches!(object, Object::Action(_))),
    };
    wanted.check_found(found, "in the store")?;
    let pushed = push_objects(store, upstream, &objects, options, observer);
    // Also after an error, so that the next push knows how far this one came.
    upstream.known.save();
    pushed
}

pub(crate) fn push_objects(
    store: &Store,
    upstream: &Upstream,
    objects: &[Object],
    options: TransferOptions,
    observer: &dyn TransferObserver,
) -> Result<TransferReport, RemoteError> {
    let mut push = Push {
        store,
        upstream,
        options,
        observer,
        report: TransferReport::default(),
        held: BTreeSet::new(),
    };
    learn_records(upstream, objects)?;
    for object in disowned_before(objects) {
        upstream.known.remove(&object);
    }
    let new: Vec<Object> = objects
        .iter()
        .copied()
        .filter(|object| !upstream.known.contains(object))
        .collect();
    push.report.present = (objects.len() - new.len()) as u64;
    // A run's record is no larger than a page, but a shard's may be: parcels are made and sent in batches.
    for (number, batch) in new.chunks(BATCH).enumerate() {
        let parcels = push.pack(batch)?;
        push.send(&parcels, number == 0)?;
    }
    Ok(push.report)
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

impl Push<'_> {
    fn pack(&mut self, objects: &[Object]) -> Result<Vec<Parcel>, RemoteError> {
        let mut parcels = Vec::with_capacity(objects.len());
        for object in objects {
            match Parcel::pack(self.store, *object) {
                Ok(Some(parcel)) => parcels.push(parcel),
                Ok(None) => {}
                Err(error) if concerns_one_record(&error) => {
                    let damage = !matches!(error, StoreError::NewerRecord { .. });
                    self.hold_back(object, &describe(&error), damage)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(parcels)
    }

    pub(super) fn leave_out(&mut self, text: String) {
        self.observer.note(&text);
        self.report.left_out.push(text);
    }

    /// Leaves a record out that cannot go, and counts it if that leaves the remote without a result.
    pub(super) fn hold_back(
        &mut self,
        object: &Object,
        reason: &str,
        damage: bool,
    ) -> Result<(), RemoteError> {
        self.leave_out(format!("`{object}`: {reason}"));
        if let Object::Action(key) = object
            && self.upstream.remote().size(object)?.is_none()
        {
            self.held.insert(*key);
            // What a collection removed on purpose is no damage.
            self.report.incomplete += u64::from(damage && !self.store.is_dropped(key));
        }
        Ok(())
    }

    /// Finds a result that a run names and the remote lacks.
    ///
    /// A run that did not succeed also names results that nobody has.
    pub(super) fn lacking(&self, run: &RunRecord) -> Result<Option<StageKey>, RemoteError> {
        for key in run.stages.values() {
            if self.held.contains(key) {
                return Ok(Some(*key));
            }
            let object = Object::Action(*key);
            let here = self.store.files().exists(&self.store.layout().action(key));
            let never_made = !here && run.status != RunStatus::Succeeded;
            // A push that only tells what it would do has not sent the results yet.
            let will_go = here && self.options.dry_run;
            if never_made || will_go || self.upstream.known.contains(&object) {
                continue;
            }
            if self.upstream.remote().size(&object)?.is_none() {
                return Ok(Some(*key));
            }
        }
        Ok(None)
    }
}
