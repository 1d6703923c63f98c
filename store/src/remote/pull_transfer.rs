//! What a pull fetches, and the records that it then places.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::RemoteError;
use super::arrival::Arrival;
use super::parallel::parallel;
use super::pull::Pull;
use crate::error::{StoreError, describe};
use crate::files::PathError;
use crate::names::FileDigest;
use crate::records::ActionRecord;
use crate::shards::ShardRecord;

impl Pull<'_> {
    /// Fetches the blobs of what was planned, then writes the records all of whose blobs came.
    pub(super) fn carry_out(&self) -> Result<(), RemoteError> {
        let (actions, shards, blobs) = {
            let mut plan = self.plan();
            let plan = &mut *plan;
            (
                std::mem::take(&mut plan.actions),
                std::mem::take(&mut plan.shards),
                std::mem::take(&mut plan.blobs),
            )
        };
        let lacking = blobs
            .into_iter()
            .filter(|(blob, _)| !self.store.blobs().is_here(blob));
        let blobs: Vec<_> = match self.options.metadata_only {
            true => Vec::new(),
            false => lacking.collect(),
        };
        // Sizes are what records claim.
        let bytes = blobs
            .iter()
            .fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
        self.observer.planned(blobs.len() as u64, bytes);
        if self.options.dry_run {
            let mut plan = self.plan();
            plan.report.records = (actions.len() + shards.len()) as u64;
            plan.report.unvouched = unvouched(&actions) + unvouched(&shards);
            (plan.report.blobs, plan.report.bytes) = (blobs.len() as u64, bytes);
            return Ok(());
        }
        let lost = self.fetch(&blobs)?;
        for arrival in &shards {
            self.place_shard(arrival, &lost)?;
        }
        for arrival in &actions {
            self.place_action(arrival, &lost)?;
        }
        Ok(())
    }

    /// Fetches blobs and returns why some of them did not come.
    fn fetch(&self, blobs: &[(FileDigest, u64)]) -> Result<BTreeMap<FileDigest, String>, RemoteError> {
        let lost: Mutex<BTreeMap<FileDigest, String>> = Mutex::default();
        let came = AtomicU64::new(0);
        parallel(blobs, |(blob, size)| {
            let fetched = self
                .upstream
                .fetch_blob(self.store, blob, *size, &|bytes| self.observer.advanced(bytes));
            let lose = |text: String| {
                let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
                lost.insert(*blob, text);
            };
            match fetched {
                Ok(bytes) => {
                    self.failures.store(0, Ordering::Relaxed);
                    came.fetch_add(bytes, Ordering::Relaxed);
                }
                Err(error) if self.is_left_out(&error) => lose(describe(&error)),
                Err(RemoteError::Store(StoreError::Path(error @ PathError::StorageFull { .. }))) => {
                    lose(error.to_string());
                    self.plan().no_room.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
            self.observer.object_done();
            Ok(())
        })?;
        let lost = lost.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut plan = self.plan();
        plan.report.bytes = came.into_inner();
        plan.report.blobs = (blobs.len() - lost.len()) as u64;
        Ok(lost)
    }

    fn place_shard(
        &self,
        arrival: &Arrival<ShardRecord>,
        lost: &BTreeMap<FileDigest, String>,
    ) -> Result<(), RemoteError> {
        let record = &arrival.record;
        let placed = match lost.get(&record.blob) {
            Some(reason) => Err(format!("shard `{}`: {reason}", record.name().short())),
            None => told(self.store.place_shard(arrival))?,
        };
        self.placed(placed, arrival.unvouched);
        Ok(())
    }

    fn place_action(
        &self,
        arrival: &Arrival<ActionRecord>,
        lost: &BTreeMap<FileDigest, String>,
    ) -> Result<(), RemoteError> {
        let record = &arrival.record;
        let Some(blobs) = self.or_left_out(self.upstream.blobs_of(self.store, record).map(Some))? else {
            return Ok(());
        };
        let placed = match blobs.iter().find_map(|(blob, _)| lost.get(blob)) {
            Some(reason) => Err(reason.clone()),
            None if self.options.metadata_only => told(self.store.place_metadata(arrival))?,
            None => told(self.store.place_action(arrival).map(drop))?,
        };
        let named = |reason| format!("`{}` `{}`: {reason}", record.stage, record.key.short());
        self.placed(placed.map_err(named), arrival.unvouched);
        Ok(())
    }

    fn placed(&self, placed: Result<(), String>, unvouched: bool) {
        match placed {
            Ok(()) => {
                let mut plan = self.plan();
                plan.report.records += 1;
                plan.report.unvouched += u64::from(unvouched);
            }
            Err(text) => self.leave_out(text),
        }
    }
}

fn unvouched<T>(arrivals: &[Arrival<T>]) -> u64 {
    arrivals.iter().filter(|arrival| arrival.unvouched).count() as u64
}

/// Tells apart what is wrong with one record, the inner error, and what is wrong with the store.
fn told(placed: Result<(), StoreError>) -> Result<Result<(), String>, RemoteError> {
    match placed {
        Ok(()) => Ok(Ok(())),
        Err(error @ (StoreError::Path(_) | StoreError::Format(_))) => Err(error.into()),
        Err(error) => Ok(Err(describe(&error))),
    }
}
