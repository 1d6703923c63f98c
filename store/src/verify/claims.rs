//! How long blobs can be by what records say, so that a hole of a terabyte is not read to its end.

use std::collections::HashMap;

use serde::Deserialize;

use crate::artifacts::{Artifact, ArtifactKind};
use crate::blobs::Length;
use crate::names::{Digest, FamilyKey, FileDigest, StageKey, domain};
use crate::records::{Sealed, sealed};
use crate::shards::{ShardRecord, shard};
use crate::size_limits::{LIST_LIMIT, PREIMAGE_LIMIT};
use crate::store::Store;

/// The largest size that a record tells of each blob; found out once a blob is large enough to ask.
#[derive(Default)]
pub(super) struct Claims {
    found: Option<HashMap<FileDigest, u64>>,
}

/// Both kinds of artifact that list other blobs, as far as they tell sizes.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    schema: Option<Claim>,
    #[serde(default)]
    blobs: Vec<Claim>,
    #[serde(default)]
    files: Vec<Claim>,
}

#[derive(Deserialize)]
struct Claim {
    file: FileDigest,
    bytes: u64,
}

impl Claims {
    /// Returns what is known of the length of a blob that has so many bytes.
    pub(super) fn length(&mut self, store: &Store, file: &FileDigest, size: u64) -> Length {
        if Length::is_worth_reading(size) {
            return Length::Any;
        }
        let found = self.found.get_or_insert_with(|| gather(store));
        found.get(file).map_or(Length::Any, |most| Length::AtMost(*most))
    }
}

/// Goes through all records and lists without judging any: that is done where they are checked.
fn gather(store: &Store) -> HashMap<FileDigest, u64> {
    let mut found = HashMap::new();
    let mut claim = |file: FileDigest, bytes: u64| {
        let most = found.entry(file).or_insert(0);
        *most = bytes.max(*most);
    };
    for (_, digest) in store.fanned("actions", ".json").unwrap_or_default() {
        let Some(record) = store.records().recorded_action(&StageKey::new(digest)) else {
            continue;
        };
        claim(record.preimage, PREIMAGE_LIMIT);
        for artifact in record.outputs.values() {
            claim(artifact.file, artifact.bytes);
            list(store, artifact)
                .into_iter()
                .for_each(|member| claim(member.file, member.bytes));
        }
    }
    for (_, digest) in store.fanned("shards", "").unwrap_or_default() {
        let family = FamilyKey::new(digest);
        for name in store.shards().shard_names(&family).unwrap_or_default() {
            if let Some(record) = shard(store, &family, &name) {
                claim(record.blob, record.bytes);
            }
        }
    }
    found
}

fn shard(store: &Store, family: &FamilyKey, name: &Digest) -> Option<ShardRecord> {
    let path = store.layout().shard(family, name);
    match sealed::read(store.files(), &path, domain::SHARD_RECORD, shard::VERSION) {
        Ok(Sealed::Good(record)) => Some(record),
        _ => None,
    }
}

fn list(store: &Store, artifact: &Artifact) -> Vec<Claim> {
    if !matches!(artifact.kind, ArtifactKind::Parts | ArtifactKind::Directory) {
        return Vec::new();
    }
    let path = store.layout().blob(&artifact.file);
    let read = store.files().read_bounded(&path, LIST_LIMIT).ok();
    let list = read.and_then(|(bytes, _)| serde_json::from_slice::<List>(&bytes).ok());
    let Some(list) = list else {
        return Vec::new();
    };
    let members = list.schema.into_iter().chain(list.blobs);
    members.chain(list.files).collect()
}
