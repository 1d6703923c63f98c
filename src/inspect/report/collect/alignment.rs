//! Alignment by round and arm, and what changed against the base.

use mitune_stages::evaluate::measures::comparison::Comparison;
use mitune_stages::evaluate::measures::rows::EvaluationRow;
use mitune_stages::evaluate::measures::summary::EvaluationSummary;
use mitune_stages::statistics::bootstrap::{BootstrapError, Estimate};
use mitune_stages::statistics::paired::{Observation, PairedError, paired_difference};

use super::super::error::ReportError;
use super::super::model::{AlignmentEntry, AlignmentGroup, FailureTable, Interval, ModelLabel};
use super::evaluations::Evaluation;
use super::graph::RunGraph;
use super::judged::{Judged, Measured};
use super::over_seeds::{Repetition, over_seeds};
use super::rounds::rounds;
use super::shares::{attributes, failures};

/// Prompts and seed indices of images-to-be, and the evaluations that have just these.
type Members<'a> = (Vec<(&'a str, u32)>, Vec<&'a Judged<'a>>);

/// What was measured on a set of images, and how they fail, if any do.
type Group = (AlignmentGroup, Option<FailureTable>);

/// Groups evaluations of the same prompts and seed indices and compares within each group; groups that nothing was
/// selected from come first.
pub(super) fn alignment(
    graph: &RunGraph,
    judged: &[Judged<'_>],
    control_arm: &str,
    repetition: Option<usize>,
) -> Result<(Vec<AlignmentGroup>, Vec<FailureTable>), ReportError> {
    let mut groups: Vec<Members<'_>> = Vec::new();
    for one in judged {
        let mut images: Vec<(&str, u32)> = one
            .evaluation
            .rows
            .iter()
            .map(|row| (row.prompt_id.as_str(), row.seed_index))
            .collect();
        images.sort_unstable();
        match groups.iter_mut().find(|(known, _)| *known == images) {
            Some((_, members)) => members.push(one),
            None => groups.push((images, vec![one])),
        }
    }
    let groups = groups.iter().filter(|(images, _)| !images.is_empty());
    let groups = groups.map(|(_, members)| group(graph, members, control_arm, repetition));
    let mut groups = groups.collect::<Result<Vec<Group>, ReportError>>()?;
    groups.sort_by_key(|(group, _)| !group.held_out);
    let (groups, failures): (Vec<AlignmentGroup>, Vec<Option<FailureTable>>) = groups.into_iter().unzip();
    Ok((groups, failures.into_iter().flatten().collect()))
}

fn group(
    graph: &RunGraph,
    members: &[&Judged<'_>],
    control_arm: &str,
    repetition: Option<usize>,
) -> Result<Group, ReportError> {
    let measured = measure(graph, members, control_arm)?;
    let over_seeds = match repetition {
        Some(place) => {
            let repetition = Repetition {
                place,
                control: control_arm,
            };
            over_seeds(members, repetition).map_err(|error| ReportError::Statistics {
                stage: members
                    .first()
                    .map_or_else(String::new, |one| graph.stages[one.evaluation.stage].name()),
                source: error.into(),
            })?
        }
        None => Vec::new(),
    };
    let entries: Vec<AlignmentEntry> = measured.iter().map(|one| one.entry(graph)).collect();
    let summary = measured.first().map(|one| &one.summary);
    let prompts_from = members.iter().find_map(|one| one.pool.prompts);
    let held_out = members.iter().all(|one| one.pool.selected_by.is_empty());
    let controlled = entries.iter().any(|entry| entry.to_control.is_some());
    let group = AlignmentGroup {
        prompts_from: prompts_from.map(|source| graph.origin(source.stage)),
        prompts: summary.map_or(0, |summary| summary.prompts),
        images: summary.map_or(0, |summary| summary.images),
        held_out,
        control: controlled.then(|| control_arm.to_owned()),
        confidence: members
            .first()
            .map_or(0.0, |one| one.evaluation.bootstrap.confidence),
        attributes: attributes(&measured),
        rounds: rounds(&entries),
        entries,
        over_seeds,
    };
    let failures = failures(&measured).map(|shares| FailureTable { held_out, shares });
    Ok((group, failures))
}

/// Measures every evaluation of a group, the base first, then by round.
fn measure<'a>(
    graph: &RunGraph,
    members: &[&'a Judged<'a>],
    control_arm: &str,
) -> Result<Vec<Measured<'a>>, ReportError> {
    let base = members.iter().find(|one| one.pool.model == ModelLabel::Base);
    let mut measured = Vec::new();
    for &judged in members {
        let evaluation = judged.evaluation;
        let statistics = |source: Box<dyn std::error::Error + Send + Sync>| ReportError::Statistics {
            stage: graph.stages[evaluation.stage].name(),
            source,
        };
        let to_base = match base {
            Some(base) if judged.pool.model != ModelLabel::Base => {
                let change = comparison(graph, base.evaluation, evaluation);
                Some(change.map_err(|error| statistics(error.into()))?)
            }
            _ => None,
        };
        let to_control = match control(members, &judged.pool.model, control_arm) {
            Some(control) => aligned_difference(control.evaluation, evaluation)
                .map_err(|error| statistics(error.into()))?,
            None => None,
        };
        measured.push(Measured {
            judged,
            summary: summary(evaluation).map_err(|error| statistics(error.into()))?,
            to_base,
            to_control,
        });
    }
    measured.sort_by_key(|one| round(&one.judged.pool.model));
    Ok(measured)
}

impl Measured<'_> {
    fn entry(&self, graph: &RunGraph) -> AlignmentEntry {
        let to_base = self.to_base.as_ref().and_then(|change| change.aligned);
        AlignmentEntry {
            model: self.judged.pool.model.clone(),
            origin: graph.origin(self.judged.evaluation.stage),
            aligned: self.summary.aligned.map(Interval::of),
            to_base: to_base.map(Interval::difference),
            to_control: self.to_control.map(Interval::difference),
        }
    }
}

/// The base counts as round 0; an adapter outside of rounds comes last.
fn round(model: &ModelLabel) -> u32 {
    match model {
        ModelLabel::Base => 0,
        ModelLabel::Tuned { round, .. } => round.unwrap_or(u32::MAX),
    }
}

/// Finds the evaluation of the control arm in the round of another arm.
fn control<'a>(members: &[&'a Judged<'a>], model: &ModelLabel, control_arm: &str) -> Option<&'a Judged<'a>> {
    let ModelLabel::Tuned { round, arms, .. } = model else {
        return None;
    };
    let is_control = |value: &str| value.split(" / ").any(|part| part == control_arm);
    if arms.iter().any(|arm| is_control(arm)) {
        return None;
    }
    // Arms of several variables differ from their control in this one only.
    let rest = |arm: &str, other: &str| {
        let (arm, other): (Vec<&str>, Vec<&str>) = (arm.split(" / ").collect(), other.split(" / ").collect());
        let mut pairs = arm.iter().zip(&other);
        arm.len() == other.len() && pairs.all(|(one, two)| one == two || *two == control_arm)
    };
    members.iter().copied().find(|one| match &one.pool.model {
        ModelLabel::Tuned {
            round: other_round,
            arms: others,
            ..
        } => {
            other_round == round
                && others
                    .iter()
                    .any(|other| is_control(other) && arms.first().is_some_and(|arm| rest(arm, other)))
        }
        ModelLabel::Base => false,
    })
}

/// Takes the summary from the stage, or makes it.
fn summary(evaluation: &Evaluation) -> Result<EvaluationSummary, BootstrapError> {
    match &evaluation.measured {
        Some(measured) => Ok(measured.alignment.clone()),
        None => EvaluationSummary::of(&evaluation.rows, &evaluation.bootstrap),
    }
}

/// Takes the comparison from the stage if it compared with the same base, or makes it.
fn comparison(
    graph: &RunGraph,
    base: &Evaluation,
    evaluation: &Evaluation,
) -> Result<Comparison, PairedError> {
    let record = graph.stages[evaluation.stage].record.as_ref();
    let baseline = record.and_then(|record| record.inputs.get("baseline"));
    let own = evaluation
        .measured
        .as_ref()
        .and_then(|measured| measured.comparison.as_ref());
    match own.filter(|_| baseline.is_some_and(|baseline| baseline.content == base.content)) {
        Some(own) => Ok(own.clone()),
        None => Comparison::of(&base.rows, &evaluation.rows, &evaluation.bootstrap),
    }
}

fn aligned_difference(before: &Evaluation, after: &Evaluation) -> Result<Option<Estimate>, PairedError> {
    fn observations(rows: &[EvaluationRow]) -> Vec<Observation<'_>> {
        rows.iter()
            .map(|row| Observation {
                cluster: &row.prompt_id,
                unit: u64::from(row.seed_index),
                value: f64::from(u8::from(row.aligned)),
            })
            .collect()
    }
    paired_difference(
        &observations(&before.rows),
        &observations(&after.rows),
        &after.bootstrap,
    )
}
