//! `mitune report`

use std::path::PathBuf;

use clap::Args;

use super::pipeline_arguments::PipelineArguments;
use crate::failure::Failure;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,

    /// Where to write it [default: what the pipeline says, else its name with .html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &ReportArguments, session: &Session<'_>) -> Result<(), Failure> {
    let pipeline = arguments.pipeline.read(session)?;
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}.html", pipeline.spec.name)));
    Err(Failure::failed(format!(
        "This build cannot write the report `{}`",
        out.display()
    )))
}
