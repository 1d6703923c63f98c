//! What the arms of comparisons took: everything that their models were made of.

use std::collections::BTreeSet;

use mitune_store::ActionRecord;

use super::super::model::{ArmCost, ArmCosts, ComparedColumn};
use super::compared_tables::{ComparedTables, compared_tables};
use super::graph::{RunGraph, Source};

const CANDIDATES: &str = "candidates";
/// Ports on which a stage that makes images takes what was trained.
const MODEL_PORTS: [&str; 2] = ["adapter", "model_from"];
/// Kinds of stages that run a denoiser.
const RUNS_A_DENOISER: [&str; 5] = [
    "generate",
    "score",
    "finetune",
    "policy_gradient",
    "pretrain_denoiser",
];

/// Adds up the costs of the arms of all comparisons; arms that were compared by several columns stand once.
pub(super) fn costs(graph: &RunGraph, comparisons: &[ComparedColumn]) -> Vec<ArmCosts> {
    let mut seen: Vec<Vec<(String, usize)>> = Vec::new();
    let mut costs = Vec::new();
    for tables in compared_tables(graph, comparisons) {
        let arms = arms(graph, &tables);
        if arms.is_empty() || seen.contains(&arms) {
            continue;
        }
        costs.push(ArmCosts {
            origin: tables.comparison.origin.clone(),
            arms: arms
                .iter()
                .map(|(name, stage)| cost(graph, name, *stage))
                .collect(),
        });
        seen.push(arms);
    }
    costs
}

/// The names of the arms with the stages that made their images, as far as these are of this run.
fn arms(graph: &RunGraph, tables: &ComparedTables<'_>) -> Vec<(String, usize)> {
    let comparison = tables.comparison;
    let baseline = comparison
        .baseline
        .as_ref()
        .map(|arm| (arm.name.clone(), tables.baseline));
    let names = comparison.arms.iter().map(|arm| arm.name.clone());
    let others = names.zip(tables.arms.iter().copied());
    baseline
        .into_iter()
        .chain(others)
        .filter_map(|(name, source)| Some((name, maker(graph, source?)?)))
        .collect()
}

/// The stage that made the images that a table is about.
fn maker(graph: &RunGraph, table: Source<'_>) -> Option<usize> {
    let mut stage = table.stage;
    // A table is about candidates, or about a table that is; no chain of stages is longer than the run.
    for _ in 0..graph.stages.len() {
        if graph.kind(stage) == Some("generate") {
            return Some(stage);
        }
        stage = graph.input(stage, CANDIDATES)?.stage;
    }
    None
}

fn cost(graph: &RunGraph, name: &str, maker: usize) -> ArmCost {
    let made_of = ancestors(graph, maker);
    let records = || {
        made_of
            .iter()
            .filter_map(|&stage| graph.stages[stage].record.as_ref())
    };
    let sum = |metrics: &[&str]| -> u64 {
        let found = records().filter_map(|record| metrics.iter().find_map(|metric| whole(record, metric)));
        found.sum()
    };
    let evaluations = |metric: &str, kinds: &[&str]| -> Option<u64> {
        let asked = records().filter(|record| kinds.contains(&record.stage.as_str()));
        asked.map(|record| whole(record, metric)).sum()
    };
    let images = graph.stages[maker].record.as_ref().and_then(|record| {
        let evaluations = whole(record, "denoiser_evaluations")?;
        let images = whole(record, CANDIDATES).filter(|&images| images > 0)?;
        Some(evaluations as f64 / images as f64)
    });
    ArmCost {
        name: name.to_owned(),
        samples: records()
            .filter(|record| record.stage != "score")
            .filter_map(|record| match record.stage.as_str() {
                "generate" => whole(record, CANDIDATES),
                _ => whole(record, "samples"),
            })
            .sum(),
        updates: sum(&["updates", "steps"]),
        denoiser_evaluations: evaluations("denoiser_evaluations", &RUNS_A_DENOISER),
        gradient_evaluations: evaluations("gradient_evaluations", &["finetune", "policy_gradient"]),
        seconds: records().fold(0.0, |seconds, record| seconds + record.cost_seconds),
        evaluations_per_image: images,
    }
}

/// All stages whose results what a stage was given of models is made of, each once.
fn ancestors(graph: &RunGraph, maker: usize) -> BTreeSet<usize> {
    let models = MODEL_PORTS.iter().filter_map(|port| graph.input(maker, port));
    let mut left: Vec<usize> = models.map(|source| source.stage).collect();
    let mut found = BTreeSet::new();
    while let Some(stage) = left.pop() {
        if found.insert(stage) {
            left.extend(graph.inputs(stage).map(|source| source.stage));
        }
    }
    found
}

fn whole(record: &ActionRecord, metric: &str) -> Option<u64> {
    record.metrics.get(metric)?.as_u64()
}
