//! `mitune store gc`

use std::time::Duration;

use clap::Args;
use mitune_store::{Amount, CollectOptions, CollectReport, KeepRounds, Store};
use serde_json::json;

use super::quantity;
use crate::failure::Failure;
use crate::ui::{bytes, line, print_json};

#[derive(Debug, Args)]
pub(super) struct CollectArguments {
    /// Collect; without it, only say what would be collected
    #[arg(long, visible_alias = "run")]
    yes: bool,

    /// Newest runs that are kept of each user and pipeline, whatever their age
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 5)]
    keep_runs: usize,

    /// Runs and records are kept for this long
    #[arg(long, value_name = "AGE", default_value = "30d", value_parser = quantity::age)]
    older_than: Duration,

    /// Blobs that nothing names are kept for this long
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = quantity::age)]
    grace: Duration,

    /// What is collected stays in the trash for this long
    #[arg(long, value_name = "AGE", default_value = "1d", value_parser = quantity::age)]
    trash: Duration,

    /// Give up the oldest runs until what is kept takes no more than this
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, value_parser = quantity::size)]
    max_size: Option<u64>,

    /// Keep the results of the last rounds of each run only; the records of all rounds stay
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    keep_rounds: Option<u32>,

    /// Keep the results of those stages only that no other stage of the run reads; all records stay
    #[arg(long)]
    drop_intermediates: bool,
}

impl CollectArguments {
    fn options(&self) -> CollectOptions {
        CollectOptions {
            keep_runs: self.keep_runs,
            older_than: self.older_than,
            grace: self.grace,
            trash: self.trash,
            max_bytes: self.max_size,
            keep_rounds: self.keep_rounds.map(|newest| KeepRounds { newest, round_of }),
            drop_intermediates: self.drop_intermediates,
            ..CollectOptions::default()
        }
    }
}

/// Reads the round off the name of a stage, such as `generate@2/arm`.
fn round_of(name: &str) -> Option<u32> {
    let (_, after) = name.split_once('@')?;
    after.split('/').next()?.parse().ok()
}

/// Collects, or says what would be collected; returns 1 if something could not be moved.
pub(super) fn run(store: &Store, arguments: &CollectArguments, as_json: bool) -> Result<u8, Failure> {
    let options = arguments.options();
    let report = if arguments.yes {
        store.collect(&options)
    } else {
        store.plan_collection(&options)
    }
    .map_err(Failure::failed)?;
    if as_json {
        print_json(&json!({ "executed": arguments.yes, "total": report.total(), "report": report }))?;
    } else {
        print(&report, arguments.yes)?;
    }
    Ok(u8::from(report.failed > 0))
}

fn print(report: &CollectReport, executed: bool) -> Result<(), Failure> {
    let roots = report.roots;
    line(format!(
        "Kept: {} pins, {} runs, {} leases, {} recent records; {} stage records, {}",
        roots.pins,
        roots.runs,
        roots.leases,
        roots.recent,
        report.records,
        amount(report.live, "blobs")
    ))?;
    if report.young.files > 0 {
        line(format!(
            "Too young: {}",
            amount(report.young, "blobs that nothing names")
        ))?;
    }
    line(match (report.collected.is_empty(), executed) {
        (true, _) => "Nothing to collect",
        (false, true) => "Collected:",
        (false, false) => "Would collect:",
    })?;
    for (reason, sum) in &report.collected {
        line(format!("  {}", amount(*sum, reason.noun())))?;
    }
    let trash = [
        (report.removed, "removed for good"),
        (report.restored, "put back, because something needs it again"),
        (report.waiting, "not yet old enough"),
    ];
    for (sum, what) in trash {
        if sum.files > 0 {
            line(format!(
                "From earlier collections: {}, {what}",
                amount(sum, "files")
            ))?;
        }
    }
    if let Some(failure) = &report.failure {
        line(format!(
            "{} files could not be moved or removed, the first: {failure}",
            report.failed
        ))?;
    }
    if !executed && (!report.collected.is_empty() || report.removed.files > 0) {
        line("Nothing was changed: `mitune store gc --yes` collects")?;
    }
    Ok(())
}

fn amount(amount: Amount, noun: &str) -> String {
    format!("{} {noun} ({})", amount.files, bytes(amount.bytes))
}

#[cfg(test)]
mod tests {
    use super::round_of;

    #[test]
    fn rounds_are_read_off_names() {
        let cases = [
            ("generate", None),
            ("generate@2", Some(2)),
            ("tune@12/dora", Some(12)),
            ("a@x", None),
        ];
        for (name, round) in cases {
            assert_eq!(round_of(name), round, "{name}");
        }
    }
}
