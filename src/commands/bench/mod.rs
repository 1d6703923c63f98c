//! `mitune bench`

mod judge;
mod model;
mod store;

use clap::{Args, Subcommand};

use self::judge::JudgeArguments;
use self::model::ModelArguments;
use self::store::StoreArguments;
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
    /// Measure a judge's network: seconds, images per second and memory, and what preparing a picture takes
    Judge(JudgeArguments),
    /// Measure the store against `cp` with `fsync`, BLAKE3 alone, and the marks it is held to
    Store(StoreArguments),
}

pub(crate) fn run(arguments: BenchArguments, session: &Session<'_>) -> Result<(), Failure> {
    match arguments.command {
        BenchCommand::Model(arguments) => model::run(arguments, session),
        BenchCommand::Judge(arguments) => judge::run(arguments, session),
        BenchCommand::Store(arguments) => store::run(arguments, session),
    }
}
