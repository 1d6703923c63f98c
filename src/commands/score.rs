//! `mitune score`

use std::path::PathBuf;

use clap::Args;
use mitune_stages::device::DeviceSelection;
use mitune_stages::given_pairs::{GivenPairs, Scored, ScoredPair};
use serde_json::{Value, json};

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

    /// Device to compute on: auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceSelection,
}

pub(crate) fn run(arguments: &ScoreArguments, session: &Session<'_>) -> Result<(), Failure> {
    let plan = GivenPairs {
        model: arguments.model.clone(),
        device: arguments.device,
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
        json!({
            "image": pair.image,
            "prompt": pair.prompt,
            "mi": pair.mi,
            "mi_signed": pair.mi_signed,
            "itm": pair.itm,
            "itm_normalised": pair.itm_normalised,
        })
    };
    json!({
        "table": plan.out,
        "truncated_prompts": scored.truncated,
        "device": scored.device,
        "pairs": scored.pairs.iter().map(pair).collect::<Vec<_>>(),
    })
}
