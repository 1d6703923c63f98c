//! `mitune bench`

mod model;

use clap::{Args, Subcommand};

use self::model::ModelArguments;
use crate::failure::Failure;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Measure a model: the denoiser, the decoder, candidates with and without scores, training steps
    Model(ModelArguments),
}

pub(crate) fn run(arguments: BenchArguments, session: &Session<'_>) -> Result<(), Failure> {
    match arguments.command {
        BenchCommand::Model(arguments) => model::run(arguments, session),
    }
}
