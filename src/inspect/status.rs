//! How runs stand.

use mitune_store::{RunMember, RunRecord, RunStatus, Store, StoreError, Timestamp};
use serde::Serialize;

use super::stage_status::{ProcessLife, StageStatus, stages};

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

impl Status {
    /// Reads how a run stands off its records and its events.
    pub(crate) fn new(store: &Store, record: RunRecord) -> Result<Self, StoreError> {
        let events = store.runs().process_events(&record)?;
        let lives: Vec<ProcessLife> = record
            .processes()
            .iter()
            .map(|member| life(store, &record, member))
            .collect();
        // Nothing is known of a process whose record is lost.
        let life = |process: Option<usize>| process.map_or(ProcessLife::Gone, |process| lives[process]);
        Ok(Self {
            status: state_name(store, &record),
            processes: processes(store, &record),
            stages: stages(&events, life),
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
    word(member.status, life(store, run, member) == ProcessLife::Gone)
}

fn life(store: &Store, run: &RunRecord, member: &RunMember) -> ProcessLife {
    match member.status {
        RunStatus::Running if store.runs().is_gone(&run.id, member) => ProcessLife::Gone,
        RunStatus::Running => ProcessLife::Living,
        _ => ProcessLife::Ended,
    }
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
