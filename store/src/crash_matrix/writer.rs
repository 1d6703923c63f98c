//! Doing a program on a store and writing down what it promised.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::journal::{Entry, Fact, Journal};
use super::program::Operation;
use super::recorder::Recorder;
use super::sample::{self, blob_path, record_path, stage_key};
use crate::artifacts::{Artifact, DirectoryEntry};
use crate::collect::{CollectError, CollectOptions};
use crate::error::StoreError;
use crate::names::{FileDigest, LeaseKey, PinName, StageKey};
use crate::open_options::OpenOptions;
use crate::records::{ActionRecord, Checkpoint, Lookup, Producer};
use crate::retention::{PinError, PinTarget};
use crate::runs::{RunLog, RunStatus};
use crate::store::Store;

/// A writer with a store of its own over a recorded file system.
pub(super) struct Writer<'r> {
    recorder: &'r Arc<Recorder>,
    root: &'r Path,
    store: Option<Store>,
}

impl<'r> Writer<'r> {
    pub(super) fn new(recorder: &'r Arc<Recorder>, root: &'r Path) -> Self {
        Self {
            recorder,
            root,
            store: None,
        }
    }

    /// Does one operation; what it promises is in the journal.
    pub(super) fn act(&mut self, operation: &Operation) -> Result<(), StoreError> {
        if *operation == Operation::Reopen {
            self.store = None;
        }
        if operation.is_damage() {
            self.damage(operation);
            return Ok(());
        }
        let store = match &self.store {
            Some(store) => store.clone(),
            None => {
                let options = OpenOptions::default()
                    .renew_after(Duration::ZERO)
                    .file_system(self.recorder.clone());
                self.store.insert(Store::open_with(self.root, options)?).clone()
            }
        };
        act(&store, operation, &self.recorder.journal)
    }

    fn damage(&self, operation: &Operation) {
        let journal = &self.recorder.journal;
        match operation {
            Operation::DamageBlob { content } | Operation::RemoveBlob { content } => {
                let file = sample::file(*content);
                let path = blob_path(self.root, &file);
                if !path.exists() {
                    return;
                }
                journal.push(Entry::Lost(file));
                if matches!(operation, Operation::RemoveBlob { .. }) {
                    use crate::files::FileSystem;
                    let _ = self.recorder.remove_file(&path);
                } else {
                    self.recorder.damage(&path, damaged(&path));
                }
            }
            Operation::DamageRecord { key } => {
                let path = record_path(self.root, &stage_key(*key));
                if path.exists() {
                    journal.push(Entry::LostRecord(stage_key(*key)));
                    self.recorder.damage(&path, damaged(&path));
                }
            }
            _ => {}
        }
    }
}

fn damaged(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    let half = bytes.len() / 2;
    if half.is_multiple_of(2) {
        bytes.truncate(half);
    } else {
        bytes[half] ^= 1;
    }
    bytes
}

/// Does one operation on a store.
pub(super) fn act(store: &Store, operation: &Operation, journal: &Journal) -> Result<(), StoreError> {
    let blob = |content: &u8| (sample::file(*content), Fact::Blob(sample::file(*content)));
    match operation {
        Operation::Put { content } => {
            let (file, fact) = blob(content);
            journal.attempt(&fact);
            assert_eq!(store.blobs().put_bytes(&sample::bytes(*content))?, file);
            journal.acknowledge(fact, &[file]);
        }
        Operation::Stream { content, pieces } => {
            let (file, fact) = blob(content);
            let bytes = sample::bytes(*content);
            journal.attempt(&fact);
            let mut writer = store
                .blobs()
                .writer((pieces % 2 == 0).then_some(bytes.len() as u64 + 5000))?;
            for piece in bytes.chunks(bytes.len() / usize::from(*pieces) + 1) {
                writer.append(piece)?;
            }
            assert_eq!(writer.finish()?, file);
            journal.acknowledge(fact, &[file]);
        }
        Operation::Batch { contents } => {
            let facts: Vec<_> = contents.iter().map(blob).collect();
            facts.iter().for_each(|(_, fact)| journal.attempt(fact));
            let mut batch = store.records().batch();
            for content in contents {
                batch.put_bytes(&sample::bytes(*content))?;
            }
            batch.commit()?;
            facts
                .into_iter()
                .for_each(|(file, fact)| journal.acknowledge(fact, &[file]));
        }
        Operation::Publish { key, content } => {
            let (file, fact) = blob(content);
            journal.attempt(&fact);
            let artifact = store.artifacts().put_json(&sample::json(*content))?;
            journal.acknowledge(fact, &[file]);
            publish(store, *key, artifact, journal)?;
        }
        Operation::PublishDirectory { key, contents } => {
            let name = |(number, content): (usize, &u8)| {
                let bytes = DirectoryEntry::Bytes(sample::bytes(*content));
                (format!("part {number}"), bytes)
            };
            let entries: Vec<_> = contents.iter().enumerate().map(name).collect();
            contents
                .iter()
                .for_each(|content| journal.attempt(&blob(content).1));
            let artifact = store.artifacts().put_directory(&entries)?;
            publish(store, *key, artifact, journal)?;
        }
        Operation::Shard { family, first, rows } => {
            let key = sample::family(*family);
            let (batch, items) = (sample::batch(*first, *rows), sample::items(&key, *first, *rows));
            let name = crate::shards::shard::name_of(items.iter());
            let fact = Fact::Shard {
                family: *family,
                first: *first,
                rows: *rows,
                name,
            };
            journal.attempt(&fact);
            let record = store.shards().publish(&key, batch, items, &Producer::default())?;
            assert_eq!(record.name(), name);
            journal.acknowledge(fact, &[record.blob]);
        }
        Operation::Checkpoint { key, step } => checkpoint(store, *key, *step, journal)?,
        Operation::Run { events } => {
            let run = RunLog::create(store, "pretend")?;
            journal.acknowledge(
                Fact::Run {
                    id: run.id(),
                    ended: false,
                },
                &[],
            );
            for number in 0..*events {
                run.event("event", BTreeMap::from([("number".to_owned(), number.into())]))?;
                member(store, &run, stage_key(number), journal)?;
            }
            run.finish(RunStatus::Succeeded)?;
            journal.acknowledge(
                Fact::Run {
                    id: run.id(),
                    ended: true,
                },
                &[],
            );
        }
        Operation::Leased { key, content } => {
            let claim = store
                .leases()
                .claim(&LeaseKey::of_stage(&stage_key(*key)), "pretend");
            if let Lookup::Miss(_) = store.records().lookup(&stage_key(*key)) {
                act(
                    store,
                    &Operation::Publish {
                        key: *key,
                        content: *content,
                    },
                    journal,
                )?;
            }
            drop(claim);
        }
        Operation::Collect => {
            journal.push(Entry::Collected);
            let options = CollectOptions {
                keep_runs: 100,
                older_than: Duration::ZERO,
                grace: Duration::ZERO,
                ..CollectOptions::default()
            };
            match store.collect(&options) {
                Err(CollectError::Store(error)) => return Err(error),
                // Another one is at work, or took over.
                Ok(_) | Err(CollectError::Busy(_) | CollectError::Overtaken) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        Operation::Pin { key } => {
            let name: PinName = format!("pin-{key}").parse().unwrap();
            let target = PinTarget::Stage(stage_key(*key));
            match store.pins().pin(name, target, "somebody", None) {
                Ok(_) => journal.acknowledge(Fact::Pin { key: stage_key(*key) }, &[]),
                Err(PinError::Store(error)) => return Err(error),
                Err(error) => panic!("{error:?}"),
            }
        }
        Operation::Forget { key } => {
            journal.push(Entry::Forgotten(stage_key(*key)));
            store.records().forget(&stage_key(*key), "a test")?;
        }
        Operation::Lookup { key } => {
            let _: Lookup = store.records().lookup(&stage_key(*key));
        }
        Operation::Reopen
        | Operation::DamageBlob { .. }
        | Operation::RemoveBlob { .. }
        | Operation::DamageRecord { .. } => {}
    }
    Ok(())
}

fn publish(store: &Store, key: u8, artifact: Artifact, journal: &Journal) -> Result<(), StoreError> {
    let preimage = store.records().put_preimage(&sample::preimage(key))?;
    let mut record = ActionRecord::new(stage_key(key), preimage, "pretend", 1);
    let fact = |artifact: &Artifact| Fact::Record {
        key: stage_key(key),
        file: artifact.file,
    };
    journal.attempt(&fact(&artifact));
    record.outputs = BTreeMap::from([("out".to_owned(), artifact)]);
    let winner = store.records().publish(record)?.into_record();
    let needs = blobs(store, &winner)?;
    journal.acknowledge(fact(&winner.outputs["out"]), &needs);
    Ok(())
}

fn blobs(store: &Store, record: &ActionRecord) -> Result<Vec<FileDigest>, StoreError> {
    let artifact = &record.outputs["out"];
    let members = store
        .artifacts()
        .members(artifact)?
        .into_iter()
        .map(|(file, _)| file);
    Ok(members.chain([artifact.file, record.preimage]).collect())
}

/// Has another process join a run and name a result, if none of its name did before.
fn member(store: &Store, run: &RunLog, key: StageKey, journal: &Journal) -> Result<(), StoreError> {
    if let Some(member) = RunLog::enter(store, &run.record(), None)? {
        member.update(|record| record.stages = [("stage".to_owned(), key)].into())?;
        journal.acknowledge(Fact::Member { run: run.id(), key }, &[]);
    }
    Ok(())
}

/// The state of a step, the same whoever computes it.
pub(super) fn state(key: u8, step: u8) -> serde_json::Value {
    format!("{key} at {step}").into()
}

fn checkpoint(store: &Store, key: u8, step: u8, journal: &Journal) -> Result<(), StoreError> {
    let content = step % super::program::CONTENTS as u8;
    let file = sample::file(content);
    journal.attempt(&Fact::Blob(file));
    store.blobs().put_bytes(&sample::bytes(content))?;
    journal.acknowledge(Fact::Blob(file), &[file]);
    let fact = Fact::Checkpoint {
        key: stage_key(key),
        step: step.into(),
    };
    journal.attempt(&fact);
    let checkpoint = Checkpoint {
        step: step.into(),
        blobs: BTreeMap::from([("weights".to_owned(), file)]),
        state: state(key, step),
        keep: step == 3,
    };
    store.records().publish_checkpoint(&stage_key(key), checkpoint)?;
    journal.acknowledge(fact, &[file]);
    Ok(())
}
