//! `mitune report`

use std::path::PathBuf;

use clap::Args;
use mitune_stages::contract::LazyDevice;
use mitune_stages::device::DeviceSelection;

use super::pipeline_arguments::PipelineArguments;
use crate::engine::RememberedDigests;
use crate::failure::Failure;
use crate::report_file::{ReportTools, report_path, write_report_file};
use crate::session::Session;
use crate::ui::{line, print_json};
use crate::user_folders::cache_folder;

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,

    /// Where to write it [default: what the pipeline says, else its name with .html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Device that decodes images which were stored as latents: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceSelection,
}

/// There is no run to report.
#[derive(Debug, thiserror::Error)]
#[error("The store has no run of `{pipeline}`")]
struct NoRun {
    pipeline: String,
}

pub(crate) fn run(arguments: &ReportArguments, session: &Session<'_>) -> Result<(), Failure> {
    let pipeline = arguments.pipeline.read(session)?;
    let store = session.reading_store()?;
    let path = arguments.out.clone().unwrap_or_else(|| report_path(&pipeline));
    let run = store
        .runs()
        .list()?
        .into_iter()
        .find(|run| run.pipeline == pipeline.spec.name);
    let run = run.ok_or_else(|| {
        let pipeline = pipeline.spec.name.clone();
        Failure::failed(NoRun { pipeline }).with_hint("Run it first with `mitune run`")
    })?;
    let device = LazyDevice::new(arguments.device);
    let digests = RememberedDigests::open(&cache_folder());
    let tools = ReportTools {
        pipeline: &pipeline,
        store: &store,
        device: &device,
        digests: &digests,
    };
    write_report_file(&tools, &run, &path)?;
    if session.json {
        print_json(&serde_json::json!({ "run": run.id.to_string(), "report": path.to_string_lossy() }))
    } else {
        line(format!(
            "Report of run {} written to `{}`",
            run.id,
            path.display()
        ))
    }
}
