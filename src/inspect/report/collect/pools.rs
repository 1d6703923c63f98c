//! Pools of candidates: what was generated, by which model, and what was made of it.

use super::super::model::ModelLabel;
use super::graph::{RunGraph, Source, StageLabel};

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

/// Tells which model generated a pool: the base, or one that was trained, or the base sampled in another way.
fn model(graph: &RunGraph, generate: usize) -> ModelLabel {
    let own = &graph.stages[generate].names;
    let (names, stage) = match trained(graph, generate) {
        Some(trained) => {
            let names = &graph.stages[trained].names;
            // One model may be sampled from in several ways; the arm of the images then tells them apart.
            let round = names.first().and_then(|name| name.round);
            let of_its_arm = own
                .iter()
                .all(|name| !name.arms.is_empty() && name.round == round);
            (if of_its_arm { own } else { names }, names)
        }
        None if is_guided_otherwise(graph, generate) => (own, own),
        None => return ModelLabel::Base,
    };
    let arms: Vec<String> = names
        .iter()
        .filter(|name| !name.arms.is_empty())
        .map(|name| name.arms.join(" / "))
        .collect();
    let first = stage.first();
    ModelLabel::Tuned {
        round: first.and_then(|name| name.round),
        arms,
        stage: first.map_or_else(String::new, |name: &StageLabel| name.stage.clone()),
    }
}

/// The stage that trained what a pool was generated with.
fn trained(graph: &RunGraph, generate: usize) -> Option<usize> {
    let of_model = || {
        let source = graph.input(generate, "model_from")?;
        let kind = graph.kind(source.stage)?;
        ["finetune", "merge_into_model"]
            .contains(&kind)
            .then_some(source.stage)
    };
    let adapter = graph.input(generate, "adapter").map(|source| source.stage);
    adapter.or_else(of_model)
}

/// Whether images were sampled by another method of guidance than the usual one.
fn is_guided_otherwise(graph: &RunGraph, generate: usize) -> bool {
    let record = graph.stages[generate].record.as_ref();
    record.is_some_and(|record| record.metrics.contains_key("guidance_method"))
}

#[cfg(test)]
mod tests {
    use mitune_store::{Artifact, RunStatus};
    use serde_json::json;

    use super::super::graph::RunGraph;
    use super::*;
    use crate::inspect::report::fixture::{FakeStage, Fixture};

    fn artifact(fixture: &Fixture, name: &str) -> Artifact {
        fixture.store.artifacts().put_json(&json!(name)).expect("stored")
    }

    /// Adds a stage with one output that nothing else has.
    fn add(fixture: &mut Fixture, stage: FakeStage<'_>, output: &str) {
        let made = artifact(fixture, stage.name);
        fixture.add(FakeStage {
            config: json!(stage.name),
            outputs: vec![(output, made)],
            ..stage
        });
    }

    #[test]
    fn arms_that_sample_one_model_in_other_ways_are_told_apart() {
        let mut fixture = Fixture::new("ways");
        let guided = [("guidance_method", json!("structured"))];
        let adapter = [("adapter", "adapter@1/mi", "adapter")];
        let model = [("model_from", "model@1/full", "model")];
        add(&mut fixture, FakeStage::of("adapter@1/mi", "finetune"), "adapter");
        add(&mut fixture, FakeStage::of("model@1/full", "finetune"), "model");
        for (name, inputs, metrics) in [
            ("base", &[][..], &[][..]),
            ("images@1/mi", &adapter[..], &[][..]),
            ("images@1/both", &adapter[..], &guided[..]),
            ("images@1/guided", &[][..], &guided[..]),
            ("images@1/full", &model[..], &[][..]),
            ("candidates@2/mi", &adapter[..], &[][..]),
        ] {
            let stage = FakeStage {
                inputs,
                metrics,
                ..FakeStage::of(name, "generate")
            };
            add(&mut fixture, stage, "candidates");
        }
        let run = fixture.finish(RunStatus::Succeeded);
        let events = fixture.store.runs().events(&run.id).expect("read");
        let graph = RunGraph::read(&fixture.store, &run, &events).expect("read");
        let arms: Vec<String> = pools(&graph)
            .into_iter()
            .map(|pool| match pool.model {
                ModelLabel::Base => "base".to_owned(),
                ModelLabel::Tuned { round, arms, .. } => {
                    format!("{} {}", round.unwrap_or(0), arms.join(", "))
                }
            })
            .collect();
        assert_eq!(arms, ["base", "1 mi", "1 both", "1 guided", "1 full", "1 mi"]);
    }
}
