//! The arguments of every command that reads a pipeline.

use std::path::PathBuf;

use clap::Args;

use crate::document::Assignment;
use crate::failure::Failure;
use crate::pipeline::{Pipeline, PipelineError, read};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct PipelineArguments {
    /// The pipeline file
    #[arg(value_name = "PIPELINE")]
    pub(crate) file: PathBuf,

    /// Replace a value of the pipeline, such as `rounds.count=3`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) assignments: Vec<String>,
}

impl PipelineArguments {
    /// Reads and checks the pipeline.
    pub(crate) fn read(&self, session: &Session<'_>) -> Result<Pipeline, Failure> {
        let parsed: Result<Vec<Assignment>, _> = self.assignments.iter().map(|text| text.parse()).collect();
        let assignments = parsed.map_err(PipelineError::from)?;
        Ok(read(&self.file, &assignments, session.kinds)?)
    }
}
