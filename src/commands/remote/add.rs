//! `mitune remote add`

use std::path::Path;

use clap::Args;
use mitune_store::remote::{Place, RemoteError, RemoteSettings, probe};
use mitune_store::trust::{PolicySettings, PublicKey, Unsigned};

use super::UnsignedChoice;
use crate::aws_environment::credentials;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::line;

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// What to call it here
    name: String,
    /// A path, `file:///path` or `s3://bucket/prefix`
    url: String,
    /// Server of a bucket that is not at AWS, such as `https://host:port`
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Region of a bucket
    #[arg(long)]
    region: Option<String>,
    /// Never write to it
    #[arg(long)]
    read_only: bool,
    /// Take records signed by this key, and no longer those of other keys
    #[arg(long, value_name = "KEY")]
    trust: Vec<PublicKey>,
    /// What becomes of records without signature [default: warn for a folder of which no key is trusted, else deny]
    #[arg(long, value_enum)]
    unsigned: Option<UnsignedChoice>,
}

pub(super) fn run(arguments: AddArguments, session: &Session<'_>) -> Result<(), Failure> {
    let place = Place::parse(&arguments.url)?;
    let store = session.open_store()?;
    let name = &arguments.name;
    match store.remotes().read(name) {
        Err(RemoteError::Unknown { .. }) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            return Err(Failure::usage(format!("There is a remote `{name}` already"))
                .with_hint(format!("`mitune remote remove {name}` forgets it")));
        }
    }
    let mut settings = RemoteSettings {
        endpoint: arguments.endpoint,
        region: arguments.region,
        read_only: arguments.read_only,
        policy: PolicySettings {
            trust: arguments.trust,
            unsigned: arguments.unsigned.map(Into::into),
        },
        ..RemoteSettings::new(arguments.url)
    };
    if let Place::Folder(path) = &place {
        let path = std::path::absolute(path)?;
        refuse_inside(&path, store.root())?;
        let path = path.to_str();
        settings.url = path
            .ok_or_else(|| Failure::usage("The path is not UTF-8"))?
            .to_owned();
    }
    let findings = probe(&mut settings, &credentials())?;
    store.remotes().set(name, &settings)?;
    line(format!("Added `{name}`: {findings}"))?;
    let policy = settings.policy();
    if policy.unsigned == Unsigned::Deny && policy.trust.is_empty() {
        line(format!(
            "Only records signed by your own key are taken from it; `mitune key trust {name} KEY` trusts another key, \
             `mitune remote set {name} --unsigned warn` takes all"
        ))?;
    }
    Ok(())
}

/// Refuses the store itself and folders in it, which are its own.
fn refuse_inside(path: &Path, store: &Path) -> Result<(), Failure> {
    let store = store.canonicalize()?;
    // What is not there yet is made below the first folder that is.
    let real = path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    let Some(real) = real.filter(|real| real.starts_with(&store)) else {
        return Ok(());
    };
    let what = match real == store && path.exists() {
        true => "is this store itself",
        false => "is inside this store",
    };
    Err(
        Failure::usage(format!("`{}` {what}: it cannot be a remote", path.display()))
            .with_hint("Name a folder outside of the store; it is made if it is not there"),
    )
}
