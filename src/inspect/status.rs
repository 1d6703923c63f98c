//! How runs stand.

use std::collections::BTreeMap;

use mitune_store::{RunEvent, RunMember, RunRecord, RunStatus, Store, StoreError, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// How a run stands.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// The word of [`state_name`].
    pub(crate) status: &'static str,
    pub(crate) record: RunRecord,
    /// The processes that took part, the founder first.
    pub(crate) processes: Vec<ProcessStatus>,
    /// In the order in which they began.
    pub(crate) stages: Vec<StageStatus>,
}

/// How a process stands that took part in a run.
#[derive(Debug, Serialize)]
pub(crate) struct ProcessStatus {
    pub(crate) host: String,
    pub(crate) process: u32,
    /// The word of [`state_name`].
    pub(crate) status: &'static str,
    pub(crate) started: Timestamp,
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
    /// Reads how a run stands off its records and its events.
    pub(crate) fn new(store: &Store, record: RunRecord) -> Result<Self, StoreError> {
        let events = store.runs().events(&record.id)?;
        Ok(Self {
            status: state_name(store, &record),
            processes: processes(store, &record),
            stages: stages(&events),
            record,
        })
    }
}

fn processes(store: &Store, run: &RunRecord) -> Vec<ProcessStatus> {
    let members = run.processes().into_iter();
    let process = |member: RunMember| ProcessStatus {
        status: process_state(store, run, &member),
        host: member.host,
        process: member.process,
        started: member.started,
    };
    members.map(process).collect()
}

/// Reads off the events what each stage did last, in the order in which they began.
///
/// Of several processes the one that has the result counts: what the others do with the stage is to find it.
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
            "stage_finished" => (stage.state, stage.seconds) = ("done", seconds),
            _ if stage.state == "done" => {}
            "stage_reused" => (stage.state, stage.progress) = ("found", None),
            // Also one that was found and turned out to be none.
            "stage_started" => stage.state = "started",
            _ if stage.state == "found" => {}
            "stage_failed" => stage.state = "failed",
            "stage_interrupted" => stage.state = "stopped",
            "waiting" => stage.progress = waiting(&event.fields).or(stage.progress.take()),
            // Another process goes on with it.
            "progress" => (stage.state, stage.progress) = ("started", Some(progress(&event.fields))),
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

/// Names how a run stands; one whose processes are all gone without a word was killed.
pub(crate) fn state_name(store: &Store, run: &RunRecord) -> &'static str {
    let processes = run.processes();
    let mut unended = processes
        .iter()
        .filter(|member| member.status == RunStatus::Running);
    let killed = unended.all(|member| store.runs().is_gone(&run.id, member));
    word(run.status, killed)
}

fn process_state(store: &Store, run: &RunRecord, member: &RunMember) -> &'static str {
    let ended = member.status != RunStatus::Running;
    word(member.status, !ended && store.runs().is_gone(&run.id, member))
}

fn word(status: RunStatus, killed: bool) -> &'static str {
    match status {
        RunStatus::Running if killed => "killed",
        RunStatus::Running => "running",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted => "interrupted",
    }
}
