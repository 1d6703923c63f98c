//! `mitune diff`

mod print;

use clap::Args;

use super::run_choice::choose;
use crate::failure::Failure;
use crate::inspect::diff::compare;
use crate::session::Session;
use crate::ui::print_json;

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// The run that changes are told from: its identifier, the first or last characters of it, or `latest~N`
    #[arg(value_name = "RUN", default_value = "latest~1")]
    first: String,

    /// The other run
    #[arg(value_name = "RUN", default_value = "latest")]
    second: String,
}

/// Compares two runs stage by stage: parameters, metrics, adapters.
pub(crate) fn run(arguments: &DiffArguments, session: &Session<'_>) -> Result<(), Failure> {
    let store = session.reading_store()?;
    let first = choose(&store, &arguments.first)?;
    let second = choose(&store, &arguments.second)?;
    let found = compare(&store, &first, &second);
    if session.json {
        print_json(&found)
    } else {
        print::print(&found)
    }
}
