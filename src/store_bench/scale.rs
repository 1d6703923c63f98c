//! A store with a million results.
//!
//! What takes memory runs in a process of its own, so that its peak is that of the work alone.

use std::path::Path;
use std::process::Command;

use clap::ValueEnum;
use mitune_store::{CollectOptions, RunLog, RunStatus, Store};
use serde::{Deserialize, Serialize};

use super::crowd::{fill, key};
use super::error::StoreBenchError;
use super::marks::{Mark, Measurement};
use super::stopwatch::{median, time};

const STATUS_ROUNDS: usize = 5;

/// A piece of work that is measured in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Work out what a collection would remove.
    Mark,
    /// Build the index anew.
    Reindex,
}

/// What a part tells of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PartReport {
    seconds: f64,
    peak_bytes: u64,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::Reindex => "reindex",
        }
    }

    /// Does the work in this process.
    ///
    /// # Errors
    /// [`StoreBenchError`] if it fails.
    pub(crate) fn run(self, store: &Store) -> Result<PartReport, StoreBenchError> {
        let (_, seconds) = time(|| match self {
            Self::Mark => mark(store),
            Self::Reindex => reindex(store),
        })?;
        let peak_bytes = peak_bytes();
        Ok(PartReport { seconds, peak_bytes })
    }
}

/// Measures status, mark phase and index.
pub(super) fn measure(folder: &Path, records: u32) -> Result<Vec<Measurement>, StoreBenchError> {
    let folder = folder.join("store");
    let store = fill(&folder, records)?;
    let run = RunLog::create(&store, "bench")?;
    let last = key(records - 1)?;
    run.update(|run| run.stages = [("candidates".to_owned(), last)].into())?;
    run.finish(RunStatus::Succeeded)?;
    let mut rows = vec![status(&folder, records)?];
    for (part, seconds, memory) in [
        (Part::Mark, Some(60.0), Some(200.0)),
        (Part::Reindex, Some(60.0), None),
    ] {
        let PartReport {
            seconds: measured,
            peak_bytes,
        } = in_a_process(part, &folder)?;
        let work = format!("{} {records} records", part.name());
        rows.push(marked(Measurement::new(&work, measured, "seconds"), seconds));
        let peak = peak_bytes as f64 / 1e6;
        rows.push(marked(Measurement::new(work, peak, "MB at most"), memory));
    }
    Ok(rows)
}

fn marked(row: Measurement, most: Option<f64>) -> Measurement {
    match most {
        Some(most) => row.mark(Mark::AtMost(most)),
        None => row,
    }
}

fn status(folder: &Path, records: u32) -> Result<Measurement, StoreBenchError> {
    let mut times = Vec::new();
    for _ in 0..STATUS_ROUNDS {
        times.push(time(|| program(folder, "status", &["status"]))?.1 * 1e3);
    }
    let work = format!("mitune status among {records} records");
    Ok(Measurement::new(work, median(&mut times), "milliseconds").mark(Mark::AtMost(50.0)))
}

fn in_a_process(part: Part, folder: &Path) -> Result<PartReport, StoreBenchError> {
    let told = program(folder, part.name(), &["bench", "store", "--part", part.name()])?;
    serde_json::from_slice(&told).map_err(|error| StoreBenchError::Part {
        part: part.name(),
        told: error.to_string(),
    })
}

/// Runs this program again on a store and returns what it printed.
fn program(store: &Path, part: &'static str, arguments: &[&str]) -> Result<Vec<u8>, StoreBenchError> {
    let failed = |told: String| StoreBenchError::Part { part, told };
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.arg("--store").arg(store).args(arguments);
    // The index lies beside the store, so that it is removed with it.
    command.env("XDG_CACHE_HOME", store.with_extension("cache"));
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn mark(store: &Store) -> Result<(), StoreBenchError> {
    let report = store
        .plan_collection(&CollectOptions::default())
        .map_err(|error| StoreBenchError::Wrong(error.to_string()))?;
    if report.total().files > 0 {
        return Err(StoreBenchError::Wrong(
            "fresh records were to be collected".to_owned(),
        ));
    }
    Ok(())
}

fn reindex(store: &Store) -> Result<(), StoreBenchError> {
    match store.catalog().reindex()? {
        Some(_) => Ok(()),
        None => Err(StoreBenchError::Wrong("no index was written".to_owned())),
    }
}

/// The most memory this process ever held; zero where the system does not tell.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
