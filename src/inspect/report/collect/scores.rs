//! How well each score finds the aligned images of a pool.

use std::collections::{BTreeMap, BTreeSet};

use mitune_stages::evaluate::measures::agreement::ScoreAgreement;
use mitune_stages::evaluate::measures::power::ScorePower;
use mitune_stages::evaluate::measures::rows::EvaluationRow;
use mitune_stages::evaluate::measures::scores::ScoreColumn;
use mitune_stages::evaluate::measures::timesteps::TimestepPower;
use mitune_stages::statistics::bootstrap::{BootstrapError, BootstrapSettings, Cluster, Estimate};
use mitune_stages::statistics::kendall::PairAgreement;

use super::super::error::ReportError;
use super::super::model::{
    Agreement, Interval, MeasuredScore, Note, Origin, PoolScores, TimestepTerm, Timesteps,
};
use super::candidates::{Candidates, Score};
use super::evaluations::Evaluation;
use super::graph::RunGraph;
use super::judged::Judged;

/// A score with its power and its tau.
type Power<'a> = (&'a Score, ScorePower, Option<Estimate>);

/// Measures every score of a pool; scores that some image lacks are left out with a note.
pub(super) fn scores(
    graph: &RunGraph,
    judged: &Judged<'_>,
    candidates: &Candidates,
    notes: &mut Vec<Note>,
) -> Result<Option<PoolScores>, ReportError> {
    let rows = &judged.evaluation.rows;
    let bootstrap = &judged.evaluation.bootstrap;
    let evaluation = graph.origin(judged.evaluation.stage);
    let statistics = |source: Box<dyn std::error::Error + Send + Sync>| ReportError::Statistics {
        stage: evaluation.name.clone(),
        source,
    };
    let mut columns: Vec<(&Score, Vec<f64>)> = Vec::new();
    for score in &candidates.scores {
        let value = |row: &EvaluationRow| score.of(&row.prompt_id, row.seed_index);
        let values: Option<Vec<f64>> = rows
            .iter()
            .map(|row| value(row).filter(|value| !value.is_nan()))
            .collect();
        match values {
            Some(values) => columns.push((score, values)),
            None => notes.push(missing(graph, score, &evaluation)),
        }
    }
    let mut powers: Vec<Power<'_>> = Vec::new();
    let mut agreements = Vec::new();
    for (number, (score, values)) in columns.iter().enumerate() {
        let second = named(score, values);
        let power = match stated_power(judged.evaluation, &score.name) {
            Some(power) => power.clone(),
            None => ScorePower::of(rows, &second, bootstrap).map_err(|error| statistics(error.into()))?,
        };
        let tau = tau(rows, values, bootstrap).map_err(|error| statistics(error.into()))?;
        powers.push((*score, power, tau));
        for (first, first_values) in &columns[..number] {
            let found = match stated_agreement(judged.evaluation, [&first.name, &score.name]) {
                Some(agreement) => agreement.clone(),
                None => ScoreAgreement::of(rows, &named(first, first_values), &second, bootstrap)
                    .map_err(|error| statistics(error.into()))?,
            };
            agreements.push(agreement(found));
        }
    }
    if powers.is_empty() || rows.is_empty() {
        return Ok(None);
    }
    let prompts: BTreeSet<&str> = rows.iter().map(|row| row.prompt_id.as_str()).collect();
    let (failures, scores) = by_failure(graph, powers);
    let measured = judged.evaluation.measured.as_ref();
    Ok(Some(PoolScores {
        model: judged.pool.model.clone(),
        candidates: graph.origin(judged.pool.candidates.stage),
        evaluation,
        prompts: prompts.len() as u64,
        images: rows.len() as u64,
        confidence: bootstrap.confidence,
        scores,
        failures,
        agreements,
        timesteps: measured.map_or_else(Vec::new, |measured| {
            measured.timesteps.iter().map(timesteps).collect()
        }),
    }))
}

/// Lists the kinds of failure that occur, and each score with its power against each of them.
fn by_failure(graph: &RunGraph, powers: Vec<Power<'_>>) -> (Vec<String>, Vec<MeasuredScore>) {
    let kinds: BTreeSet<_> = powers
        .iter()
        .flat_map(|(_, power, _)| power.by_failure.keys().copied())
        .collect();
    let scores = powers.into_iter().map(|(score, power, tau)| {
        let against = |kind| power.by_failure.get(kind)?.auc.map(Interval::area);
        MeasuredScore {
            origin: graph.origin(score.stage),
            auc: power.overall.auc.map(Interval::area),
            top_1: power.overall.top_1.map(Interval::of),
            worst_1: power.overall.worst_1.map(Interval::of),
            gain: power.overall.gain.map(Interval::difference),
            tau: tau.map(Interval::of),
            by_failure: kinds.iter().map(against).collect(),
            name: power.score,
        }
    });
    let scores = scores.collect();
    (kinds.iter().map(|kind| kind.name().to_owned()).collect(), scores)
}

fn agreement(found: ScoreAgreement) -> Agreement {
    Agreement {
        first: found.first,
        second: found.second,
        tau_b: found.tau_b.map(Interval::difference),
        auc_gain: found.auc_gain.map(Interval::difference),
    }
}

fn timesteps(power: &TimestepPower) -> Timesteps {
    let terms = power.timesteps.iter().map(|term| TimestepTerm {
        timestep: term.timestep,
        weight: term.weight,
        share: term.share,
        auc: term.auc.map(Interval::area),
        auc_down_to: term.auc_down_to.map(Interval::area),
    });
    Timesteps {
        score: power.score.clone(),
        terms: terms.collect(),
    }
}

/// What the stage itself measured of a score.
fn stated_power<'a>(evaluation: &'a Evaluation, name: &str) -> Option<&'a ScorePower> {
    let scores = &evaluation.measured.as_ref()?.scores;
    scores.iter().find(|power| power.score == name)
}

/// How the stage itself found two scores to relate.
fn stated_agreement<'a>(evaluation: &'a Evaluation, names: [&str; 2]) -> Option<&'a ScoreAgreement> {
    let agreements = &evaluation.measured.as_ref()?.agreements;
    agreements
        .iter()
        .find(|one| [one.first.as_str(), one.second.as_str()] == names)
}

fn named<'a>(score: &'a Score, values: &'a [f64]) -> ScoreColumn<'a> {
    ScoreColumn {
        name: &score.name,
        values,
    }
}

fn missing(graph: &RunGraph, score: &Score, evaluation: &Origin) -> Note {
    Note {
        origin: Some(graph.origin(score.stage)),
        text: format!(
            "Score {} is missing or not a number for some images of {}, so its power is not measured.",
            score.name, evaluation.name
        ),
    }
}

/// Kendall's tau-b between a score and alignment, over prompts where neither is constant.
fn tau(
    rows: &[EvaluationRow],
    values: &[f64],
    bootstrap: &BootstrapSettings,
) -> Result<Option<Estimate>, BootstrapError> {
    let mut prompts: BTreeMap<&str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for (row, value) in rows.iter().zip(values) {
        let (scores, aligned) = prompts.entry(&row.prompt_id).or_default();
        scores.push(*value);
        aligned.push(f64::from(u8::from(row.aligned)));
    }
    let taus: Vec<Cluster> = prompts
        .values()
        // Lengths agree and values are numbers, so that they can always be compared.
        .filter_map(|(scores, aligned)| PairAgreement::of(scores, aligned).ok()?.tau_b())
        .map(|tau| Cluster::of([tau]))
        .collect();
    bootstrap.mean(&taus)
}
