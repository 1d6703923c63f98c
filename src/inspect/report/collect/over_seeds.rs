//! Arms that were repeated with other seeds, taken together.

use std::collections::BTreeMap;

use mitune_stages::evaluate::measures::rows::EvaluationRow;
use mitune_stages::statistics::bootstrap::{BootstrapError, Cluster};

use super::super::model::{Interval, ModelLabel, OverSeeds, SeedShare};
use super::evaluations::Evaluation;
use super::judged::Judged;

/// How arms are taken apart.
#[derive(Clone, Copy)]
pub(super) struct Repetition<'a> {
    /// Place among the values of an arm that says which repetition it is.
    pub(super) place: usize,
    /// Value of the arm that others are compared with.
    pub(super) control: &'a str,
}

/// An arm without its seed in one round, with the evaluation of each seed.
struct Repeated<'a> {
    arm: String,
    round: u32,
    seeds: Vec<(String, &'a Evaluation)>,
}

/// Joins the seeds of every arm and round, over resamples of prompts and seeds; arms with one seed are left out.
pub(super) fn over_seeds(
    members: &[&Judged<'_>],
    repetition: Repetition<'_>,
) -> Result<Vec<OverSeeds>, BootstrapError> {
    let base = members.iter().find(|one| one.pool.model == ModelLabel::Base);
    let repeated = repeated(members, repetition.place);
    let mut found = Vec::new();
    for one in repeated.iter().filter(|one| one.seeds.len() > 1) {
        let bootstrap = &one.seeds[0].1.bootstrap;
        let mean = |cells: Vec<Vec<Cluster>>| bootstrap.crossed_mean(&cells);
        let rows = |evaluation: &Evaluation| clusters(&evaluation.rows, &[]);
        let shares = one.seeds.iter().map(|(_, evaluation)| rows(evaluation)).collect();
        let to_base = base.map(|base| {
            let seeds = one.seeds.iter();
            seeds
                .map(|(_, evaluation)| clusters(&evaluation.rows, &base.evaluation.rows))
                .collect()
        });
        let control = repeated.iter().find(|other| {
            let is_control = other.arm.split(" / ").any(|part| part == repetition.control);
            other.round == one.round && is_control && other.arm != one.arm
        });
        let to_control: Option<Vec<Vec<Cluster>>> = control.and_then(|control| {
            let before = |seed: &String| control.seeds.iter().find(|(other, _)| other == seed);
            let pairs = one
                .seeds
                .iter()
                .map(|(seed, after)| before(seed).map(|(_, before)| clusters(&after.rows, &before.rows)));
            pairs.collect()
        });
        let share = |evaluation: &Evaluation| {
            let aligned = evaluation.rows.iter().filter(|row| row.aligned).count();
            aligned as f64 / evaluation.rows.len().max(1) as f64
        };
        found.push(OverSeeds {
            arm: one.arm.clone(),
            round: one.round,
            seeds: one
                .seeds
                .iter()
                .map(|(seed, evaluation)| SeedShare {
                    seed: seed.clone(),
                    aligned: share(evaluation),
                })
                .collect(),
            aligned: mean(shares)?.map(Interval::of),
            to_base: to_base.map(mean).transpose()?.flatten().map(Interval::difference),
            to_control: to_control
                .map(mean)
                .transpose()?
                .flatten()
                .map(Interval::difference),
        });
    }
    Ok(found)
}

/// Gathers arms that differ in their seed alone.
fn repeated<'a>(members: &[&'a Judged<'a>], place: usize) -> Vec<Repeated<'a>> {
    let mut found: Vec<Repeated<'a>> = Vec::new();
    for one in members {
        let ModelLabel::Tuned {
            round: Some(round),
            arms,
            ..
        } = &one.pool.model
        else {
            continue;
        };
        for arm in arms {
            let mut values: Vec<&str> = arm.split(" / ").collect();
            if place >= values.len() {
                continue;
            }
            let seed = values.remove(place).to_owned();
            let arm = values.join(" / ");
            let known = found
                .iter_mut()
                .find(|other| other.arm == arm && other.round == *round);
            match known {
                Some(known) => known.seeds.push((seed, one.evaluation)),
                None => found.push(Repeated {
                    arm,
                    round: *round,
                    seeds: vec![(seed, one.evaluation)],
                }),
            }
        }
    }
    found.sort_by_key(|one| one.round);
    found
}

/// One cluster per prompt of what images have, less what the same images had before where there is a before.
fn clusters(rows: &[EvaluationRow], before: &[EvaluationRow]) -> Vec<Cluster> {
    let value = |row: &EvaluationRow| f64::from(u8::from(row.aligned));
    let earlier: BTreeMap<(&str, u32), f64> = before
        .iter()
        .map(|row| ((row.prompt_id.as_str(), row.seed_index), value(row)))
        .collect();
    let mut clusters: BTreeMap<&str, Cluster> = BTreeMap::new();
    for row in rows {
        let before = earlier.get(&(row.prompt_id.as_str(), row.seed_index)).copied();
        clusters
            .entry(&row.prompt_id)
            .or_default()
            .add(value(row) - before.unwrap_or(0.0));
    }
    clusters.into_values().collect()
}
