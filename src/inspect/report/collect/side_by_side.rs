//! Images of the base and of tuned models for the same prompts and seed indices.

use std::collections::HashSet;

use super::super::error::ReportError;
use super::super::model::{ModelLabel, Picture, SideBySide, SideBySidePrompt};
use super::candidates::Candidates;
use super::choose::spread;
use super::evaluations::Evaluation;
use super::gallery::{picture, verdicts};
use super::judgements::judgements;
use super::pictures::{Identity, Pictures};
use super::pools::Pool;

/// Models that are compared at most.
const MODELS: usize = 8;

/// A pool that may be compared.
pub(super) struct Side<'a> {
    pub(super) pool: &'a Pool<'a>,
    pub(super) evaluation: Option<&'a Evaluation>,
}

/// How much is compared.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) prompts: usize,
    pub(super) images: usize,
    /// Tuned models with images of the same prompts that were not chosen.
    pub(super) other_models: usize,
    /// Other tables of prompts for which models could be compared.
    pub(super) other_tables: usize,
}

impl Extent {
    /// Reduces prompts, then images, until each model shows no more than `images` of them.
    fn within(self, images: usize) -> Self {
        let prompts = self.prompts.min((images / 2).max(1));
        Self {
            prompts,
            images: self.images.min((images / prompts.max(1)).max(1)),
            ..self
        }
    }
}

/// Shows the images of evenly spread prompts by all models; none unless two of them have an image.
///
/// `base` gives prompts and seed indices; a prompt that another model lacks an image of is left out.
pub(super) fn side_by_side(
    pictures: &mut Pictures<'_, '_>,
    base: &Side<'_>,
    tuned: &[Side<'_>],
    candidates: &Candidates,
    extent: Extent,
) -> Result<Option<SideBySide>, ReportError> {
    let sides: Vec<&Side<'_>> = std::iter::once(base).chain(tuned).take(MODELS).collect();
    let mut limits = Vec::new();
    for side in &sides {
        limits.extend(pictures.decoded_limit(side.pool.candidates)?);
    }
    let limit = limits.iter().min().map(|images| (images / limits.len()).max(1));
    let Extent { prompts, images, .. } = limit.map_or(extent, |images| extent.within(images));
    let chosen: Vec<(&str, &str, Vec<u32>)> = spread(candidates.prompts.len(), prompts)
        .into_iter()
        .map(|position| {
            let prompt = &candidates.prompts[position];
            let mut seeds = prompt.seed_indices.clone();
            seeds.sort_unstable();
            seeds.truncate(images);
            (prompt.id.as_str(), prompt.text.as_str(), seeds)
        })
        .collect();
    let wanted: HashSet<Identity> = chosen
        .iter()
        .flat_map(|(id, _, seeds)| seeds.iter().map(|seed| ((*id).to_owned(), *seed)))
        .collect();
    let mut fetched = Vec::new();
    for side in &sides {
        let images = pictures.fetch(side.pool.candidates, &wanted)?;
        let verdicts = side.evaluation.map(verdicts).unwrap_or_default();
        let judged = judgements(pictures.store, pictures.graph, side.pool, &wanted)?;
        fetched.push((images, verdicts, judged));
    }
    let mut shown = Vec::new();
    for (id, text, seeds) in chosen {
        let rows: Option<Vec<Vec<Picture>>> = fetched
            .iter()
            .map(|(images, verdicts, judged)| {
                let one = |seed: &u32| {
                    let identity = (id.to_owned(), *seed);
                    Some(picture(
                        images.get(&identity)?,
                        verdicts.get(&identity),
                        judged.get(&identity),
                    ))
                };
                seeds.iter().map(one).collect()
            })
            .collect();
        if let Some(rows) = rows {
            shown.push(SideBySidePrompt {
                text: text.to_owned(),
                seed_indices: seeds,
                rows,
            });
        }
    }
    let models: Vec<_> = sides
        .iter()
        .map(|side| {
            (
                side.pool.model.clone(),
                pictures.graph.origin(side.pool.candidates.stage),
            )
        })
        .collect();
    Ok((models.len() > 1 && !shown.is_empty()).then(|| SideBySide {
        other_models: extent.other_models + (tuned.len() + 1).saturating_sub(MODELS),
        other_tables: extent.other_tables,
        models,
        prompts_in_all: candidates.prompts.len(),
        prompts: shown,
    }))
}

/// Chooses the tuned pools to compare: those of the last round that has the prompts of the base.
pub(super) fn last_round<'a>(pools: &[&'a Pool<'a>]) -> Vec<&'a Pool<'a>> {
    let round = |pool: &Pool<'_>| match &pool.model {
        ModelLabel::Base => None,
        ModelLabel::Tuned { round, .. } => Some(round.unwrap_or(u32::MAX)),
    };
    let last = pools.iter().filter_map(|pool| round(pool)).max();
    let of_last = pools.iter().filter(|pool| last.is_some() && round(pool) == last);
    of_last.copied().collect()
}
