//! The commands, one file each.

pub(crate) mod adapter;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod init_model;
pub(crate) mod key;
pub(crate) mod lineage;
pub(crate) mod pipeline_arguments;
pub(crate) mod plan;
pub(crate) mod remote;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod run_choice;
pub(crate) mod schema;
pub(crate) mod score;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod transfer;

use crate::cli::Command;
use crate::failure::Failure;
use crate::session::Session;

/// Runs a command and returns the exit code of the program.
pub(crate) fn run(command: Command, session: &Session<'_>) -> Result<u8, Failure> {
    match command {
        Command::Run(arguments) => run::run(&arguments, session).map(|()| 0),
        Command::Plan(arguments) => plan::run(&arguments, session).map(|()| 0),
        Command::Status(arguments) => status::run(&arguments, session).map(|()| 0),
        Command::Diff(arguments) => diff::run(&arguments, session).map(|()| 0),
        Command::Lineage(arguments) => lineage::run(&arguments, session).map(|()| 0),
        Command::Report(arguments) => report::run(&arguments, session).map(|()| 0),
        Command::Generate(arguments) => generate::run(&arguments, session).map(|()| 0),
        Command::Score(arguments) => score::run(&arguments, session).map(|()| 0),
        Command::Adapter(arguments) => adapter::run(arguments, session).map(|()| 0),
        Command::Bench(arguments) => bench::run(arguments, session).map(|()| 0),
        Command::Doctor(arguments) => doctor::run(&arguments, session),
        Command::Store(arguments) => store::run(arguments, session),
        Command::Remote(arguments) => remote::run(arguments, session),
        Command::Push(arguments) => transfer::run_push(&arguments, session).map(|()| 0),
        Command::Pull(arguments) => transfer::run_pull(&arguments, session).map(|()| 0),
        Command::Key(arguments) => key::run(arguments, session).map(|()| 0),
        Command::Init(arguments) => init::run(&arguments, session).map(|()| 0),
        Command::InitModel(arguments) => init_model::run(&arguments, session).map(|()| 0),
        Command::Schema(arguments) => schema::run(&arguments).map(|()| 0),
        Command::Completions(arguments) => completions::run(&arguments).map(|()| 0),
    }
}
