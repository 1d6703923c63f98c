//! `mitune plan`

use std::sync::atomic::AtomicBool;

use clap::Args;
use mitune_stages::stage::LazyDevice;
use mitune_store::{Difference, Value};
use serde_json::json;

use super::pipeline_arguments::PipelineArguments;
use crate::cache_folder::cache_folder;
use crate::engine::{Cause, Engine, Plan, PlanState, PlannedStage, RememberedDigests, Unobserved};
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::session::Session;
use crate::ui::{Table, line, print_json};

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
        PlanState::Pending(_) => "pending",
    }
}

fn print_table(pipeline: &Pipeline, plan: &Plan) -> Result<(), Failure> {
    let mut table = Table::with_headings(["STATE", "STAGE", "KIND", "WHY"]);
    for (stage, planned) in pipeline.stages.iter().zip(&plan.stages) {
        table.row([
            state_name(&planned.state).to_owned(),
            stage.name.to_string(),
            stage.stage.kind().to_owned(),
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
    line(format!("{hits}, {misses}, {pending}"))
}

/// Says in one line why a stage computes.
fn why(pipeline: &Pipeline, planned: &PlannedStage) -> String {
    let reason = match &planned.state {
        PlanState::Hit(_) => return String::new(),
        PlanState::Pending(stages) => {
            let names: Vec<String> = stages
                .iter()
                .map(|&index| pipeline.stages[index].name.to_string())
                .collect();
            format!("waits for {}", shortened(&names))
        }
        PlanState::Miss(Cause::New) => "never computed".to_owned(),
        PlanState::Miss(Cause::Lost(reason)) => reason.to_string(),
        PlanState::Miss(Cause::Changed(differences)) if differences.len() == 1 => arrow(&differences[0]),
        PlanState::Miss(Cause::Changed(differences)) => {
            let paths: Vec<String> = differences
                .iter()
                .map(|difference| difference.path.clone())
                .collect();
            format!("changed: {}", shortened(&paths))
        }
    };
    match planned.twin {
        Some(twin) => format!("same as {}; {reason}", pipeline.stages[twin].name),
        None => reason,
    }
}

/// Joins names, giving only the number of those after the third.
fn shortened(names: &[String]) -> String {
    let shown = names.len().min(3);
    let more = names.len() - shown;
    let list = names[..shown].join(", ");
    if more > 0 {
        format!("{list} and {more} more")
    } else {
        list
    }
}

fn arrow(difference: &Difference) -> String {
    let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "absent".to_owned(), readable);
    format!(
        "{}: {} -> {}",
        difference.path,
        side(&difference.left),
        side(&difference.right)
    )
}

/// Writes a value in one line; digests are cut to 12 digits.
fn readable(value: &Value) -> String {
    match value {
        Value::Text(text) if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            text[..12].to_owned()
        }
        other => serde_json::to_string(other).unwrap_or_else(|error| error.to_string()),
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
            PlanState::Miss(Cause::Changed(differences)) => {
                line("  compared with the last time:")?;
                differences
                    .iter()
                    .try_for_each(|difference| line(format!("    {}", arrow(difference))))?;
            }
            PlanState::Miss(_) | PlanState::Pending(_) => line(format!("  {}", why(pipeline, planned)))?,
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
            PlanState::Miss(Cause::Changed(differences)) => differences.as_slice(),
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
            "same_as": planned.twin.map(|twin| &pipeline.stages[twin].name),
            "preimage": planned.preimage,
        })
    });
    json!({ "pipeline": pipeline.spec.name, "stages": stages.collect::<Vec<_>>() })
}
