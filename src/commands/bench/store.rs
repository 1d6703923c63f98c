//! `mitune bench store`

use std::path::PathBuf;

use clap::{Args, value_parser};
use serde_json::json;

use crate::failure::Failure;
use crate::session::Session;
use crate::store_bench::{Measurement, Part, StoreBench};
use crate::ui::{RunDisplay, Table, line, print_json};

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// Folder on the disk to measure; what is made in it is removed again
    #[arg(long, value_name = "DIR", default_value = ".")]
    folder: PathBuf,

    /// Records of the large store; a million take 9 GB of disk
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    records: u32,

    /// Shards of the stage that is run again
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 10_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    shards: u32,

    /// Records of the store for lookups
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    lookups: u32,

    /// Do one part on the store that is there
    #[arg(long, value_name = "PART", hide = true)]
    part: Option<Part>,
}

/// Measures and prints a table with the marks the store is held to.
pub(crate) fn run(arguments: StoreArguments, session: &Session<'_>) -> Result<(), Failure> {
    if let Some(part) = arguments.part {
        let store = session.existing_store()?;
        return print_json(&part.run(&store).map_err(Failure::failed)?);
    }
    let bench = StoreBench {
        folder: arguments.folder,
        records: arguments.records,
        shards: arguments.shards,
        lookups: arguments.lookups,
    };
    let report = bench
        .measure(&RunDisplay::of_command("bench"))
        .map_err(Failure::failed)?;
    if session.json {
        return print_json(&json!({ "version": report.version, "measurements": report.measurements }));
    }
    let mut table = Table::with_headings(["WORK", "MEASURED", "AGAINST", "RATIO", "MARK", ""]);
    for measurement in &report.measurements {
        table.row(row(measurement));
    }
    line(format!("mitune {}", report.version))?;
    table.print()
}

fn row(measurement: &Measurement) -> [String; 6] {
    let unit = measurement.unit;
    let peer = measurement.peer.as_ref();
    [
        measurement.work.clone(),
        format!("{} {unit}", short(measurement.value)),
        peer.map_or_else(String::new, |peer| format!("{} {}", peer.work, short(peer.value))),
        peer.map_or_else(String::new, |peer| format!("{:.2}x", peer.ratio)),
        measurement.mark.map_or_else(String::new, |mark| mark.to_string()),
        match measurement.reached() {
            Some(true) => "reached".to_owned(),
            Some(false) => "MISSED".to_owned(),
            None => String::new(),
        },
    ]
}

fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        1.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
