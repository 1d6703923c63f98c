//! `mitune completions`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Arguments;
use crate::failure::Failure;
use crate::ui::print;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionsArguments) -> Result<(), Failure> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "mitune", &mut script);
    print(&script)
}
