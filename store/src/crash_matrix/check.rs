//! Holding a store against what was promised.

use std::path::Path;

use super::expectation::Expectation;
use super::journal::{Fact, Journal};
use super::program::{KEYS, Operation};
use super::sample::{self, stage_key};
use super::writer::{act, state};
use crate::artifacts::row_digests;
use crate::records::Lookup;
use crate::retention::PinTarget;
use crate::runs::RunStatus;
use crate::store::Store;
use crate::verify::{VerifyDepth, VerifyOutcome};

/// Opens a store after a crash with the plain file system and checks all that can be asked of it.
pub(super) fn check(root: &Path, expected: &Expectation) -> Result<(), String> {
    if let Some(contradiction) = &expected.contradiction {
        return Err(contradiction.clone());
    }
    let store = Store::open(root).map_err(|error| format!("open: {error:?}"))?;
    for claim in &expected.claims {
        holds(&store, &claim.fact, expected.collected)
            .map_err(|reason| format!("{:?} was promised: {reason}", claim.fact))?;
    }
    nothing_invented(&store, expected)?;
    let report = store
        .verify(VerifyDepth::Full)
        .map_err(|error| format!("verify: {error:?}"))?;
    let lost = report.outcome() == VerifyOutcome::Lost;
    if !expected.damaged && (lost || !expected.collected && !report.is_clean()) {
        return Err(format!("not clean: {report:?}"));
    }
    Ok(())
}

/// Does the work again on a store that went through a crash: it ends, and everything is there.
pub(super) fn work_again(root: &Path, programs: &[Vec<Operation>]) -> Result<(), String> {
    let store = Store::open(root).map_err(|error| format!("open again: {error:?}"))?;
    let journal = Journal::default();
    for operation in programs.iter().flatten() {
        act(&store, operation, &journal).map_err(|error| format!("{operation:?} again: {error:?}"))?;
    }
    let mut expected = Expectation::default();
    journal.take().iter().for_each(|entry| expected.read(entry));
    for claim in &expected.claims {
        holds(&store, &claim.fact, expected.collected)
            .map_err(|reason| format!("{:?} was done again: {reason}", claim.fact))?;
    }
    let report = store
        .verify(VerifyDepth::Full)
        .map_err(|error| format!("verify: {error:?}"))?;
    if report.outcome() != VerifyOutcome::Lost {
        Ok(())
    } else {
        Err(format!("not clean after doing it again: {report:?}"))
    }
}

/// Looks for a fact. A result in the trash gives way to another one of its key, so after a collection any will do.
fn holds(store: &Store, fact: &Fact, any: bool) -> Result<(), String> {
    match fact {
        Fact::Blob(file) => match store.blobs().read(file) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error:?}")),
        },
        Fact::Record { key, file } => match store.records().lookup(key) {
            Lookup::Hit(record) if any || record.outputs["out"].file == *file => Ok(()),
            other => Err(format!("{other:?}")),
        },
        Fact::Shard {
            family,
            first,
            rows,
            name,
        } => {
            let key = sample::family(*family);
            let shards = store
                .shards()
                .of_family(&key)
                .map_err(|error| error.to_string())?;
            let record = shards.into_iter().find(|record| record.name() == *name);
            let record = record.ok_or("it is gone")?;
            let rows = row_digests(&sample::batch(*first, *rows)).map_err(|error| error.to_string())?;
            let found: Vec<_> = record.items.iter().map(|item| item.row).collect();
            if found == rows {
                Ok(())
            } else {
                Err("it has other rows".to_owned())
            }
        }
        Fact::Checkpoint { key, step } => {
            let latest = store
                .records()
                .latest_checkpoint(key)
                .map_err(|error| error.to_string())?;
            let latest = latest.ok_or("there is none")?;
            let kept = *step != 3 || store.records().good_checkpoint(key, 3).is_some();
            if latest.step >= *step && kept {
                Ok(())
            } else {
                Err(format!("the latest is {latest:?}"))
            }
        }
        Fact::Member { run, key } => match store.runs().stages_of_run(run).any(|named| named == *key) {
            true => Ok(()),
            false => Err("no process names it".to_owned()),
        },
        Fact::Pin { key } => {
            let pins = store.pins().list().map_err(|error| error.to_string())?;
            let kept = pins.iter().any(|pin| pin.target == PinTarget::Stage(*key));
            if kept {
                Ok(())
            } else {
                Err(format!("the pins are {pins:?}"))
            }
        }
        Fact::Run { id, ended } => {
            let record = store.runs().read(id).ok_or("it is gone")?;
            store.runs().events(id).map_err(|error| error.to_string())?;
            if *ended && record.status != RunStatus::Succeeded {
                return Err(format!("its status is {:?}", record.status));
            }
            Ok(())
        }
    }
}

/// Whatever the store has, somebody put there.
fn nothing_invented(store: &Store, expected: &Expectation) -> Result<(), String> {
    for key in 0..KEYS as u8 {
        if let Lookup::Hit(record) = store.records().lookup(&stage_key(key)) {
            let fact = Fact::Record {
                key: stage_key(key),
                file: record.outputs["out"].file,
            };
            if !expected.attempted.contains(&fact) {
                return Err(format!("nobody published {fact:?}"));
            }
        }
        let latest = store
            .records()
            .latest_checkpoint(&stage_key(key))
            .map_err(|error| error.to_string())?;
        if let Some(latest) = latest
            && (latest.state != state(key, latest.step as u8)
                || !expected.attempted.contains(&Fact::Checkpoint {
                    key: stage_key(key),
                    step: latest.step,
                }))
        {
            return Err(format!("nobody published {latest:?}"));
        }
    }
    for family in 0..2_u8 {
        for record in store
            .shards()
            .of_family(&sample::family(family))
            .map_err(|error| error.to_string())?
        {
            let same = |fact: &&Fact| matches!(fact, Fact::Shard { name, .. } if *name == record.name());
            let known = expected.attempted.iter().find(same);
            holds(
                store,
                known.ok_or(format!("nobody published {record:?}"))?,
                expected.collected,
            )?;
        }
    }
    Ok(())
}
