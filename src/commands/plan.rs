//! `mitune plan`

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use mitune_stages::contract::LazyDevice;

use super::pipeline_arguments::PipelineArguments;
use crate::engine::{CostEstimate, Engine, RememberedDigests, Unobserved, change};
use crate::failure::Failure;
use crate::inspect::plan::{PlanOverview, StagePlan, StageState};
use crate::session::Session;
use crate::sharing::attach;
use crate::ui::{Table, duration, line, moment, print_json};
use crate::user_folders::cache_folder;

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,

    /// Show every part of a key that changed, and keys in full
    #[arg(long)]
    explain: bool,
}

pub(crate) fn run(arguments: &PlanArguments, session: &Session<'_>) -> Result<(), Failure> {
    let pipeline = arguments.pipeline.read(session)?;
    let store = session.store_or_empty()?;
    attach(&store)?;
    let digests = RememberedDigests::open(&cache_folder());
    let engine = Engine {
        store: &store,
        device: &LazyDevice::default(),
        digests: &digests,
        observer: &Unobserved,
        cancelled: &AtomicBool::new(false),
    };
    let plan = PlanOverview::new(&pipeline, &engine.plan(&pipeline)?);
    if session.json {
        // As a value first, so that fields stand in the order of their names.
        print_json(&serde_json::to_value(&plan)?)
    } else if arguments.explain {
        plan.stages.iter().try_for_each(print_explained)
    } else {
        print_table(&plan)
    }
}

fn print_table(plan: &PlanOverview) -> Result<(), Failure> {
    let mut table = Table::with_headings(["STATE", "STAGE", "KIND", "COST", "WHY"]);
    for stage in &plan.stages {
        let cost = stage.own_cost();
        table.row([
            stage.state.name().to_owned(),
            stage.name.clone(),
            stage.kind.to_owned(),
            cost.map_or_else(|| "-".to_owned(), |cost| about(cost.seconds)),
            stage.why.clone(),
        ]);
    }
    table.print()?;
    let count = |state, one: &str, many: &str| {
        let count = plan.count(state);
        format!("{count} {}", if count == 1 { one } else { many })
    };
    let (hits, misses) = (
        count(StageState::Hit, "hit", "hits"),
        count(StageState::Miss, "miss", "misses"),
    );
    let pending = count(StageState::Pending, "pending", "pending");
    let total = plan.seconds.map_or_else(String::new, |seconds| {
        format!(
            "; {} by recorded times, less what is found item by item",
            about(seconds)
        )
    });
    line(format!("{hits}, {misses}, {pending}{total}"))
}

fn about(seconds: f64) -> String {
    format!("~{}", duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))))
}

/// Says what an estimate rests on.
fn basis(cost: &CostEstimate) -> String {
    let device = cost
        .device
        .as_ref()
        .map_or_else(String::new, |device| format!(" on {device}"));
    let (seconds, by) = (about(cost.seconds), cost.by.short());
    format!("{seconds}, judged by `{by}` of {}{device}", moment(cost.measured))
}

fn print_explained(stage: &StagePlan) -> Result<(), Failure> {
    line(format!("{} {} ({})", stage.state.name(), stage.name, stage.kind))?;
    if let Some(key) = stage.key {
        line(format!("  key {key}"))?;
    }
    if !stage.changes.is_empty() {
        line("  compared with the last time:")?;
        let changes = stage.changes.iter();
        changes
            .map(change)
            .try_for_each(|change| line(format!("    {change}")))?;
    } else if stage.state != StageState::Hit {
        line(format!("  {}", stage.why))?;
    }
    if let Some(cost) = &stage.cost {
        line(format!("  {}", basis(cost)))?;
    }
    if let (StageState::Miss, Some(preimage)) = (stage.state, &stage.preimage) {
        line("  derived from:")?;
        for text in serde_json::to_string_pretty(preimage)?.lines() {
            line(format!("    {text}"))?;
        }
    }
    Ok(())
}
