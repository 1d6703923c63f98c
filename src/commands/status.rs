//! `mitune status`

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use mitune_store::{RunEvent, RunRecord, RunStatus, Store};
use serde::Serialize;
use serde_json::Value;

use super::run_choice::choose;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{Table, line, moment, print_json};

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The run: its identifier, the first or last characters of it, or `latest~N`
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,

    /// List all runs instead
    #[arg(long, conflicts_with = "run")]
    all: bool,
}

pub(crate) fn run(arguments: &StatusArguments, session: &Session<'_>) -> Result<(), Failure> {
    let store = session.existing_store()?;
    if arguments.all {
        return list(&store.runs()?, session.json);
    }
    let record = choose(&store, &arguments.run)?;
    let status = Status::new(&store, record)?;
    if session.json {
        print_json(&status)
    } else {
        status.print()
    }
}

fn list(runs: &[RunRecord], json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&runs);
    }
    let mut table = Table::with_headings(["RUN", "PIPELINE", "STATUS", "STARTED"]);
    for run in runs {
        table.row([
            run.id.to_string(),
            run.pipeline.clone(),
            status_name(run).to_owned(),
            moment(run.started),
        ]);
    }
    table.print()
}

/// How a run stands.
#[derive(Serialize)]
struct Status {
    status: &'static str,
    record: RunRecord,
    stages: Vec<StageStatus>,
}

#[derive(Serialize)]
struct StageStatus {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

impl Status {
    fn new(store: &Store, record: RunRecord) -> Result<Self, Failure> {
        let events = store.events(&record.id)?;
        Ok(Self {
            status: status_name(&record),
            stages: stages(&events),
            record,
        })
    }

    fn print(&self) -> Result<(), Failure> {
        let RunRecord {
            id,
            pipeline,
            started,
            ..
        } = &self.record;
        line(format!(
            "Run {id} of `{pipeline}`: {}, started {}",
            self.status,
            moment(*started)
        ))?;
        let mut table = Table::default();
        for stage in &self.stages {
            let seconds = stage.seconds.map(|seconds| format!("{seconds:.1} s"));
            let remark = seconds.or_else(|| stage.progress.clone()).unwrap_or_default();
            table.row([stage.state.to_owned(), stage.name.clone(), remark]);
        }
        table.print()
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

fn status_name(run: &RunRecord) -> &'static str {
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
