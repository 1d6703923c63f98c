//! `mitune push` and `mitune pull`

use clap::Args;
use mitune_store::remote::{RemoteError, TransferOptions, TransferReport, Upstream, Wanted, pull, push};
use mitune_store::{RunId, Store};

use crate::failure::Failure;
use crate::session::Session;
use crate::sharing::{secret_key, upstream};
use crate::ui::{TransferDisplay, bytes, line, print_json};

#[derive(Debug, Args)]
pub(crate) struct TransferArguments {
    /// Name of the remote [default: the only one]
    remote: Option<String>,

    #[command(flatten)]
    what: WhatArguments,

    /// Pull records only; the bytes come when a run or a command needs them
    #[arg(long)]
    metadata_only: bool,

    /// Say what would go over, and transfer nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct WhatArguments {
    /// The results of a run
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,

    /// The results of a kind of stage, such as `generate`, or of a stage key that begins so (4 digits or more)
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,

    /// The result that holds an artifact whose digest begins so
    #[arg(long, value_name = "DIGEST")]
    artifact: Option<String>,

    /// Everything [default]
    #[arg(long)]
    all: bool,
}

impl WhatArguments {
    fn wanted(&self) -> Result<Wanted, Failure> {
        Ok(match (&self.run, &self.stage, &self.artifact) {
            (Some(run), ..) => Wanted::Run(*run),
            (_, Some(stage), _) => Wanted::Stage(stage.clone()),
            (.., Some(digest)) => Wanted::Artifact(super::store::find::digits(digest)?),
            (None, None, None) => Wanted::All,
        })
    }
}

/// Sends results to a remote.
pub(crate) fn run_push(arguments: &TransferArguments, session: &Session<'_>) -> Result<(), Failure> {
    if arguments.metadata_only {
        // A record at a remote without its bytes would stand in the way of a whole one.
        return Err(Failure::usage(
            "`--metadata-only` is for `pull`: records go nowhere without their bytes",
        ));
    }
    let store = session.existing_store()?;
    let (name, upstream, read_only) = find(&store, arguments.remote.as_deref())?;
    if read_only {
        return Err(RemoteError::ReadOnly(name).into());
    }
    transfer("push", arguments, session, |wanted, options, display| {
        push(&store, &upstream, wanted, options, display)
    })
}

/// Gets results from a remote.
pub(crate) fn run_pull(arguments: &TransferArguments, session: &Session<'_>) -> Result<(), Failure> {
    let store = session.existing_store()?;
    let (_, upstream, _) = find(&store, arguments.remote.as_deref())?;
    transfer("pull", arguments, session, |wanted, options, display| {
        pull(&store, &upstream, wanted, options, display)
    })
}

fn transfer(
    action: &str,
    arguments: &TransferArguments,
    session: &Session<'_>,
    work: impl FnOnce(&Wanted, TransferOptions, &TransferDisplay) -> Result<TransferReport, RemoteError>,
) -> Result<(), Failure> {
    let options = TransferOptions {
        dry_run: arguments.dry_run,
        metadata_only: arguments.metadata_only,
    };
    let wanted = arguments.what.wanted()?;
    let report = {
        let display = TransferDisplay::new(action);
        work(&wanted, options, &display)?
    };
    if session.json {
        print_json(&report)?;
    } else {
        let would = if arguments.dry_run { "would " } else { "" };
        line(format!(
            "{would}{action} {} records and {} blobs, {}; {} records were there{}",
            report.records,
            report.blobs,
            bytes(report.bytes),
            report.present,
            remarks(&report)
        ))?;
    }
    whole(&report)
}

/// Fails if results could not go, after everything else went.
fn whole(report: &TransferReport) -> Result<(), Failure> {
    match report.incomplete {
        0 => Ok(()),
        count => Err(Failure::failed(format!(
            "{count} results could not be sent, because something of them is damaged or gone here"
        ))
        .with_hint(
            "`mitune store verify --from STORE` or `mitune pull` brings it back, `mitune run` computes it again; then \
             push again",
        )),
    }
}

/// Says what is not as one may expect.
fn remarks(report: &TransferReport) -> String {
    let mut text = String::new();
    if report.unvouched > 0 {
        text.push_str(&format!(
            "; {} of them signed by no trusted key",
            report.unvouched
        ));
    }
    if !report.left_out.is_empty() {
        text.push_str(&format!("; {} left out", report.left_out.len()));
    }
    text
}

/// Finds a remote by name, or the only one.
fn find(store: &Store, name: Option<&str>) -> Result<(String, Upstream, bool), Failure> {
    let names = store.remotes().names()?;
    let name = match (name, names.as_slice()) {
        (Some(name), _) => name.to_owned(),
        (None, [only]) => only.clone(),
        (None, []) => {
            return Err(Failure::usage("The store has no remotes yet")
                .with_hint("`mitune remote add NAME URL` adds one"));
        }
        (None, names) => {
            return Err(Failure::usage(format!(
                "Which remote? There are `{}`",
                names.join("`, `")
            )));
        }
    };
    let settings = store.remotes().read(&name)?;
    let own = secret_key()?.map(|key| key.public());
    let upstream = upstream(&name, &settings, own)?;
    Ok((name, upstream, settings.read_only))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_could_not_go_are_a_failure() {
        let report = |incomplete| TransferReport {
            incomplete,
            left_out: vec!["something".to_owned()],
            ..TransferReport::default()
        };
        whole(&report(0)).unwrap();
        assert_eq!(whole(&report(2)).unwrap_err().exit_code(), 1);
    }
}
