//! `mitune status`

use clap::Args;
use mitune_store::{RunRecord, Store};

use super::run_choice::choose;
use crate::failure::Failure;
use crate::inspect::status::{Status, state_name};
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
        return list(&store, &store.runs().list()?, session.json);
    }
    let record = choose(&store, &arguments.run)?;
    let status = Status::new(&store, record)?;
    if session.json {
        print_json(&status)
    } else {
        print_status(&status)
    }
}

fn list(store: &Store, runs: &[RunRecord], json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&runs);
    }
    let mut table = Table::with_headings(["RUN", "PIPELINE", "STATUS", "STARTED"]);
    for run in runs {
        table.row([
            run.id.to_string(),
            run.pipeline.clone(),
            state_name(store, run).to_owned(),
            moment(run.started),
        ]);
    }
    table.print()
}

fn print_status(status: &Status) -> Result<(), Failure> {
    let RunRecord {
        id,
        pipeline,
        started,
        ..
    } = &status.record;
    line(format!(
        "Run {id} of `{pipeline}`: {}, started {}",
        status.status,
        moment(*started)
    ))?;
    if status.processes.len() > 1 {
        let mut table = Table::default();
        for process in &status.processes {
            table.row([
                process.status.to_owned(),
                format!("process {}:{}", process.host, process.process),
                format!("started {}", moment(process.started)),
            ]);
        }
        table.print()?;
    }
    let mut table = Table::default();
    for stage in &status.stages {
        let seconds = stage.seconds.map(|seconds| format!("{seconds:.1} s"));
        let remark = seconds.or_else(|| stage.progress.clone()).unwrap_or_default();
        table.row([stage.state.to_owned(), stage.name.clone(), remark]);
    }
    table.print()
}
