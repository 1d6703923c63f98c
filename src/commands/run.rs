//! `mitune run`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use mitune_stages::contract::LazyDevice;
use mitune_stages::device::DeviceSelection;
use mitune_store::ActionRecord;
use mitune_store::remote::stop_waiting_at;
use serde::Serialize;
use serde_json::{Value, json};

use super::pipeline_arguments::PipelineArguments;
use crate::engine::{Engine, Interrupt, Outcome, RememberedDigests, RunSummary};
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::report_file::{ReportTools, refresh_report_file, report_path, write_report_file};
use crate::session::Session;
use crate::sharing::attach;
use crate::ui::{RunDisplay, line, print_json};
use crate::user_folders::cache_folder;

/// Metric that holds the one line a stage wants said when a run ends.
const HEADLINE: &str = "headline";

/// How often a report is tried whose results turn out to be nowhere.
const ATTEMPTS: usize = 4;

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceSelection,

    /// Tag of the run, by which `mitune store ls --tag` finds its artifacts; may be given several times
    #[arg(long = "tag", value_name = "TAG", value_parser = NonEmptyStringValueParser::new())]
    tags: Vec<String>,
}

pub(crate) fn run(arguments: &RunArguments, session: &Session<'_>) -> Result<(), Failure> {
    let pipeline = arguments.pipeline.read(session)?;
    let interrupt = Interrupt::listen()?;
    stop_waiting_at(interrupt.shared());
    let store = session.open_store()?;
    attach(&store)?;
    let device = LazyDevice::new(arguments.device);
    let digests = RememberedDigests::open(&cache_folder());
    let compute = || {
        let display = RunDisplay::new();
        let engine = Engine {
            store: &store,
            device: &device,
            digests: &digests,
            observer: &display,
            cancelled: interrupt.cancelled(),
        };
        let result = engine.run(&pipeline, details(arguments));
        result.map_err(|error| Failure::from(error).with_interrupt_code(interrupt.exit_code()))
    };
    let tools = ReportTools {
        pipeline: &pipeline,
        store: &store,
        device: &device,
        digests: &digests,
    };
    let mut summary = compute()?;
    let mut attempt = 1;
    let report = loop {
        match write_report(&tools, &summary) {
            // What a remote only seemed to have and the report shows is computed.
            Err(_) if attempt < ATTEMPTS && !store.blobs().take_lost().is_empty() => summary = compute()?,
            written => break written?,
        }
        attempt += 1;
    };
    if session.json {
        print_json(&Document::new(&pipeline, &summary, report.as_deref()))
    } else {
        print_headlines(&pipeline, &summary)?;
        match report {
            Some(path) => line(format!("Report: {}", path.display())),
            None => Ok(()),
        }
    }
}

/// Writes the report if the pipeline asks for one, unless it is there.
fn write_report(tools: &ReportTools<'_>, summary: &RunSummary) -> Result<Option<PathBuf>, Failure> {
    let pipeline = tools.pipeline;
    if pipeline.spec.report.is_none() {
        return Ok(None);
    }
    let path = report_path(pipeline);
    let computed = summary
        .stages
        .iter()
        .any(|stage| stage.outcome == Outcome::Computed);
    match computed {
        true => write_report_file(tools, &summary.record, &path)?,
        false => refresh_report_file(tools, &summary.record, &path)?,
    }
    Ok(Some(path))
}

/// What the record of the run remembers besides stages.
fn details(arguments: &RunArguments) -> BTreeMap<String, Value> {
    let mut details = BTreeMap::from([
        ("version".to_owned(), json!(env!("CARGO_PKG_VERSION"))),
        (
            "file".to_owned(),
            json!(arguments.pipeline.file.to_string_lossy()),
        ),
        ("set".to_owned(), json!(arguments.pipeline.assignments)),
    ]);
    if !arguments.tags.is_empty() {
        details.insert("tags".to_owned(), json!(arguments.tags));
    }
    details
}

fn print_headlines(pipeline: &Pipeline, summary: &RunSummary) -> Result<(), Failure> {
    for (stage, result) in pipeline.stages.iter().zip(&summary.stages) {
        if let Some(Value::String(headline)) = result.record.metrics.get(HEADLINE) {
            line(format!("{}: {headline}", stage.name))?;
        }
    }
    let computed = summary
        .stages
        .iter()
        .filter(|stage| stage.outcome == Outcome::Computed)
        .count();
    let reused = summary.stages.len() - computed;
    line(format!(
        "{} stages: {computed} computed, {reused} found in the store",
        summary.stages.len()
    ))
}

/// The run as JSON.
#[derive(Serialize)]
struct Document<'a> {
    run: String,
    pipeline: &'a str,
    report: Option<&'a Path>,
    stages: Vec<StageEntry<'a>>,
}

#[derive(Serialize)]
struct StageEntry<'a> {
    name: String,
    outcome: Outcome,
    #[serde(flatten)]
    record: &'a ActionRecord,
}

impl<'a> Document<'a> {
    fn new(pipeline: &'a Pipeline, summary: &'a RunSummary, report: Option<&'a Path>) -> Self {
        let stages = pipeline
            .stages
            .iter()
            .zip(&summary.stages)
            .map(|(stage, result)| StageEntry {
                name: stage.name.to_string(),
                outcome: result.outcome,
                record: &result.record,
            });
        Self {
            run: summary.run.to_string(),
            pipeline: &pipeline.spec.name,
            report,
            stages: stages.collect(),
        }
    }
}
