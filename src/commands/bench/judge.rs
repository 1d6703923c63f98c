//! `mitune bench judge`

use clap::{Args, value_parser};
use mitune_stages::device::DeviceSelection;
use mitune_stages::model_bench::{JudgeArchitecture, JudgeBench, JudgeBenchReport, Measurement};

use crate::commands::generate::NumberFormat;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{RunDisplay, Table, bytes, line, print_json};

#[derive(Debug, Args)]
pub(crate) struct JudgeArguments {
    /// Architecture: clip-b-32, clip-l-14, clip-l-14-336, clip-h-14, clip-big-g-14, blip-vqa-base, image-reward,
    /// dinov2-l or inception; its weights are random
    #[arg(long, value_name = "NAME")]
    arch: JudgeArchitecture,

    /// Images at once, separated by commas
    #[arg(long = "batch", value_name = "N", allow_negative_numbers = true, value_delimiter = ',', default_values_t = [1_u16, 16_u16], value_parser = value_parser!(u16).range(1..=1024))]
    batches: Vec<u16>,

    /// Counted runs of each piece of work, after one that warms up
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 3, value_parser = value_parser!(u16).range(1..=1000))]
    runs: u16,

    /// Number format of the network
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    dtype: NumberFormat,

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceSelection,
}

/// Measures and prints a table, or JSON for programs that compare.
pub(crate) fn run(arguments: JudgeArguments, session: &Session<'_>) -> Result<(), Failure> {
    let bench = JudgeBench {
        architecture: arguments.arch,
        device: arguments.device,
        dtype: arguments.dtype.into(),
        batches: arguments.batches.into_iter().map(usize::from).collect(),
        runs: arguments.runs.into(),
    };
    let report = bench.measure(&RunDisplay::of_command("bench"))?;
    if session.json {
        return print_json(&report);
    }
    line(heading(&report))?;
    let mut table = Table::with_headings(["WORK", "BATCH", "SECONDS", "IMAGES/s", "PEAK MEMORY", "RUNS"]);
    for measurement in &report.measurements {
        table.row(row(measurement));
    }
    table.print()
}

fn heading(report: &JudgeBenchReport) -> String {
    format!(
        "mitune {} on {} with {} threads at CPU level {} of {}: {}, {} parameters, {}, images {side} x {side}",
        report.version,
        report.device,
        report.threads,
        report.cpu_level,
        report.best_cpu_level,
        report.architecture,
        report.parameters,
        report.dtype.name(),
        side = report.side,
    )
}

fn row(measurement: &Measurement) -> [String; 6] {
    let memory = match (measurement.peak_bytes, measurement.device_bytes) {
        (_, Some(device)) => format!("{} on the device", bytes(device)),
        (Some(process), None) => bytes(process),
        (None, None) => "-".to_owned(),
    };
    [
        measurement.work.to_owned(),
        measurement.batch.to_string(),
        format!("{:.4}", measurement.seconds),
        format!("{:.2}", measurement.per_second()),
        memory,
        measurement.runs.to_string(),
    ]
}
