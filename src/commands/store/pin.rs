//! `mitune store pin` and `mitune store unpin`

use clap::Args;
use mitune_store::{PinError, PinName, PinTarget, RunId, Store};

use super::find;
use crate::failure::Failure;
use crate::ui::{line, print_json};

#[derive(Debug, Args)]
pub(super) struct PinArguments {
    /// A run, first digits of a stage key or of an artifact's digest, or a pipeline for its newest run
    target: String,

    /// Name of the pin [default: the run, or the first digits of key or digest]
    #[arg(long)]
    name: Option<PinName>,

    /// Why it is kept
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

/// Sets a pin.
pub(super) fn pin(store: &Store, arguments: &PinArguments, as_json: bool) -> Result<(), Failure> {
    let (target, default) = target(store, &arguments.target)?;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => default.parse().map_err(Failure::bug)?,
    };
    let who = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_default();
    let pin = store
        .pins()
        .pin(name, target, &who, arguments.why.as_deref())
        .map_err(failure)?;
    if as_json {
        return print_json(&pin);
    }
    line(format!("Pinned as `{}`", pin.name))
}

/// Removes a pin.
pub(super) fn unpin(store: &Store, name: &PinName) -> Result<(), Failure> {
    store.pins().unpin(name).map_err(failure)?;
    line(format!("Removed pin `{name}`"))
}

/// Finds what a text means, and a name for the pin.
fn target(store: &Store, text: &str) -> Result<(PinTarget, String), Failure> {
    if let Ok(run) = text.parse::<RunId>()
        && store.runs().read(&run).is_some()
    {
        return Ok((PinTarget::Run(run), run.to_string()));
    }
    let newest = store.runs().list()?.into_iter().find(|run| run.pipeline == text);
    if let Some(run) = newest {
        return Ok((PinTarget::Run(run.id), run.id.to_string()));
    }
    let digits = find::digits(text)?;
    let mut keys = store
        .catalog()
        .actions()?
        .map(|record| record.key)
        .filter(|key| key.to_string().starts_with(&digits));
    if let Some(key) = keys.next() {
        if let Some(other) = keys.next() {
            return Err(find::ambiguous(
                &digits,
                "the stage ",
                [key.short(), other.short()],
            ));
        }
        return Ok((PinTarget::Stage(key), key.short()));
    }
    let listed = find::artifact(store, &digits)?;
    let name = listed.artifact.file.short();
    let (stage, artifact) = (listed.key, listed.artifact);
    Ok((PinTarget::Artifact { stage, artifact }, name))
}

pub(super) fn failure(error: PinError) -> Failure {
    match error {
        PinError::Store(error) => error.into(),
        error @ (PinError::Taken(_) | PinError::Absent(_)) => {
            Failure::usage(error).with_hint("`mitune store roots` lists the pins")
        }
        error @ PinError::Unreadable { .. } => {
            Failure::failed(error).with_hint("Remove it with `mitune store unpin` and set it anew")
        }
    }
}
