//! `mitune remote`

mod add;
mod check;
mod list;

use clap::{Args, Subcommand};
use mitune_store::trust::Unsigned;

use self::add::AddArguments;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::line;

#[derive(Debug, Args)]
pub(crate) struct RemoteArguments {
    #[command(subcommand)]
    command: RemoteCommand,
}

#[derive(Debug, Subcommand)]
enum RemoteCommand {
    /// Add another store, in a folder or a bucket, to share results with
    Add(AddArguments),
    /// List the remotes
    List,
    /// Try what a remote allows: reading, writing, creating a file only once
    Check {
        /// Name of the remote [default: all]
        name: Option<String>,
    },
    /// Change whose records are taken, or what runs do
    Set {
        /// Name of the remote
        name: String,
        /// What becomes of records that nobody trusted signed
        #[arg(long, value_enum)]
        unsigned: Option<UnsignedChoice>,
        /// Whether runs look there for what the store lacks
        #[arg(long, value_name = "BOOL")]
        read_through: Option<bool>,
        /// Whether runs send there what they compute
        #[arg(long, value_name = "BOOL")]
        write_back: Option<bool>,
    },
    /// Forget a remote; what came from it stays
    Remove {
        /// Name of the remote
        name: String,
    },
}

/// What becomes of records that nobody trusted signed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum UnsignedChoice {
    /// Take them
    Accept,
    /// Take them and say so
    Warn,
    /// Refuse them
    Deny,
}

impl From<UnsignedChoice> for Unsigned {
    fn from(choice: UnsignedChoice) -> Self {
        match choice {
            UnsignedChoice::Accept => Self::Accept,
            UnsignedChoice::Warn => Self::Warn,
            UnsignedChoice::Deny => Self::Deny,
        }
    }
}

/// Runs a command on remotes; the exit code is 1 if a check failed.
pub(crate) fn run(arguments: RemoteArguments, session: &Session<'_>) -> Result<u8, Failure> {
    match arguments.command {
        RemoteCommand::Add(arguments) => add::run(arguments, session).map(|()| 0),
        RemoteCommand::List => list::run(&session.existing_store()?, session.json).map(|()| 0),
        RemoteCommand::Check { name } => {
            check::run(&session.existing_store()?, name.as_deref(), session.json)
        }
        RemoteCommand::Set {
            name,
            unsigned,
            read_through,
            write_back,
        } => {
            let store = session.existing_store()?;
            let mut settings = store.remotes().read(&name)?;
            if let Some(unsigned) = unsigned {
                settings.policy.unsigned = Some(unsigned.into());
            }
            settings.read_through = read_through.unwrap_or(settings.read_through);
            settings.write_back = write_back.unwrap_or(settings.write_back);
            store.remotes().set(&name, &settings)?;
            Ok(0)
        }
        RemoteCommand::Remove { name } => {
            session.existing_store()?.remotes().remove(&name)?;
            line(format!("Removed `{name}`"))?;
            Ok(0)
        }
    }
}
