//! The log of a run in progress: its record, and a line for everything that happens.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::run::{RunEvent, RunRecord, RunStatus};
use crate::error::StoreError;
use crate::files::{AtPath, replace};
use crate::names::{RunId, domain};
use crate::records::sealed;
use crate::store::Store;
use crate::timestamp::Timestamp;

/// The log of a run in progress; clones write to the same files.
#[derive(Debug, Clone)]
pub struct RunLog {
    store: Store,
    path: PathBuf,
    state: Arc<Mutex<LogState>>,
}

#[derive(Debug)]
struct LogState {
    record: RunRecord,
    /// `None` where nothing is kept of the run.
    events: Option<File>,
}

impl RunLog {
    /// Begins a run.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn create(store: &Store, pipeline: &str) -> Result<Self, StoreError> {
        let record = RunRecord::begin(pipeline);
        store.check_writable()?;
        store.volume().ensure_directory(&store.layout().run(&record.id))?;
        write_record(store, &record)?;
        let path = store
            .layout()
            .run_events(&record.id, &record.host, record.process);
        let events = store.files().append(&path).at("create", &path)?;
        // Whoever may read the record may read what happened; one that stays private costs others this run's events.
        let _ = store.files().set_mode(&events, 0o644);
        Ok(Self::with(store, path, record, Some(events)))
    }

    /// Begins a run in a store that may only be read: record and events are forgotten with the process.
    pub fn unrecorded(store: &Store, pipeline: &str) -> Self {
        let record = RunRecord::begin(pipeline);
        let path = store.layout().run_record(&record.id);
        Self::with(store, path, record, None)
    }

    fn with(store: &Store, path: PathBuf, record: RunRecord, events: Option<File>) -> Self {
        Self {
            store: store.clone(),
            path,
            state: Arc::new(Mutex::new(LogState { record, events })),
        }
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether the store keeps the run.
    pub fn is_recorded(&self) -> bool {
        self.state().events.is_some()
    }

    /// Returns the record as it is now.
    pub fn record(&self) -> RunRecord {
        self.state().record.clone()
    }

    /// Returns the run.
    pub fn id(&self) -> RunId {
        self.state().record.id
    }

    /// Changes the record of the run and writes it.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written; the change stays for the next write.
    pub fn update(&self, change: impl FnOnce(&mut RunRecord)) -> Result<(), StoreError> {
        let mut state = self.state();
        change(&mut state.record);
        match state.events {
            Some(_) => write_record(&self.store, &state.record),
            None => Ok(()),
        }
    }

    /// Appends an event with the time of now; it survives the process, not a power cut.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the log cannot be written.
    pub fn event(&self, event: &str, fields: BTreeMap<String, serde_json::Value>) -> Result<(), StoreError> {
        let event = RunEvent {
            time: Timestamp::now(),
            event: event.to_owned(),
            fields,
        };
        let mut line = serde_json::to_vec(&event).map_err(StoreError::unwritten)?;
        line.push(b'\n');
        match &self.state().events {
            Some(events) => Ok(self
                .store
                .files()
                .write_all(events, &line)
                .at("write", &self.path)?),
            None => Ok(()),
        }
    }

    /// Ends the run.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn finish(&self, status: RunStatus) -> Result<(), StoreError> {
        self.update(|record| {
            record.status = status;
            record.ended = Some(Timestamp::now());
        })
    }
}

fn write_record(store: &Store, record: &RunRecord) -> Result<(), StoreError> {
    let staged = store.stage_bytes(&sealed::seal(domain::RUN, record)?)?;
    Ok(replace(&staged, &store.layout().run_record(&record.id))?)
}
