//! Reading results through from remotes, and sending new ones on to them.

use std::collections::HashSet;
use std::sync::Arc;

use super::Sharing;
use crate::blobs::Look;
use crate::error::StoreError;
use crate::names::{FamilyKey, FileDigest, Object, StageKey};
use crate::records::ActionRecord;
use crate::remote::{RemoteError, Upstream, parallel};
use crate::store::{Elsewhere, Store};
use crate::trust::SecretKey;

impl Elsewhere for Sharing {
    fn signer(&self) -> Option<&SecretKey> {
        self.signer.as_ref()
    }

    fn blob_size(&self, store: &Store, file: &FileDigest, size: Option<u64>) -> Option<u64> {
        self.readable()
            .find_map(|upstream| self.offered(store, upstream, file, size))
    }

    fn has_blob(&self, store: &Store, file: &FileDigest) -> bool {
        self.readable().any(|upstream| {
            let there = upstream.has_blob(file).map(|there| there.then_some(()));
            let there = self.answered(upstream, there).is_some();
            there && (!upstream.is_doubtful() || self.offered(store, upstream, file, None).is_some())
        })
    }

    fn fetch_blob(&self, store: &Store, file: &FileDigest) -> bool {
        self.readable().any(|upstream| {
            let fetched = upstream.blob_size(file).and_then(|size| match size {
                Some(size) => upstream.fetch_blob(store, file, size, &|_| {}).map(Some),
                None => {
                    upstream.unsee(file);
                    Ok(None)
                }
            });
            self.answered(upstream, fetched).is_some()
        })
    }

    fn take_action(&self, store: &Store, key: &StageKey, look: Look) -> Option<ActionRecord> {
        self.readable()
            .filter(|upstream| upstream.records)
            .find_map(|upstream| {
                let arrival = self.answered(upstream, upstream.action(store, key))?;
                let whole = arrival.record.outputs.values().all(|artifact| {
                    store.blobs().is_here(&artifact.file)
                        || store.size_elsewhere(&artifact.file, None).is_some()
                });
                if look == Look::Size || !whole {
                    return whole.then_some(arrival.record);
                }
                if arrival.unvouched {
                    self.take_unvouched(upstream);
                }
                let placed = store.place_action(&arrival).map_err(RemoteError::from).map(Some);
                self.answered(upstream, placed)?;
                let record = store.records().good_action(key)?;
                store.records().inspect_results(&record, look).ok()?;
                Some(record)
            })
    }

    fn take_shards(&self, store: &Store, family: &FamilyKey) -> Result<(), StoreError> {
        for upstream in self.readable().filter(|upstream| upstream.records) {
            let here: HashSet<_> = store.shards().shard_names(family)?.into_iter().collect();
            let Some(lacking) = self.answered(upstream, upstream.shard_names(family).map(Some)) else {
                continue;
            };
            let lacking: Vec<_> = lacking.into_iter().filter(|name| !here.contains(name)).collect();
            // Errors were told as warnings; none is left to return.
            let _ = parallel(&lacking, |name| {
                if let Some(arrival) = self.answered(upstream, upstream.shard(store, family, name)) {
                    if arrival.unvouched {
                        self.take_unvouched(upstream);
                    }
                    let placed = store.place_shard(&arrival).map_err(RemoteError::from).map(Some);
                    self.answered(upstream, placed);
                }
                if upstream.is_down() { Err(()) } else { Ok(()) }
            });
        }
        Ok(())
    }

    fn published(&self, store: &Store, object: Object) {
        let open = |upstream: &&Arc<Upstream>| upstream.push && !upstream.is_down();
        for upstream in self.upstreams.all().iter().filter(open) {
            self.back.send(store, upstream, object);
        }
    }

    fn catch_up(&self, store: &Store, object: Object) {
        let lacking = |upstream: &&Arc<Upstream>| {
            upstream.push && !upstream.is_down() && !upstream.known.contains(&object)
        };
        for upstream in self.upstreams.all().iter().filter(lacking) {
            self.back.send(store, upstream, object);
        }
    }

    fn mended(&self, store: &Store, object: Object) {
        let doubtful =
            |upstream: &&Arc<Upstream>| upstream.push && !upstream.is_down() && upstream.is_doubtful();
        for upstream in self.upstreams.used().iter().filter(doubtful) {
            self.back.send(store, upstream, object);
        }
    }

    fn run_ended(&self) {
        self.sum_up_unvouched();
    }

    fn flush(&self) {
        self.back.flush();
        for upstream in self.upstreams.used().iter().filter(|upstream| upstream.push) {
            upstream.known.save();
        }
    }
}
