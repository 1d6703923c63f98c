//! What a store did to its files and what it promised meanwhile, in one order.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use crate::names::{Digest, FileDigest, RunId, StageKey};

/// A file, whatever names it has.
pub(super) type Node = usize;

/// A change of the disk, or of what is durable on it. Paths are relative to the place the recorder watches.
#[derive(Debug, Clone)]
pub(super) enum Mutation {
    Create {
        path: PathBuf,
        node: Node,
    },
    Append {
        node: Node,
        bytes: Vec<u8>,
    },
    SetLength {
        node: Node,
        bytes: u64,
    },
    Sync {
        node: Node,
    },
    /// Whatever was not durable stays so for ever: the system drops pages it could not write.
    SyncFailed {
        node: Node,
    },
    SyncEverything,
    SyncEverythingFailed,
    SyncDirectory {
        path: PathBuf,
    },
    CreateDirectory {
        path: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    /// Bits that rot: the new bytes are what the disk holds.
    Damage {
        node: Node,
        bytes: Vec<u8>,
    },
}

/// Something a store can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Blob(FileDigest),
    Record {
        key: StageKey,
        file: FileDigest,
    },
    Shard {
        family: u8,
        first: u8,
        rows: u8,
        name: Digest,
    },
    Checkpoint {
        key: StageKey,
        step: u64,
    },
    Run {
        id: RunId,
        ended: bool,
    },
    /// A process that joined a run named a result.
    Member {
        run: RunId,
        key: StageKey,
    },
    Pin {
        key: StageKey,
    },
}

/// A fact and the blobs it cannot do without.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) fact: Fact,
    pub(super) needs: Vec<FileDigest>,
}

#[derive(Debug, Clone)]
pub(super) enum Entry {
    Disk(Mutation),
    /// From here on the fact may be there.
    Attempted(Fact),
    /// From here on the fact must be there.
    Acknowledged(Claim),
    /// The test damaged or removed a blob.
    Lost(FileDigest),
    /// Somebody asked for a collection, which moves what no pin and no run keeps into the trash.
    Collected,
    /// Somebody disowned a result.
    Forgotten(StageKey),
    /// The test damaged a record.
    LostRecord(StageKey),
}

#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Vec<Entry>>);

impl Journal {
    pub(super) fn push(&self, entry: Entry) {
        self.entries().push(entry);
    }

    pub(super) fn attempt(&self, fact: &Fact) {
        self.push(Entry::Attempted(fact.clone()));
    }

    pub(super) fn acknowledge(&self, fact: Fact, needs: &[FileDigest]) {
        let needs = needs.to_vec();
        self.push(Entry::Acknowledged(Claim { fact, needs }));
    }

    pub(super) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.entries())
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap()
    }
}
