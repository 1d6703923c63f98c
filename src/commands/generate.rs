//! `mitune generate`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mitune_stages::device::DeviceSelection;

use crate::failure::Failure;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// Model directory in the layout of diffusers
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,

    /// What to generate
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: String,

    /// What to steer away from
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) negative: String,

    /// Number of images
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 1)]
    pub(crate) count: u32,

    /// Seed of the noise
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Where noise comes from: counter does not depend on the batch, torch is what diffusers draws on a CPU
    #[arg(long, value_name = "RNG", default_value = "counter")]
    pub(crate) rng: RandomNumbers,

    /// Scheduler, such as ddim or ddpm [default: that of the model]
    #[arg(long, value_name = "NAME")]
    pub(crate) scheduler: Option<String>,

    /// Number of denoising steps
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) steps: usize,

    /// Scale of classifier-free guidance
    #[arg(long, value_name = "G", default_value_t = 7.5)]
    pub(crate) guidance: f64,

    /// Height in pixels [default: that of the model]
    #[arg(long, value_name = "H")]
    pub(crate) height: Option<usize>,

    /// Width in pixels [default: that of the model]
    #[arg(long, value_name = "W")]
    pub(crate) width: Option<usize>,

    /// Number format of the computation
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(crate) dtype: NumberFormat,

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceSelection,

    /// Adapter to apply, with its scale after a colon
    #[arg(long, value_name = "FILE[:SCALE]")]
    pub(crate) adapter: Option<String>,

    /// Folder to write 0000.png ... and candidates.parquet into
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// Where noise comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RandomNumbers {
    Counter,
    Torch,
}

/// Number format of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NumberFormat {
    F32,
    F16,
    Bf16,
}

pub(crate) fn run(arguments: &GenerateArguments, _: &Session<'_>) -> Result<(), Failure> {
    Err(Failure::failed(format!(
        "This build cannot generate into `{}`",
        arguments.out.display()
    )))
}
