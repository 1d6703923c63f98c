//! What the user may type.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use mitune_stages::cpu_level::CpuLevel;

use crate::commands::adapter::AdapterArguments;
use crate::commands::bench::BenchArguments;
use crate::commands::completions::CompletionsArguments;
use crate::commands::diff::DiffArguments;
use crate::commands::doctor::DoctorArguments;
use crate::commands::generate::GenerateArguments;
use crate::commands::init::InitArguments;
use crate::commands::init_model::InitModelArguments;
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

/// Align a text-to-image diffusion model with its prompts, as a cached and resumable pipeline.
#[derive(Debug, Parser)]
#[command(name = "mitune", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Folder of the store [default: .mitune in the working directory] [env: MITUNE_STORE]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,

    /// Do not tell other processes what is being computed, nor wait for them; results stay right [env: MITUNE_LEASES=off]
    #[arg(long, global = true)]
    pub(crate) no_leases: bool,

    /// Hold the CPU device to lower vector instructions than the processor has: baseline, neon, avx2 or avx512 [env:
    /// MITUNE_CPU_LEVEL]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) cpu_level: Option<CpuLevel>,

    /// Write data as JSON to standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
