//! Runs: one execution of a pipeline, with its record and its events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::files::{AtPath, host_name};
use crate::names::{RunId, StageKey, domain};
use crate::records::sealed::{self, Sealed};
use crate::store::Store;
use crate::timestamp::Timestamp;

pub(crate) const VERSION: u32 = 1;

/// Bytes of a log of events that are read at most; a day of a training writes some megabytes.
const EVENTS_LIMIT: u64 = 1 << 30;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It began and did not end; its process may be dead.
    Running,
    /// Every stage has its result.
    Succeeded,
    /// A stage failed.
    Failed,
    /// The user stopped it.
    Interrupted,
}

/// The record of a run, written by the one process that owns it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of the record, 1.
    pub v: u32,
    /// The run.
    pub id: RunId,
    /// Name of the pipeline.
    pub pipeline: String,
    /// How it stands.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, `None` while it runs or if it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Name of the host.
    pub host: String,
    /// Process number on that host.
    pub process: u32,
    /// Keys of the stages by name, as far as they are known.
    #[serde(default)]
    pub stages: BTreeMap<String, StageKey>,
    /// Whatever else the program wants to remember, such as its version or the device.
    #[serde(default)]
    pub details: BTreeMap<String, serde_json::Value>,
}

/// One line of a run's event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// When it happened.
    pub time: Timestamp,
    /// What happened, such as `stage_finished`.
    pub event: String,
    /// The particulars.
    #[serde(default)]
    pub fields: BTreeMap<String, serde_json::Value>,
}

impl RunRecord {
    pub(crate) fn begin(pipeline: &str) -> Self {
        Self {
            v: VERSION,
            id: RunId::generate(),
            pipeline: pipeline.to_owned(),
            status: RunStatus::Running,
            started: Timestamp::now(),
            ended: None,
            host: host_name(),
            process: std::process::id(),
            stages: BTreeMap::new(),
            details: BTreeMap::new(),
        }
    }
}

impl Store {
    /// Lists the runs, newest first; those whose record is damaged are left out.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the runs cannot be listed.
    pub fn runs(&self) -> Result<Vec<RunRecord>, StoreError> {
        Ok(self.newest_runs()?.collect())
    }

    /// Goes through the runs, newest first, reading one at a time; those whose record is damaged are left out.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the runs cannot be listed.
    pub fn newest_runs(&self) -> Result<impl Iterator<Item = RunRecord>, StoreError> {
        let mut ids = self.run_ids()?;
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids.into_iter().filter_map(|id| self.read_run(&id)))
    }

    /// Goes through the results that a run names, none if its record is absent or damaged.
    pub(crate) fn stages_of_run(&self, id: &RunId) -> impl Iterator<Item = StageKey> + use<> {
        let stages = self.read_run(id).map(|run| run.stages.into_values());
        stages.into_iter().flatten()
    }

    /// Reads the record of a run, `None` if it is absent or damaged.
    pub fn read_run(&self, id: &RunId) -> Option<RunRecord> {
        match sealed::read(self.files(), &self.layout().run_record(id), domain::RUN, VERSION) {
            Ok(Sealed::Good(record)) => Some(record),
            _ => None,
        }
    }

    /// Reads the events of a run in the order of their times; lines cut off by a crash are left out.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the logs cannot be read.
    pub fn events(&self, id: &RunId) -> Result<Vec<RunEvent>, StoreError> {
        let directory = self.layout().run(id);
        let mut events: Vec<RunEvent> = Vec::new();
        // A run that nothing is kept of has no directory.
        for entry in self.entries(&directory)? {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "ndjson") {
                let (bytes, _) = self.files().read_bounded(&path, EVENTS_LIMIT).at("read", &path)?;
                let lines = bytes.split(|byte| *byte == b'\n');
                events.extend(lines.filter_map(|line| serde_json::from_slice(line).ok()));
            }
        }
        events.sort_by_key(|event| event.time);
        Ok(events)
    }

    pub(crate) fn run_ids(&self) -> Result<Vec<RunId>, StoreError> {
        let directory = self.layout().directory("runs");
        let mut ids = Vec::new();
        for entry in self.entries(&directory)? {
            let name = entry.file_name();
            ids.extend(name.to_str().and_then(|name| name.parse::<RunId>().ok()));
        }
        Ok(ids)
    }
}
