//! `mitune plan`

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use mitune_stages::stage::LazyDevice;
use serde_json::json;

use super::pipeline_arguments::PipelineArguments;
use crate::cache_folder::cache_folder;
use crate::engine::{
    Cause, CostEstimate, Engine, Plan, PlanState, PlannedStage, RememberedDigests, Unobserved, shortened,
};
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::session::Session;
use crate::sharing::attach;
use crate::ui::{Table, duration, line, moment, print_json};

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
    let plan = engine.plan(&pipeline)?;
    digests.save();
    if session.json {
        print_json(&document(&pipeline, &plan))
    } else if arguments.explain {
        print_explained(&pipeline, &plan)
    } else {
        print_table(&pipeline, &plan)
    }
}

fn state_name(state: &PlanState) -> &'static str {
    match state {
        PlanState::Hit(_) => "hit",
        PlanState::Miss(_) => "miss",
        PlanState::Pending { .. } => "pending",
    }
}

fn print_table(pipeline: &Pipeline, plan: &Plan) -> Result<(), Failure> {
    let mut table = Table::with_headings(["STATE", "STAGE", "KIND", "COST", "WHY"]);
    for (stage, planned) in pipeline.stages.iter().zip(&plan.stages) {
        table.row([
            state_name(&planned.state).to_owned(),
            stage.name.to_string(),
            stage.stage.kind().to_owned(),
            cost(planned),
            why(pipeline, planned),
        ]);
    }
    table.print()?;
    let count = |name, one: &str, many: &str| {
        let states = plan.stages.iter().map(|planned| state_name(&planned.state));
        let count = states.filter(|state| *state == name).count();
        format!("{count} {}", if count == 1 { one } else { many })
    };
    let (hits, misses) = (count("hit", "hit", "hits"), count("miss", "miss", "misses"));
    let pending = count("pending", "pending", "pending");
    let total = plan.seconds().map_or_else(String::new, |seconds| {
        format!(
            "; {} by recorded times, less what is found item by item",
            about(seconds)
        )
    });
    line(format!("{hits}, {misses}, {pending}{total}"))
}

/// Says what computing a stage costs, as far as it is known.
fn cost(planned: &PlannedStage) -> String {
    let known = planned.cost().filter(|_| planned.twin.is_none());
    known.map_or_else(|| "-".to_owned(), |cost| about(cost.seconds))
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

/// Says in one line why a stage computes.
fn why(pipeline: &Pipeline, planned: &PlannedStage) -> String {
    let reason = match &planned.state {
        PlanState::Hit(_) => return String::new(),
        PlanState::Miss(explanation) => explanation.summary(),
        PlanState::Pending { waits_for, .. } => {
            let names: Vec<String> = waits_for
                .iter()
                .map(|&index| pipeline.stages[index].name.to_string())
                .collect();
            format!("waits for {}", shortened(&names))
        }
    };
    match planned.twin {
        Some(twin) => format!("same as {}; {reason}", pipeline.stages[twin].name),
        None => reason,
    }
}

fn print_explained(pipeline: &Pipeline, plan: &Plan) -> Result<(), Failure> {
    for (stage, planned) in pipeline.stages.iter().zip(&plan.stages) {
        line(format!(
            "{} {} ({})",
            state_name(&planned.state),
            stage.name,
            stage.stage.kind()
        ))?;
        if let Some(key) = planned.key {
            line(format!("  key {key}"))?;
        }
        match &planned.state {
            PlanState::Hit(_) => {}
            PlanState::Miss(explanation) if matches!(explanation.cause, Cause::Changed(_)) => {
                line("  compared with the last time:")?;
                explanation
                    .lines()
                    .iter()
                    .try_for_each(|change| line(format!("    {change}")))?;
            }
            PlanState::Miss(_) | PlanState::Pending { .. } => line(format!("  {}", why(pipeline, planned)))?,
        }
        if let Some(cost) = planned.cost() {
            line(format!("  {}", basis(cost)))?;
        }
        if let (PlanState::Miss(_), Some(preimage)) = (&planned.state, &planned.preimage) {
            line("  derived from:")?;
            for text in serde_json::to_string_pretty(preimage)?.lines() {
                line(format!("    {text}"))?;
            }
        }
    }
    Ok(())
}

fn document(pipeline: &Pipeline, plan: &Plan) -> serde_json::Value {
    let stages = pipeline.stages.iter().zip(&plan.stages).map(|(stage, planned)| {
        let changes = match &planned.state {
            PlanState::Miss(explanation) => match &explanation.cause {
                Cause::Changed(differences) => differences.as_slice(),
                _ => &[],
            },
            _ => &[],
        };
        let changes = changes.iter().map(|difference| {
            json!({ "path": difference.path, "before": difference.left, "now": difference.right })
        });
        json!({
            "name": stage.name,
            "kind": stage.stage.kind(),
            "state": state_name(&planned.state),
            "key": planned.key,
            "why": why(pipeline, planned),
            "changes": changes.collect::<Vec<_>>(),
            "cost": planned.cost(),
            "same_as": planned.twin.map(|twin| &pipeline.stages[twin].name),
            "preimage": planned.preimage,
        })
    });
    json!({ "pipeline": pipeline.spec.name, "seconds": plan.seconds(), "stages": stages.collect::<Vec<_>>() })
}
