//! What the user may type.

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::adapter::AdapterArguments;
use crate::commands::bench::BenchArguments;
use crate::commands::completions::CompletionsArguments;
use crate::commands::diff::DiffArguments;
use crate::commands::doctor::DoctorArguments;
use crate::commands::generate::GenerateArguments;
use crate::commands::init::InitArguments;
use crate::commands::init_model::InitModelArguments;
use crate::commands::judge::JudgeArguments;
use crate::commands::key::KeyArguments;
use crate::commands::lineage::LineageArguments;
use crate::commands::plan::PlanArguments;
use crate::commands::remote::RemoteArguments;
use crate::commands::report::ReportArguments;
use crate::commands::run::RunArguments;
use crate::commands::schema::SchemaArguments;
use crate::commands::score::ScoreArguments;
use crate::commands::status::StatusArguments;
use crate::commands::store::StoreArguments;
use crate::commands::transfer::TransferArguments;
use crate::commands::{
    adapter, bench, completions, diff, doctor, generate, init, init_model, judge, key, lineage, plan, remote,
    report, run, schema, score, status, store, transfer,
};
use crate::failure::Failure;
use crate::global_options::GlobalOptions;
use crate::session::Session;

/// Align a text-to-image diffusion model with its prompts, as a cached and resumable pipeline.
#[derive(Debug, Parser)]
#[command(name = "mitune", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) options: GlobalOptions,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a pipeline; what the store already has is not computed again
    Run(RunArguments),
    /// Show what `run` would compute, and why
    Plan(PlanArguments),
    /// Show how a run stands
    Status(StatusArguments),
    /// Compare two runs: parameters, metrics, adapters
    Diff(DiffArguments),
    /// Show where a result comes from and what was made of it
    Lineage(LineageArguments),
    /// Write the report of a pipeline as one HTML file
    Report(ReportArguments),
    /// Generate images of one prompt, with the mutual information of each
    Generate(GenerateArguments),
    /// Compute the mutual information of given images and prompts
    Score(ScoreArguments),
    /// Ask a judge about given images and prompts, or compare two folders of images
    Judge(JudgeArguments),
    /// Look into adapter files, convert, merge and compare them
    Adapter(AdapterArguments),
    /// Measure speed and memory
    Bench(BenchArguments),
    /// Check devices and store
    Doctor(DoctorArguments),
    /// Look into the store
    Store(StoreArguments),
    /// Add other stores to share results with, list and check them
    Remote(RemoteArguments),
    /// Send results to a remote
    Push(TransferArguments),
    /// Get results from a remote
    Pull(TransferArguments),
    /// Keys that sign results, and whose are trusted
    Key(KeyArguments),
    /// Write a first pipeline to start from
    Init(InitArguments),
    /// Write a model of a published architecture with random weights, for tests and measurements
    InitModel(InitModelArguments),
    /// Print the JSON schema of pipeline files, for editors
    Schema(SchemaArguments),
    /// Print completions for a shell
    Completions(CompletionsArguments),
}

impl Command {
    /// Runs the command and returns the exit code of the program.
    pub(crate) fn run(self, session: &Session<'_>) -> Result<u8, Failure> {
        match self {
            Self::Run(arguments) => run::run(&arguments, session).map(|()| 0),
            Self::Plan(arguments) => plan::run(&arguments, session).map(|()| 0),
            Self::Status(arguments) => status::run(&arguments, session).map(|()| 0),
            Self::Diff(arguments) => diff::run(&arguments, session).map(|()| 0),
            Self::Lineage(arguments) => lineage::run(&arguments, session).map(|()| 0),
            Self::Report(arguments) => report::run(&arguments, session).map(|()| 0),
            Self::Generate(arguments) => generate::run(&arguments, session).map(|()| 0),
            Self::Score(arguments) => score::run(&arguments, session).map(|()| 0),
            Self::Judge(arguments) => judge::run(&arguments, session).map(|()| 0),
            Self::Adapter(arguments) => adapter::run(arguments, session).map(|()| 0),
            Self::Bench(arguments) => bench::run(arguments, session).map(|()| 0),
            Self::Doctor(arguments) => doctor::run(&arguments, session),
            Self::Store(arguments) => store::run(arguments, session),
            Self::Remote(arguments) => remote::run(arguments, session),
            Self::Push(arguments) => transfer::run_push(&arguments, session).map(|()| 0),
            Self::Pull(arguments) => transfer::run_pull(&arguments, session).map(|()| 0),
            Self::Key(arguments) => key::run(arguments, session).map(|()| 0),
            Self::Init(arguments) => init::run(&arguments, session).map(|()| 0),
            Self::InitModel(arguments) => init_model::run(&arguments, session).map(|()| 0),
            Self::Schema(arguments) => schema::run(&arguments).map(|()| 0),
            Self::Completions(arguments) => completions::run(&arguments, Arguments::command()).map(|()| 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
