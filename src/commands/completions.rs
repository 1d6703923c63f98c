//! `mitune completions`

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::ui::print;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints what a shell reads to complete the words of `program`.
pub(crate) fn run(arguments: &CompletionsArguments, mut program: Command) -> Result<(), Failure> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "mitune", &mut script);
    print(&script)
}
