//! What stages found that compared columns about the same candidates.

use mitune_stages::agree::{AgreementReport, BestOfNCurve, ColumnAgreement, RandomChoice};
use mitune_store::{Store, StoreError};

use super::super::error::ReportError;
use super::super::model::{AgreedColumns, AgreedPair, ChooserCurve, ChosenOf, Interval, JudgedChoices};
use super::graph::RunGraph;
use super::tables::Table;

/// Reads the results of all stages that measure how far columns agree.
pub(super) fn agreements(store: &Store, graph: &RunGraph) -> Result<Vec<AgreedColumns>, ReportError> {
    let mut agreements = Vec::new();
    for stage in graph.of_kind("agree") {
        let Some(source) = graph.output(stage, "summary") else {
            continue;
        };
        let found: AgreementReport = match store.artifacts().read_json(source.artifact) {
            Ok(found) => found,
            // Written by another version.
            Err(StoreError::Json { .. }) => continue,
            Err(error) => return Err(Table { store, graph, source }.error(error)),
        };
        let judges = found.random.iter().map(|random| judge(random, &found.curves));
        agreements.push(AgreedColumns {
            origin: graph.origin(stage),
            prompts: found.prompts,
            candidates: found.candidates,
            judges: judges.collect(),
            ranked_by: found.columns.first().cloned().unwrap_or_default(),
            ranks: found.ranks,
            lower_is_better: found.lower_is_better,
            confidence: found.bootstrap.confidence,
            pairs: found.agreements.into_iter().map(pair).collect(),
        });
    }
    Ok(agreements)
}

fn pair(pair: ColumnAgreement) -> AgreedPair {
    let chance = pair.same_best_by_chance.unwrap_or_default();
    AgreedPair {
        tau_a: pair.tau_a.map(Interval::difference),
        tau_b: pair.tau_b.map(Interval::difference),
        overall: pair.overall_tau_b,
        same_best: pair.same_best.map(|share| Interval::beside(chance, share)),
        first: pair.first,
        second: pair.second,
    }
}

fn judge(random: &RandomChoice, curves: &[BestOfNCurve]) -> JudgedChoices {
    let of_judge = curves.iter().filter(|curve| curve.judge == random.judge);
    JudgedChoices {
        judge: random.judge.clone(),
        random: random.value.map(Interval::of),
        choosers: of_judge.map(chooser).collect(),
    }
}

fn chooser(curve: &BestOfNCurve) -> ChooserCurve {
    let points = curve.points.iter().map(|point| ChosenOf {
        n: point.n,
        value: Interval::of(point.value),
        gain: Interval::difference(point.gain),
    });
    ChooserCurve {
        chooser: curve.chooser.clone(),
        points: points.collect(),
    }
}
