//! `mitune store`

mod cat;
mod export;
pub(super) mod find;
mod forget;
mod list;
mod reindex;
mod show;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::list::ListArguments;
use crate::failure::Failure;
use crate::session::Session;
use crate::sharing::attach;

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// List the artifacts, newest first
    Ls(ListArguments),
    /// Fill the index of this host anew from the files; it only makes queries and reruns quicker
    Reindex,
    /// Show where an artifact or stage key comes from
    Show {
        /// First digits of a file digest, a content digest or a stage key
        digest: String,
    },
    /// Write the bytes of an artifact's file to standard output
    Cat {
        /// First digits of a file digest or a content digest
        digest: String,
    },
    /// Check that what the store holds is what was written
    Verify {
        /// Read every byte instead of looking at sizes only
        #[arg(long)]
        full: bool,
    },
    /// Disown the result of a stage: no copy of it is used again, here or where it is pushed to
    Forget {
        /// First digits of the stage key
        key: String,
        /// Why, for those who meet the result elsewhere
        #[arg(long)]
        why: String,
    },
    /// Write an artifact to a file or folder
    Export {
        /// First digits of a file digest or a content digest
        digest: String,
        /// Where to write it
        path: PathBuf,
    },
}

/// Runs a command on the store; the exit code is 1 if `verify` found damage.
pub(crate) fn run(arguments: StoreArguments, session: &Session<'_>) -> Result<u8, Failure> {
    let store = session.existing_store()?;
    if matches!(
        &arguments.command,
        StoreCommand::Cat { .. } | StoreCommand::Export { .. } | StoreCommand::Forget { .. }
    ) {
        attach(&store)?;
    }
    match arguments.command {
        StoreCommand::Ls(arguments) => list::run(&store, arguments, session.json).map(|()| 0),
        StoreCommand::Reindex => reindex::run(&store, session.json).map(|()| 0),
        StoreCommand::Show { digest } => show::run(&store, &digest).map(|()| 0),
        StoreCommand::Cat { digest } => cat::run(&store, &digest).map(|()| 0),
        StoreCommand::Verify { full } => verify::run(&store, full, session.json),
        StoreCommand::Forget { key, why } => forget::run(&store, &key, &why).map(|()| 0),
        StoreCommand::Export { digest, path } => export::run(&store, &digest, &path).map(|()| 0),
    }
}
