//! Pools of candidates: what was generated, by which model, and what was made of it.

use super::super::model::ModelLabel;
use super::graph::{RunGraph, RunStage, Source, StageLabel};

/// The candidates of one stage, and the stages that looked at them.
pub(super) struct Pool<'a> {
    pub(super) candidates: Source<'a>,
    pub(super) model: ModelLabel,
    /// The table of prompts they were generated for.
    pub(super) prompts: Option<Source<'a>>,
    /// Stages that computed further scores.
    pub(super) scored_by: Vec<usize>,
    /// Stages in which judges said something of them.
    pub(super) judged_by: Vec<usize>,
    /// Stages that selected some of them.
    pub(super) selected_by: Vec<usize>,
    /// Stages that read them off.
    pub(super) evaluated_by: Vec<usize>,
}

/// Lists the pools of a run, in the order in which they were generated.
pub(super) fn pools(graph: &RunGraph) -> Vec<Pool<'_>> {
    let consumers = |kind: &'static str, generate: usize| -> Vec<usize> {
        graph
            .of_kind(kind)
            .filter(|&stage| {
                graph.input_of_kind(stage, "generate").map(|source| source.stage) == Some(generate)
            })
            .collect()
    };
    graph
        .of_kind("generate")
        .filter_map(|generate| {
            Some(Pool {
                candidates: graph.output(generate, "candidates")?,
                model: model(graph, generate),
                prompts: graph.input(generate, "prompts"),
                scored_by: consumers("score", generate),
                judged_by: consumers("judge", generate),
                selected_by: consumers("select", generate),
                evaluated_by: consumers("evaluate", generate),
            })
        })
        .collect()
}

/// Finds the pool that a table is about, whether it holds the candidates themselves or what a stage said of them.
pub(super) fn pool_of<'a>(
    graph: &RunGraph,
    pools: &'a [Pool<'a>],
    table: Source<'_>,
) -> Option<&'a Pool<'a>> {
    let generated = match graph.kind(table.stage) {
        Some("generate") => table.stage,
        _ => graph.input_of_kind(table.stage, "generate")?.stage,
    };
    pools.iter().find(|pool| pool.candidates.stage == generated)
}

/// Tells which model generated a pool: the base, or the one with an adapter.
fn model(graph: &RunGraph, generate: usize) -> ModelLabel {
    let Some(adapter) = graph.input(generate, "adapter") else {
        return ModelLabel::Base;
    };
    let RunStage { names, .. } = &graph.stages[adapter.stage];
    let arms: Vec<String> = names
        .iter()
        .filter(|name| !name.arms.is_empty())
        .map(|name| name.arms.join(" / "))
        .collect();
    let first = names.first();
    ModelLabel::Tuned {
        round: first.and_then(|name| name.round),
        arms,
        stage: first.map_or_else(String::new, |name: &StageLabel| name.stage.clone()),
    }
}
