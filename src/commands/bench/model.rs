//! `mitune bench model`

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum, value_parser};
use mitune_stages::device::DeviceSelection;
use mitune_stages::model::Architecture;
use mitune_stages::model_bench::{BenchModel, BenchWork, Measurement, ModelBench, ModelBenchReport};

use crate::commands::generate::NumberFormat;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{RunDisplay, Table, bytes, line, print_json};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("subject").required(true).args(["model", "arch"])))]
pub(crate) struct ModelArguments {
    /// Model directory in the layout of diffusers
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// Architecture: sd15, sd21-base, sd21, sdxl, or tiny-sd15, tiny-sd21, tiny-sdxl
    #[arg(long, value_name = "NAME", requires = "random_weights")]
    arch: Option<Architecture>,

    /// Give the architecture random weights
    #[arg(long, requires = "arch")]
    random_weights: bool,

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceSelection,

    /// Number format of the networks; training is in f32
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    dtype: NumberFormat,

    /// Height in pixels [default: that of the model]
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    height: Option<usize>,

    /// Width in pixels [default: that of the model]
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    width: Option<usize>,

    /// Candidates of the one prompt, made in one batch
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 1, value_parser = value_parser!(u16).range(1..=4096))]
    candidates: u16,

    /// Denoising steps of a candidate
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 2, value_parser = value_parser!(u16).range(1..=1000))]
    steps: u16,

    /// Samples of a training step
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 1, value_parser = value_parser!(u16).range(1..=4096))]
    training_batch: u16,

    /// Largest batch to try on the denoiser, from 2 on by doubling
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 2, value_parser = value_parser!(u16).range(2..=4096))]
    largest_batch: u16,

    /// Counted runs of each piece of work, after one that warms up
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 3, value_parser = value_parser!(u16).range(1..=1000))]
    runs: u16,

    /// What to measure, separated by commas [default: everything]
    #[arg(long = "work", value_name = "WORK", value_delimiter = ',')]
    works: Vec<Work>,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Work {
    Forward,
    Decode,
    Candidates,
    CandidatesWithout,
    Training,
    Preference,
}

impl From<Work> for BenchWork {
    fn from(work: Work) -> Self {
        match work {
            Work::Forward => Self::Forward,
            Work::Decode => Self::Decode,
            Work::Candidates => Self::Candidates,
            Work::CandidatesWithout => Self::CandidatesWithout,
            Work::Training => Self::Training,
            Work::Preference => Self::Preference,
        }
    }
}

/// Measures and prints a table, or JSON for programs that compare.
pub(crate) fn run(arguments: ModelArguments, session: &Session<'_>) -> Result<(), Failure> {
    let model = match (arguments.model, arguments.arch) {
        (Some(path), _) => BenchModel::Directory(path),
        (None, Some(architecture)) => BenchModel::Random(architecture),
        (None, None) => return Err(Failure::bug("Neither a model nor an architecture was given")),
    };
    let bench = ModelBench {
        model,
        device: arguments.device,
        dtype: arguments.dtype.into(),
        height: arguments.height,
        width: arguments.width,
        candidates: arguments.candidates.into(),
        steps: arguments.steps.into(),
        training_batch: arguments.training_batch.into(),
        largest_batch: arguments.largest_batch.into(),
        runs: arguments.runs.into(),
        works: match arguments.works.is_empty() {
            true => BenchWork::ALL.to_vec(),
            false => arguments.works.into_iter().map(BenchWork::from).collect(),
        },
    };
    let report = bench.measure(&RunDisplay::of_command("bench"))?;
    if session.json {
        return print_json(&report);
    }
    line(heading(&report))?;
    let mut table = Table::with_headings(["WORK", "BATCH", "SECONDS", "TFLOP/s", "PEAK MEMORY", "RUNS"]);
    for measurement in &report.measurements {
        table.row(row(measurement));
    }
    table.print()
}

fn heading(report: &ModelBenchReport) -> String {
    let [_, height, width] = report.latent_shape;
    format!(
        "mitune {} on {} with {} threads at CPU level {} of {}: {}, {} parameters in the denoiser, {}, latents {height} x {width}",
        report.version,
        report.device,
        report.threads,
        report.cpu_level,
        report.best_cpu_level,
        report.model,
        report.denoiser_parameters,
        report.dtype.name(),
    )
}

fn row(measurement: &Measurement) -> [String; 6] {
    let unknown = || "-".to_owned();
    let memory = match (measurement.peak_bytes, measurement.device_bytes) {
        (_, Some(device)) => format!("{} on the device", bytes(device)),
        (Some(process), None) => bytes(process),
        (None, None) => unknown(),
    };
    [
        measurement.work.to_owned(),
        measurement.batch.to_string(),
        format!("{:.4}", measurement.seconds),
        measurement
            .tera_operations_per_second()
            .map_or_else(unknown, |rate| format!("{rate:.3}")),
        memory,
        measurement.runs.to_string(),
    ]
}
