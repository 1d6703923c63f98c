//! The log of a run in progress as one process writes it: its record, and a line for everything that happens.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::run::{RunEvent, RunRecord, RunStatus};
use crate::error::StoreError;
use crate::files::{AtPath, Placed, publish, replace};
use crate::lease::Lease;
use crate::names::{RunId, domain};
use crate::records::sealed;
use crate::store::Store;
use crate::timestamp::Timestamp;

/// The log of a run in progress; clones write to the same files, and no other process does.
#[derive(Debug, Clone)]
pub struct RunLog {
    store: Store,
    record_path: PathBuf,
    events_path: PathBuf,
    joined: bool,
    state: Arc<Mutex<LogState>>,
}

#[derive(Debug)]
struct LogState {
    record: RunRecord,
    /// `None` where nothing is kept of the run.
    events: Option<File>,
    /// Shows others that this process lives; `None` where nobody is to join it.
    signs: Option<Lease>,
}

impl RunLog {
    /// Begins a run that nobody joins.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn create(store: &Store, pipeline: &str) -> Result<Self, StoreError> {
        store.check_writable()?;
        Self::found(store, RunRecord::begin(pipeline), None)
    }

    /// Begins a run in a store that may only be read: record and events are forgotten with the process.
    pub fn unrecorded(store: &Store, pipeline: &str) -> Self {
        let record = RunRecord::begin(pipeline);
        let path = store.layout().run_record(&record.id);
        Self {
            store: store.clone(),
            record_path: path.clone(),
            events_path: path,
            joined: false,
            state: Arc::new(Mutex::new(LogState {
                record,
                events: None,
                signs: None,
            })),
        }
    }

    /// Begins a run with the record of its founder.
    pub(super) fn found(store: &Store, record: RunRecord, signs: Option<Lease>) -> Result<Self, StoreError> {
        store.volume().ensure_directory(&store.layout().run(&record.id))?;
        let path = store.layout().run_record(&record.id);
        write_record(store, &path, &record)?;
        Self::open(store, path, record, signs)
    }

    /// Joins a run of other processes; none if a process of this name was at it before, since no two write one file.
    pub(crate) fn enter(
        store: &Store,
        run: &RunRecord,
        signs: Option<Lease>,
    ) -> Result<Option<Self>, StoreError> {
        let record = RunRecord::joining(run);
        let path = store
            .layout()
            .run_member(&record.id, &record.host, record.process);
        let staged = store.stage_bytes(&sealed::seal(domain::RUN, &record)?)?;
        if publish(&staged, &path)? == Placed::Existed {
            return Ok(None);
        }
        let log = Self::open(store, path, record, signs)?;
        Ok(Some(Self { joined: true, ..log }))
    }

    /// Opens the log of a process whose record is written.
    fn open(
        store: &Store,
        record_path: PathBuf,
        record: RunRecord,
        signs: Option<Lease>,
    ) -> Result<Self, StoreError> {
        let path = store
            .layout()
            .run_events(&record.id, &record.host, record.process);
        let events = store.files().append(&path).at("create", &path)?;
        // Whoever may read the record may read what happened; one that stays private costs others this run's events.
        let _ = store.files().set_mode(&events, 0o644);
        Ok(Self {
            store: store.clone(),
            record_path,
            events_path: path,
            joined: false,
            state: Arc::new(Mutex::new(LogState {
                record,
                events: Some(events),
                signs,
            })),
        })
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether the store keeps the run.
    pub fn is_recorded(&self) -> bool {
        self.state().events.is_some()
    }

    /// Tells whether other processes were at the run before this one.
    pub fn is_joined(&self) -> bool {
        self.joined
    }

    /// Returns the record as this process wrote it last.
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
            Some(_) => write_record(&self.store, &self.record_path, &state.record),
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
                .at("write", &self.events_path)?),
            None => Ok(()),
        }
    }

    /// Ends what this process does for the run.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn finish(&self, status: RunStatus) -> Result<(), StoreError> {
        let written = self.update(|record| {
            record.status = status;
            record.ended = Some(Timestamp::now());
        });
        let signs = self.state().signs.take();
        drop(signs);
        written
    }
}

fn write_record(store: &Store, path: &Path, record: &RunRecord) -> Result<(), StoreError> {
    let staged = store.stage_bytes(&sealed::seal(domain::RUN, record)?)?;
    Ok(replace(&staged, path)?)
}
