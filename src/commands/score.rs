//! `mitune score`

use std::path::PathBuf;

use clap::Args;
use mitune_stages::device::DeviceSelection;

use crate::failure::Failure;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct ScoreArguments {
    /// Model directory in the layout of diffusers
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,

    /// CSV or Parquet file with the columns image and prompt
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: PathBuf,

    /// Parquet file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceSelection,
}

pub(crate) fn run(arguments: &ScoreArguments, _: &Session<'_>) -> Result<(), Failure> {
    Err(Failure::failed(format!(
        "This build cannot score `{}`",
        arguments.pairs.display()
    )))
}
