//! `mitune store`

mod audit;
mod cat;
mod collect;
mod export;
pub(super) mod find;
mod forget;
mod list;
mod pin;
mod quantity;
mod reindex;
mod roots;
mod show;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::list::ListArguments;
use crate::failure::Failure;
use crate::session::Session;
use crate::sharing::{attach, attach_for_reading};

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
    /// Check that what the store holds is what was written, and mend it
    ///
    /// The exit code is 0 if nothing is wrong, 1 if everything that was wrong is mended, and 2 if something is lost here:
    /// the next run that needs it computes it again.
    Verify(#[command(flatten)] verify::VerifyArguments),
    /// Say what can be removed because nothing needs it any more, or remove it
    ///
    /// Kept is what pins, runs, work in progress and recent records lead to. What is collected goes to the trash of the
    /// store first; a collection a day later removes it for good, unless it was needed in the meantime.
    Gc(#[command(flatten)] collect::CollectArguments),
    /// Keep a run, a stage or an artifact whatever its age
    Pin(#[command(flatten)] pin::PinArguments),
    /// Remove a pin
    Unpin {
        /// Name of the pin
        name: mitune_store::PinName,
    },
    /// List what a collection starts from
    Roots,
    /// Show what keeps a blob, an artifact or a stage
    ///
    /// The exit code is 1 if nothing does.
    Why {
        /// First digits of a digest or key
        digest: String,
    },
    /// Compute some results of a pipeline again, to see whether they come out the same
    Audit(audit::AuditArguments),
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

/// Runs a command on the store; the exit code of `verify` tells what it found.
pub(crate) fn run(arguments: StoreArguments, session: &Session<'_>) -> Result<u8, Failure> {
    let store = session.existing_store()?;
    match &arguments.command {
        // They send what they did, or tell apart what is lost from what a remote has.
        StoreCommand::Forget { .. } | StoreCommand::Verify(_) => attach(&store)?,
        StoreCommand::Ls(_)
        | StoreCommand::Show { .. }
        | StoreCommand::Cat { .. }
        | StoreCommand::Export { .. } => attach_for_reading(&store)?,
        StoreCommand::Reindex
        | StoreCommand::Gc(_)
        | StoreCommand::Pin(_)
        | StoreCommand::Unpin { .. }
        | StoreCommand::Roots
        | StoreCommand::Why { .. }
        | StoreCommand::Audit(_) => {}
    }
    match arguments.command {
        StoreCommand::Ls(arguments) => list::run(&store, arguments, session.json).map(|()| 0),
        StoreCommand::Reindex => reindex::run(&store, session.json).map(|()| 0),
        StoreCommand::Show { digest } => show::run(&store, &digest).map(|()| 0),
        StoreCommand::Cat { digest } => cat::run(&store, &digest).map(|()| 0),
        StoreCommand::Audit(arguments) => audit::run(&arguments, session),
        StoreCommand::Forget { key, why } => forget::run(&store, &key, &why).map(|()| 0),
        StoreCommand::Verify(arguments) => verify::run(&store, &arguments, session.json),
        StoreCommand::Gc(arguments) => collect::run(&store, &arguments, session.json),
        StoreCommand::Pin(arguments) => pin::pin(&store, &arguments, session.json).map(|()| 0),
        StoreCommand::Unpin { name } => pin::unpin(&store, &name).map(|()| 0),
        StoreCommand::Roots => roots::roots(&store, session.json).map(|()| 0),
        StoreCommand::Why { digest } => roots::why(&store, &digest, session.json),
        StoreCommand::Export { digest, path } => export::run(&store, &digest, &path).map(|()| 0),
    }
}
