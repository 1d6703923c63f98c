//! Every path inside a store.

use std::path::{Path, PathBuf};

use ulid::Ulid;

use super::digest::Digest;
use super::id::{FamilyKey, FileDigest, StageKey};
use super::lease_key::LeaseKey;
use super::pin_name::PinName;
use super::run_id::RunId;

/// The directories at the top of a store.
pub(crate) const DIRECTORIES: [&str; 8] = [
    "blobs",
    "actions",
    "divergent",
    "shards",
    "checkpoints",
    "runs",
    "tmp",
    "quarantine",
];

/// Further directories at the top, made when something is put into them; stores of older programs lack them.
pub(crate) const ON_DEMAND: [&str; 7] = [
    "leases", "invalid", "roots", "trash", "keys", "remotes", "dropped",
];

/// Names the files of one store; nothing else joins paths.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn directory(&self, name: &'static str) -> PathBuf {
        debug_assert!(DIRECTORIES.contains(&name) || ON_DEMAND.contains(&name), "{name}");
        self.root.join(name)
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    /// Keeps a store inside a checkout out of version control.
    pub(crate) fn ignore_file(&self) -> PathBuf {
        self.root.join(".gitignore")
    }

    pub(crate) fn blob(&self, file: &FileDigest) -> PathBuf {
        self.fanned("blobs", file.digest()).join(file.to_string())
    }

    pub(crate) fn action(&self, key: &StageKey) -> PathBuf {
        self.fanned("actions", key.digest()).join(format!("{key}.json"))
    }

    pub(crate) fn divergent(&self, key: &StageKey, record: &FileDigest) -> PathBuf {
        self.root
            .join("divergent")
            .join(key.to_string())
            .join(format!("{record}.json"))
    }

    pub(crate) fn family(&self, family: &FamilyKey) -> PathBuf {
        self.fanned("shards", family.digest()).join(family.to_string())
    }

    pub(crate) fn shard(&self, family: &FamilyKey, name: &Digest) -> PathBuf {
        self.family(family).join(format!("{name}.json"))
    }

    pub(crate) fn checkpoints(&self, key: &StageKey) -> PathBuf {
        self.fanned("checkpoints", key.digest()).join(key.to_string())
    }

    pub(crate) fn checkpoint(&self, key: &StageKey, step: u64) -> PathBuf {
        self.checkpoints(key).join(format!("{step:010}.json"))
    }

    pub(crate) fn leases(&self) -> PathBuf {
        self.directory("leases")
    }

    pub(crate) fn lease(&self, key: &LeaseKey) -> PathBuf {
        self.leases().join(key.to_string())
    }

    /// The tombstones of a stage key or shard name.
    pub(crate) fn tombstones(&self, subject: &Digest) -> PathBuf {
        self.directory("invalid").join(subject.to_string())
    }

    /// The settings of a remote.
    pub(crate) fn remote(&self, name: &str) -> PathBuf {
        self.directory("remotes").join(format!("{name}.json"))
    }

    pub(crate) fn run(&self, id: &RunId) -> PathBuf {
        self.root.join("runs").join(id.to_string())
    }

    pub(crate) fn run_record(&self, id: &RunId) -> PathBuf {
        self.run(id).join("run.json")
    }

    /// The record of a process that joined a run.
    pub(crate) fn run_member(&self, id: &RunId, host: &str, process: u32) -> PathBuf {
        self.run(id).join(format!("member-{host}-{process}.json"))
    }

    pub(crate) fn run_events(&self, id: &RunId, host: &str, process: u32) -> PathBuf {
        self.run(id).join(format!("events.{host}.{process}.ndjson"))
    }

    pub(crate) fn staging(&self, owner: &str) -> PathBuf {
        self.root.join("tmp").join(owner)
    }

    pub(crate) fn quarantine(&self, name: &str) -> PathBuf {
        self.root.join("quarantine").join(name)
    }

    pub(crate) fn pins(&self) -> PathBuf {
        self.root.join("roots").join("pins")
    }

    pub(crate) fn pin(&self, name: &PinName) -> PathBuf {
        self.pins().join(format!("{name}.json"))
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    pub(crate) fn trash_batch(&self, batch: &Ulid) -> PathBuf {
        self.trash().join(batch.to_string())
    }

    /// Where a file of this store lies while it is in the trash; `None` for a path outside of the store.
    pub(crate) fn trashed(&self, batch: &Ulid, path: &Path) -> Option<PathBuf> {
        Some(self.trash_batch(batch).join(path.strip_prefix(&self.root).ok()?))
    }

    /// Says that the results of a stage were collected although its record stays.
    pub(crate) fn dropped(&self, key: &StageKey) -> PathBuf {
        self.fanned("dropped", key.digest()).join(key.to_string())
    }

    /// Says which process collects the store.
    pub(crate) fn collector(&self) -> PathBuf {
        self.trash().join("collector.json")
    }

    fn fanned(&self, directory: &'static str, digest: &Digest) -> PathBuf {
        self.directory(directory).join(digest.fan())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_format_document() {
        let layout = Layout::new(PathBuf::from("/s"));
        let digest = Digest::new([0xab; 32]);
        let hex = "ab".repeat(32);
        let expected = [
            (
                layout.blob(&FileDigest::new(digest)),
                format!("/s/blobs/ab/{hex}"),
            ),
            (
                layout.action(&StageKey::new(digest)),
                format!("/s/actions/ab/{hex}.json"),
            ),
            (
                layout.shard(&FamilyKey::new(digest), &Digest::new([1; 32])),
                format!("/s/shards/ab/{hex}/{}.json", "01".repeat(32)),
            ),
            (
                layout.checkpoint(&StageKey::new(digest), 1200),
                format!("/s/checkpoints/ab/{hex}/0000001200.json"),
            ),
            (
                layout.divergent(&StageKey::new(digest), &FileDigest::new(Digest::new([2; 32]))),
                format!("/s/divergent/{hex}/{}.json", "02".repeat(32)),
            ),
        ];
        for (path, text) in expected {
            assert_eq!(path, PathBuf::from(text));
        }
    }
}
