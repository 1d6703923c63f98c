//! What the writers of the matrix do.

use super::chance::Chance;

/// Different contents, families, stages.
pub(super) const CONTENTS: usize = 6;
pub(super) const KEYS: usize = 3;

/// One thing a writer asks of its store; small numbers name contents, keys and families.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    Put {
        content: u8,
    },
    Stream {
        content: u8,
        pieces: u8,
    },
    Batch {
        contents: Vec<u8>,
    },
    Publish {
        key: u8,
        content: u8,
    },
    PublishDirectory {
        key: u8,
        contents: Vec<u8>,
    },
    Shard {
        family: u8,
        first: u8,
        rows: u8,
    },
    Checkpoint {
        key: u8,
        step: u8,
    },
    Run {
        events: u8,
    },
    /// Looks, takes a lease, looks again, publishes and gives the lease back.
    Leased {
        key: u8,
        content: u8,
    },
    Lookup {
        key: u8,
    },
    /// Moves everything that no pin and no run keeps into the trash, however new it is.
    Collect,
    Pin {
        key: u8,
    },
    Forget {
        key: u8,
    },
    Reopen,
    DamageBlob {
        content: u8,
    },
    RemoveBlob {
        content: u8,
    },
    DamageRecord {
        key: u8,
    },
}

impl Operation {
    /// Tells whether the operation is the test's own damage and no work.
    pub(super) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::DamageBlob { .. } | Self::RemoveBlob { .. } | Self::DamageRecord { .. }
        )
    }
}

/// Draws what one writer does; damage only if it is alone, since promises to others cannot be kept then.
pub(super) fn draw(chance: &mut Chance, length: usize, damage: bool) -> Vec<Operation> {
    (0..length).map(|_| operation(chance, damage)).collect()
}

fn operation(chance: &mut Chance, damage: bool) -> Operation {
    let content = chance.below(CONTENTS) as u8;
    let key = chance.below(KEYS) as u8;
    match chance.below(if damage { 32 } else { 27 }) {
        0..3 => Operation::Put { content },
        3..5 => Operation::Stream {
            content,
            pieces: 1 + chance.below(4) as u8,
        },
        5..7 => Operation::Batch {
            contents: contents(chance),
        },
        7..12 => Operation::Publish { key, content },
        12 => Operation::PublishDirectory {
            key,
            contents: contents(chance),
        },
        13..15 => Operation::Shard {
            family: chance.below(2) as u8,
            first: chance.below(5) as u8,
            rows: 1 + chance.below(3) as u8,
        },
        15..18 => Operation::Checkpoint {
            key,
            step: chance.below(8) as u8,
        },
        18 => Operation::Run {
            events: chance.below(3) as u8,
        },
        19..21 => Operation::Lookup { key },
        21 => Operation::Reopen,
        22 | 23 => Operation::Leased { key, content },
        24 | 25 => Operation::Collect,
        26 => Operation::Pin { key },
        27 => Operation::Forget { key },
        28 | 29 => Operation::DamageBlob { content },
        30 => Operation::RemoveBlob { content },
        _ => Operation::DamageRecord { key },
    }
}

fn contents(chance: &mut Chance) -> Vec<u8> {
    let count = chance.below(4);
    (0..count).map(|_| chance.below(CONTENTS) as u8).collect()
}
