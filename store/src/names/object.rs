//! The files that stores exchange, by what they are; their names are the same on disk and under a prefix of a bucket.

use std::fmt;
use std::str::FromStr;

use ulid::Ulid;

use super::digest::Digest;
use super::id::{FamilyKey, FileDigest, StageKey};
use super::run_id::RunId;
use crate::size_limits::{ACTION_LIMIT, LIST_LIMIT};

/// A file that stores exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// The description of the store.
    Format,
    /// Bytes named by their hash.
    Blob(FileDigest),
    /// The record of rows computed together: the family, and the name that follows from its items.
    Shard(FamilyKey, Digest),
    /// The result of a stage.
    Action(StageKey),
    /// Why a record is not to be used: the stage key or shard name, and the hash of the record's bytes.
    Tombstone(Digest, FileDigest),
    /// The record of a run.
    Run(RunId),
    /// A file that only tests what a remote does.
    Canary(Ulid),
}

/// A name that no file of a store has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a file of a store")]
pub struct ObjectNameError(String);

impl Object {
    /// Returns the most bytes that a file of this kind may have where it is read into memory as a whole.
    pub(crate) fn limit(&self) -> u64 {
        match self {
            Self::Format | Self::Tombstone(..) | Self::Canary(_) => 64 << 10,
            Self::Action(_) => ACTION_LIMIT as u64,
            Self::Shard(..) | Self::Run(_) => 64 << 20,
            Self::Blob(_) => LIST_LIMIT,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => formatter.write_str("FORMAT"),
            Self::Blob(file) => write!(formatter, "blobs/{}/{file}", file.digest().fan()),
            Self::Shard(family, name) => {
                write!(formatter, "shards/{}/{family}/{name}.json", family.digest().fan())
            }
            Self::Action(key) => write!(formatter, "actions/{}/{key}.json", key.digest().fan()),
            Self::Tombstone(subject, record) => write!(formatter, "invalid/{subject}/{record}.json"),
            Self::Run(run) => write!(formatter, "runs/{run}/run.json"),
            Self::Canary(id) => write!(formatter, "tmp/canary-{id}"),
        }
    }
}

impl FromStr for Object {
    type Err = ObjectNameError;

    /// Reads exactly the spelling that [`fmt::Display`] writes, and nothing else, because names become paths.
    fn from_str(text: &str) -> Result<Self, ObjectNameError> {
        let object = parse(text).filter(|object| object.to_string() == text);
        object.ok_or_else(|| ObjectNameError(text.chars().take(200).collect()))
    }
}

fn parse(text: &str) -> Option<Object> {
    let parts: Vec<&str> = text.split('/').collect();
    let json = |name: &str| name.strip_suffix(".json")?.parse::<Digest>().ok();
    Some(match parts[..] {
        ["FORMAT"] => Object::Format,
        ["blobs", _, name] => Object::Blob(FileDigest::new(name.parse().ok()?)),
        ["actions", _, name] => Object::Action(StageKey::new(json(name)?)),
        ["shards", _, family, name] => Object::Shard(FamilyKey::new(family.parse().ok()?), json(name)?),
        ["invalid", subject, name] => Object::Tombstone(subject.parse().ok()?, FileDigest::new(json(name)?)),
        ["runs", run, "run.json"] => Object::Run(run.parse().ok()?),
        ["tmp", name] => Object::Canary(Ulid::from_string(name.strip_prefix("canary-")?).ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_nothing_else_is() {
        let digest = Digest::new([0xab; 32]);
        let objects = [
            Object::Format,
            Object::Blob(FileDigest::new(digest)),
            Object::Action(StageKey::new(digest)),
            Object::Shard(FamilyKey::new(digest), Digest::new([1; 32])),
            Object::Tombstone(digest, FileDigest::new(Digest::new([2; 32]))),
            Object::Run(RunId::generate()),
            Object::Canary(Ulid::generate()),
        ];
        for object in objects {
            assert_eq!(object.to_string().parse::<Object>().unwrap(), object);
        }
        let hex = "ab".repeat(32);
        for name in [
            format!("blobs/cd/{hex}"),
            format!("blobs/ab/{}", hex.to_uppercase()),
            format!("blobs/ab/../{hex}"),
            format!("/blobs/ab/{hex}"),
            format!("blobs/ab/{hex}/"),
            format!("actions/ab/{hex}"),
            "runs/../run.json".to_owned(),
            "runs/01arz3ndektsv4rrffq69g5fav/run.json".to_owned(),
            "FORMAT/..".to_owned(),
            String::new(),
        ] {
            assert!(name.parse::<Object>().is_err(), "{name}");
        }
    }
}
