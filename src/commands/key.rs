//! `mitune key`

use clap::{Args, Subcommand};
use mitune_store::trust::{Policy, PublicKey, SecretKey, Unsigned};

use crate::failure::Failure;
use crate::session::Session;
use crate::sharing::{key_path, secret_key};
use crate::ui::line;

#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key; from then on it signs what you compute
    New,
    /// Print your public key, to give to others
    Show,
    /// Take records signed by a key from a remote, and no longer those of keys not named
    Trust {
        /// Name of the remote
        remote: String,
        /// The public key
        key: PublicKey,
    },
    /// No longer take records signed by a key from a remote
    Untrust {
        /// Name of the remote
        remote: String,
        /// The public key
        key: PublicKey,
    },
}

/// Runs a command on keys.
pub(crate) fn run(arguments: KeyArguments, session: &Session<'_>) -> Result<(), Failure> {
    match arguments.command {
        KeyCommand::New => {
            let key = SecretKey::generate()?;
            key.save(&key_path()?)?;
            line(key.public().to_string())
        }
        KeyCommand::Show => match secret_key()? {
            Some(key) => line(key.public().to_string()),
            None => Err(Failure::usage("You have no key yet").with_hint("`mitune key new` makes one")),
        },
        KeyCommand::Trust { remote, key } => {
            let store = session.existing_store()?;
            let mut settings = store.remotes().read(&remote)?;
            if !settings.policy.trust.contains(&key) {
                settings.policy.trust.push(key);
            }
            store.remotes().set(&remote, &settings)?;
            line(standing(&remote, &settings.policy()))
        }
        KeyCommand::Untrust { remote, key } => {
            let store = session.existing_store()?;
            let mut settings = store.remotes().read(&remote)?;
            settings.policy.trust.retain(|other| *other != key);
            if settings.policy.trust.is_empty() {
                // Whoever takes trust back does not want everybody's records instead.
                settings.policy.unsigned.get_or_insert(Unsigned::Deny);
            }
            store.remotes().set(&remote, &settings)?;
            line(standing(&remote, &settings.policy()))
        }
    }
}

/// Says whose records are taken from now on.
fn standing(remote: &str, policy: &Policy) -> String {
    let count = policy.trust.len();
    let others = match policy.unsigned {
        Unsigned::Deny => "records that neither they nor you signed are refused".to_owned(),
        Unsigned::Warn | Unsigned::Accept => format!(
            "records without a signature are taken all the same; `mitune remote set {remote} --unsigned deny` refuses \
             them"
        ),
    };
    format!("`{remote}` has {count} trusted keys; {others}")
}
