//! `mitune score`

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use mitune_stages::adapters::adapter_file::AdapterFile;
use mitune_stages::contract::setting_limits::{MOST_NOISES, MOST_TIMESTEPS};
use mitune_stages::device::DeviceSelection;
use mitune_stages::score::given_pairs::{GivenPairs, MiMode, PairScoring, Posterior, Scored, ScoredPair};
use mitune_stages::score::scored_timesteps::{NoiseNaming, ScoredTimesteps};
use serde_json::{Value, json};

use super::generate::NumberFormat;
use crate::engine::Interrupt;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{RunDisplay, line, print_json};

#[derive(Debug, Args)]
pub(crate) struct ScoreArguments {
    /// Model directory in the layout of diffusers
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,

    /// CSV or Parquet file with the columns image and prompt
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: PathBuf,

    /// Parquet file to write; one that is there is replaced when all scores are known
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Adapter to apply, as diffusers, PEFT or kohya write it, with its scale after a colon
    #[arg(long, value_name = "FILE[:SCALE]")]
    pub(crate) adapter: Option<AdapterFile>,

    /// Number of timesteps: those that a generation of so many steps visits, or spread over a range
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 50, value_parser = value_parser!(u32).range(1..=i64::from(MOST_TIMESTEPS)))]
    pub(crate) timesteps: u32,

    /// Smallest timestep of a range; the column mi is then mi_forward, what the range contributes
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = value_parser!(u32).range(..=i64::from(MOST_TIMESTEPS)))]
    pub(crate) first_timestep: Option<u32>,

    /// Largest timestep of a range
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = value_parser!(u32).range(..=i64::from(MOST_TIMESTEPS)))]
    pub(crate) last_timestep: Option<u32>,

    /// Number of noises at each timestep
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 1, value_parser = value_parser!(u32).range(1..=i64::from(MOST_NOISES)))]
    pub(crate) noises: u32,

    /// Which pairs meet the same noises: all (bank), or those of one prompt
    #[arg(long, value_name = "NAMING", default_value = "bank")]
    pub(crate) noise: Naming,

    /// Seed of the noises
    #[arg(long, value_name = "S", allow_negative_numbers = true, default_value_t = 42)]
    pub(crate) seed: u64,

    /// Whose weight, range and reduction mi and mi_signed have
    #[arg(long, value_name = "MODE", default_value = "paper")]
    pub(crate) mode: Mode,

    /// What stands for the latent of an image: the mean of the autoencoder's posterior, or a sample
    #[arg(long, value_name = "LATENT", default_value = "mean")]
    pub(crate) posterior: Latent,

    /// Number format of the computation
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(crate) dtype: NumberFormat,

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceSelection,
}

/// Which pairs meet the same noises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Naming {
    Bank,
    Prompt,
}

/// Whose estimator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    Paper,
    Algorithm2,
    Reference,
}

/// What stands for the latent of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Latent {
    Mean,
    Sample,
}

impl ScoreArguments {
    fn scoring(&self) -> PairScoring {
        PairScoring {
            timesteps: ScoredTimesteps {
                first: self.first_timestep.map(|first| first as usize),
                last: self.last_timestep.map(|last| last as usize),
                count: self.timesteps as usize,
            },
            noises: self.noises as usize,
            seed: self.seed,
            noise: match self.noise {
                Naming::Bank => NoiseNaming::Bank,
                Naming::Prompt => NoiseNaming::Prompt,
            },
            mode: match self.mode {
                Mode::Paper => MiMode::Paper,
                Mode::Algorithm2 => MiMode::Algorithm2,
                Mode::Reference => MiMode::Reference,
            },
            posterior: match self.posterior {
                Latent::Mean => Posterior::Mean,
                Latent::Sample => Posterior::Sample,
            },
        }
    }
}

pub(crate) fn run(arguments: &ScoreArguments, session: &Session<'_>) -> Result<(), Failure> {
    let plan = GivenPairs {
        model: arguments.model.clone(),
        adapter: arguments.adapter.clone(),
        device: arguments.device,
        dtype: arguments.dtype.into(),
        scoring: arguments.scoring(),
        pairs: arguments.pairs.clone(),
        out: arguments.out.clone(),
    };
    let interrupt = Interrupt::listen()?;
    let scored = plan
        .score(&RunDisplay::of_command("score"), interrupt.cancelled())
        .map_err(|error| Failure::from(error).with_interrupt_code(interrupt.exit_code()))?;
    if session.json {
        return print_json(&document(&plan, &scored));
    }
    let (count, out) = (scored.pairs.len(), plan.out.display());
    let pairs = if count == 1 { "pair" } else { "pairs" };
    line(format!("{count} {pairs} scored into `{out}`"))
}

fn document(plan: &GivenPairs, scored: &Scored) -> Value {
    let pair = |pair: &ScoredPair| {
        let mut document = json!({"image": pair.image, "prompt": pair.prompt});
        for (name, score) in pair.named_scores(&plan.scoring) {
            document[name] = score.into();
        }
        document
    };
    json!({
        "table": plan.out.to_string_lossy(),
        "truncated_prompts": scored.truncated,
        "device": scored.device,
        "pairs": scored.pairs.iter().map(pair).collect::<Vec<_>>(),
    })
}
