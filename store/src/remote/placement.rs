//! Records that arrived and passed every check become part of the store.

use super::Created;
use super::arrival::Arrival;
use crate::error::StoreError;
use crate::names::Object;
use crate::records::{ActionRecord, Published};
use crate::shards::ShardRecord;
use crate::store::Store;

impl Store {
    /// Places an action record that arrived, unless a good one is there; returns whether it is the one that counts.
    pub(crate) fn place_action(&self, arrival: &Arrival<ActionRecord>) -> Result<bool, StoreError> {
        if let Some(preimage) = &arrival.preimage {
            self.blobs().put_bytes(preimage)?;
        }
        let published = self
            .records()
            .publish_bytes(arrival.record.clone(), &arrival.bytes)?;
        Ok(matches!(published, Published::Won(_)))
    }

    /// Places an action record whose blobs stay where they are for now, unless there is one.
    pub(crate) fn place_metadata(&self, arrival: &Arrival<ActionRecord>) -> Result<(), StoreError> {
        if let Some(preimage) = &arrival.preimage {
            self.blobs().put_bytes(preimage)?;
        }
        self.objects()
            .create_object(&Object::Action(arrival.record.key), &arrival.bytes)?;
        Ok(())
    }

    /// Places a shard record that arrived, unless a good one is there.
    pub(crate) fn place_shard(&self, arrival: &Arrival<ShardRecord>) -> Result<(), StoreError> {
        let (family, name) = (arrival.record.family, arrival.record.name());
        for _ in 0..8 {
            let object = Object::Shard(family, name);
            if self.objects().create_object(&object, &arrival.bytes)? == Created::New
                || self.shards().good_shard(&family, &name).is_some()
            {
                return Ok(());
            }
        }
        Err(StoreError::Contention(name.short()))
    }
}
