//! `mitune adapter`

mod convert;
mod diff;
mod info;
mod merge;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use mitune_stages::adapters::adapter_file::AdapterFile;

use crate::commands::generate::NumberFormat;
use crate::failure::Failure;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct AdapterArguments {
    #[command(subcommand)]
    command: AdapterCommand,
}

#[derive(Debug, Subcommand)]
enum AdapterCommand {
    /// Show what an adapter file holds
    Info {
        /// Adapter file, as diffusers, PEFT or kohya write it, or a folder with one
        file: PathBuf,
    },
    /// Write an adapter in another form
    Convert(ConvertArguments),
    /// Fold adapters into a model, or take their mean
    Merge(MergeArguments),
    /// Compare the changes that two adapters make
    Diff {
        /// The adapter that distances are relative to, with its scale after a colon
        #[arg(value_name = "FILE[:SCALE]")]
        first: AdapterFile,
        /// The other one
        #[arg(value_name = "FILE[:SCALE]")]
        second: AdapterFile,
    },
}

#[derive(Debug, Args)]
struct ConvertArguments {
    /// Adapter file, as diffusers, PEFT or kohya write it, or a folder with one
    file: PathBuf,

    /// Form to write
    #[arg(long = "to", value_name = "FORM")]
    form: Form,

    /// New file; with `peft`, a name without .safetensors makes a folder as PEFT's own
    out: PathBuf,

    /// Number format of the tensors [default: that of the file]
    #[arg(long, value_name = "DTYPE")]
    dtype: Option<NumberFormat>,
}

#[derive(Debug, Args)]
struct MergeArguments {
    /// Adapters in the order they are folded in, each with its scale, or its weight in a mean, after a colon
    #[arg(value_name = "FILE[:SCALE]", required = true)]
    files: Vec<AdapterFile>,

    /// Model directory in the layout of diffusers
    #[arg(long, value_name = "DIR", required_unless_present = "mean")]
    model: Option<PathBuf>,

    /// Write the mean as an adapter instead: of the adapted weights, or of the numbers of the adapters
    #[arg(long, value_name = "WHAT")]
    mean: Option<Mean>,

    /// New model directory, or new adapter file with --mean
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
}

/// The form of an adapter file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Peft,
    Kohya,
}

/// What a mean is the mean of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mean {
    Weights,
    Factors,
}

pub(crate) fn run(arguments: AdapterArguments, session: &Session<'_>) -> Result<(), Failure> {
    match arguments.command {
        AdapterCommand::Info { file } => info::run(file, session.json),
        AdapterCommand::Convert(arguments) => convert::run(&arguments, session.json),
        AdapterCommand::Merge(arguments) => merge::run(&arguments, session.json),
        AdapterCommand::Diff { first, second } => diff::run(&first, &second, session.json),
    }
}
