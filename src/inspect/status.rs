//! How runs stand.

use std::collections::BTreeMap;
use std::path::Path;

use mitune_store::{RunEvent, RunRecord, RunStatus, Store, StoreError};
use serde::Serialize;
use serde_json::Value;

/// How a run stands.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// The word of [`state_name`].
    pub(crate) status: &'static str,
    pub(crate) record: RunRecord,
    /// In the order in which they began.
    pub(crate) stages: Vec<StageStatus>,
}

/// What a stage of a run did last.
#[derive(Debug, Serialize)]
pub(crate) struct StageStatus {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    /// How far it is, or whom it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) progress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
}

impl Status {
    /// Reads how a run stands off its record and its events.
    pub(crate) fn new(store: &Store, record: RunRecord) -> Result<Self, StoreError> {
        let events = store.events(&record.id)?;
        Ok(Self {
            status: state_name(&record),
            stages: stages(&events),
            record,
        })
    }
}

/// Reads off the events what each stage did last, in the order in which they began.
fn stages(events: &[RunEvent]) -> Vec<StageStatus> {
    let mut stages: Vec<StageStatus> = Vec::new();
    for event in events {
        let Some(name) = event.fields.get("stage").and_then(Value::as_str) else {
            continue;
        };
        let index = stages
            .iter()
            .position(|stage| stage.name == name)
            .unwrap_or_else(|| {
                stages.push(StageStatus {
                    name: name.to_owned(),
                    state: "started",
                    progress: None,
                    seconds: None,
                });
                stages.len() - 1
            });
        let stage = &mut stages[index];
        let seconds = event.fields.get("seconds").and_then(Value::as_f64);
        match event.event.as_str() {
            "stage_reused" => (stage.state, stage.progress) = ("found", None),
            "stage_finished" => (stage.state, stage.seconds) = ("done", seconds),
            "stage_failed" => stage.state = "failed",
            "stage_interrupted" => stage.state = "stopped",
            "waiting" => stage.progress = waiting(&event.fields).or(stage.progress.take()),
            "progress" => stage.progress = Some(progress(&event.fields)),
            _ => {}
        }
    }
    stages
}

fn waiting(fields: &BTreeMap<String, Value>) -> Option<String> {
    let holder = fields.get("for").and_then(Value::as_str)?;
    Some(format!("waiting for {holder}"))
}

fn progress(fields: &BTreeMap<String, Value>) -> String {
    let number = |name: &str| fields.get(name).and_then(Value::as_u64).unwrap_or(0);
    let unit = fields.get("unit").and_then(Value::as_str).unwrap_or_default();
    format!("{}/{} {unit}", number("done"), number("total"))
}

/// Names how a run stands; one whose process is gone without a word was killed.
pub(crate) fn state_name(run: &RunRecord) -> &'static str {
    match run.status {
        RunStatus::Running if is_dead(run) => "killed",
        RunStatus::Running => "running",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted => "interrupted",
    }
}

/// Returns true if the process of a run is surely gone: it was on this host and the system does not know it.
fn is_dead(run: &RunRecord) -> bool {
    let here = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // The store keeps only letters, digits and dashes of a host name, which becomes part of file names.
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let here: String = here.trim().chars().take(64).map(safe).collect();
    here == run.host && !Path::new("/proc").join(run.process.to_string()).exists()
}
