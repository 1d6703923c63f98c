//! The answer to the question of a run in a few numbers.

use super::super::model::{AlignmentEntry, AlignmentGroup, Headline, HeadlineModel, ModelLabel};

/// Models that are named at most.
const MODELS: usize = 7;

/// Takes base and last round from the set of images that answers best; none if nothing was measured on it.
pub(super) fn headline(groups: &[AlignmentGroup]) -> Option<Headline> {
    let group = main_group(groups)?;
    let base = group.entries.iter().find(|entry| entry.model == ModelLabel::Base);
    let base = base.and_then(|base| base.aligned);
    let last = last_round(group);
    let model = |entry: &&AlignmentEntry| {
        Some(HeadlineModel {
            model: entry.model.clone(),
            aligned: entry.aligned?,
            to_base: entry.to_base,
        })
    };
    let models: Vec<HeadlineModel> = last.iter().filter_map(model).collect();
    let all = group.entries.iter();
    let tuned = all.filter(|entry| entry.model != ModelLabel::Base).count();
    (base.is_some() || !models.is_empty()).then(|| Headline {
        prompts: group.prompts,
        images: group.images,
        held_out: group.held_out,
        confidence: group.confidence,
        base,
        models,
        others: tuned - last.len(),
    })
}

/// Chooses the evaluation that answers the question of the run: held-out prompts before others, more models before fewer.
fn main_group(groups: &[AlignmentGroup]) -> Option<&AlignmentGroup> {
    let tuned = |group: &AlignmentGroup| {
        group
            .entries
            .iter()
            .filter(|entry| entry.to_base.is_some())
            .count()
    };
    groups
        .iter()
        .rev()
        .max_by_key(|group| (tuned(group) > 0, group.held_out, tuned(group)))
}

/// The tuned models of the last round.
fn last_round(group: &AlignmentGroup) -> Vec<&AlignmentEntry> {
    let round = |entry: &AlignmentEntry| match &entry.model {
        ModelLabel::Base => None,
        ModelLabel::Tuned { round, .. } => Some(round.unwrap_or(u32::MAX)),
    };
    let last = group.entries.iter().filter_map(round).max();
    let of_last = group
        .entries
        .iter()
        .filter(|entry| last.is_some() && round(entry) == last);
    of_last.take(MODELS).collect()
}
