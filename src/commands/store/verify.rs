//! `mitune store verify`

use std::path::PathBuf;

use clap::Args;
use mitune_store::{RepairSource, Sample, Store, VerifyDepth, VerifyOutcome};
use serde_json::json;

use crate::failure::Failure;
use crate::ui::{bytes, line, print_json};

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Look at records, and at existence and sizes of blobs [default]
    #[arg(long, conflicts_with_all = ["full", "sample"])]
    quick: bool,

    /// Read every byte instead of looking at sizes only
    #[arg(long, conflicts_with = "sample")]
    full: bool,

    /// Read one of T parts: `N/T`, or `T` for a part that changes from day to day
    #[arg(long, value_name = "N/T")]
    sample: Option<Sample>,

    /// Another store to mend from, after the trash of this one; may be repeated
    #[arg(long, value_name = "STORE")]
    from: Vec<PathBuf>,
}

/// Checks and mends the store; returns 0 if nothing was wrong, 1 if all of it is mended, 2 if something is lost.
pub(super) fn run(store: &Store, arguments: &VerifyArguments, as_json: bool) -> Result<u8, Failure> {
    let depth = match arguments.sample {
        Some(sample) => VerifyDepth::Sample(sample),
        None if arguments.full => VerifyDepth::Full,
        None => VerifyDepth::Quick,
    };
    let others = arguments
        .from
        .iter()
        .map(Store::open_or_empty)
        .collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<&dyn RepairSource> = others.iter().map(|store| store as &dyn RepairSource).collect();
    let report = store.verify_with(depth, &sources)?;
    let outcome = report.outcome();
    let code = match outcome {
        VerifyOutcome::Clean => 0,
        VerifyOutcome::Repaired => 1,
        VerifyOutcome::Lost => 2,
    };
    if as_json {
        print_json(&json!({ "clean": report.is_clean(), "outcome": outcome, "report": report }))?;
        return Ok(code);
    }
    let findings = [
        ("repaired", &report.repaired),
        ("damaged", &report.corrupt),
        ("missing", &report.missing),
        ("unreadable", &report.unreadable),
    ];
    for (label, findings) in findings {
        for finding in findings {
            line(format!("{label}: {}: {}", finding.what, finding.reason))?;
        }
    }
    let size = bytes(report.bytes);
    let verdict = match outcome {
        VerifyOutcome::Clean => "nothing wrong",
        VerifyOutcome::Repaired => "what was wrong is repaired",
        VerifyOutcome::Lost if !report.unreadable.is_empty() => "not all of it can be read",
        VerifyOutcome::Lost => "what is damaged or missing is computed again when needed",
    };
    line(format!(
        "{} records, {} blobs, {size}: {verdict}",
        report.records, report.blobs
    ))?;
    Ok(code)
}
