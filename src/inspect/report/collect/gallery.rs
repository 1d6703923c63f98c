//! Candidates of a few prompts, ordered by a score.

use std::collections::{HashMap, HashSet};

use arrow_array::types::UInt32Type;
use mitune_stages::tables::columns::{number_column, string_column};

use super::super::error::ReportError;
use super::super::model::{
    Extreme, Extremes, ExtremesOfPrompt, Gallery, GalleryCandidate, GalleryPrompt, ImageJudgement, Picture,
    Verdict,
};
use super::candidates::{CandidatePrompt, Candidates, Score};
use super::choose::spread;
use super::evaluations::Evaluation;
use super::judgements::{Judgements, judgements};
use super::pictures::{Identity, Pictures, Png};
use super::pools::Pool;
use super::tables::Table;

/// How much of a pool is shown.
#[derive(Clone, Copy)]
pub(super) struct Extent<'a> {
    pub(super) prompts: usize,
    pub(super) candidates: usize,
    pub(super) score: &'a str,
    /// Pools with candidates that could be shown instead.
    pub(super) other_pools: usize,
}

/// Candidates of a prompt that are shown at least.
const FEWEST: usize = 4;

impl Extent<'_> {
    /// Reduces prompts, then candidates, until no more than `images` are shown; every further score adds the candidates
    /// at its two ends.
    fn within(self, images: usize, scores: usize) -> Self {
        let ends = 2 * scores.saturating_sub(1);
        let prompts = self.prompts.min((images / (FEWEST + ends)).max(1));
        let candidates = (images / prompts.max(1)).saturating_sub(ends).max(2);
        Self {
            prompts,
            candidates: self.candidates.min(candidates),
            ..self
        }
    }
}

/// Candidates of a prompt that are shown, with their ranks from 1.
struct Shown<'a> {
    prompt: &'a CandidatePrompt,
    candidates: Vec<(usize, u32)>,
    left_out: usize,
    /// First and last seed index by each score.
    ends: Vec<Option<[u32; 2]>>,
}

/// What is known of the candidates that are shown.
struct Look {
    images: HashMap<Identity, Png>,
    verdicts: HashMap<Identity, Verdict>,
    judgements: Judgements,
    selected: HashMap<Identity, Vec<String>>,
}

/// Shows candidates of evenly spread prompts, and those that each score puts first and last; none if there is no image
/// or no score.
pub(super) fn gallery(
    pictures: &mut Pictures<'_, '_>,
    pool: &Pool<'_>,
    candidates: &Candidates,
    evaluation: Option<&Evaluation>,
    extent: Extent<'_>,
) -> Result<(Option<Gallery>, Option<Extremes>), ReportError> {
    let by_name = |name: &str| candidates.scores.iter().position(|score| score.name == name);
    let Some(sorted_by) = by_name(extent.score).or((!candidates.scores.is_empty()).then_some(0)) else {
        return Ok((None, None));
    };
    let limit = pictures.decoded_limit(pool.candidates)?;
    let extent = limit.map_or(extent, |images| extent.within(images, candidates.scores.len()));
    let shown: Vec<Shown<'_>> = spread(candidates.prompts.len(), extent.prompts)
        .into_iter()
        .map(|position| {
            Shown::of(
                &candidates.prompts[position],
                candidates,
                sorted_by,
                extent.candidates,
            )
        })
        .collect();
    let wanted: HashSet<Identity> = shown.iter().flat_map(Shown::identities).collect();
    let look = Look {
        images: pictures.fetch(pool.candidates, &wanted)?,
        verdicts: evaluation.map(verdicts).unwrap_or_default(),
        judgements: judgements(pictures.store, pictures.graph, pool, &wanted)?,
        selected: selected(pictures, pool)?,
    };
    let (prompts, ends): (Vec<GalleryPrompt>, Vec<ExtremesOfPrompt>) = shown
        .iter()
        .map(|shown| (shown.ranked(candidates, &look), shown.extremes(candidates, &look)))
        .filter(|(prompt, _)| !prompt.candidates.is_empty())
        .unzip();
    let scores: Vec<String> = candidates.scores.iter().map(|score| score.name.clone()).collect();
    let prompts_in_all = candidates.prompts.len();
    let has_ends = ends.iter().any(|prompt| prompt.ends.iter().any(Option::is_some));
    let extremes = has_ends.then(|| Extremes {
        scores: scores.clone(),
        prompts_in_all,
        prompts: ends,
    });
    let gallery = (!prompts.is_empty()).then(|| Gallery {
        origin: pictures.graph.origin(pool.candidates.stage),
        model: pool.model.clone(),
        scores,
        sorted_by,
        prompts_in_all,
        prompts,
        other_pools: extent.other_pools,
    });
    Ok((gallery, extremes))
}

impl<'a> Shown<'a> {
    /// Orders the candidates of a prompt, the best first, and drops those in the middle that are too many.
    fn of(prompt: &'a CandidatePrompt, candidates: &Candidates, sorted_by: usize, limit: usize) -> Self {
        let ranked: Vec<(usize, u32)> = (1..).zip(order(prompt, &candidates.scores[sorted_by])).collect();
        let left_out = ranked.len().saturating_sub(limit);
        let best = limit.div_ceil(2);
        let shown = |(rank, _): &(usize, u32)| left_out == 0 || *rank <= best || *rank > best + left_out;
        let ends = |score| {
            let order = order(prompt, score);
            match order[..] {
                [first, .., last] => Some([first, last]),
                _ => None,
            }
        };
        Self {
            prompt,
            candidates: ranked.into_iter().filter(shown).collect(),
            left_out,
            ends: candidates.scores.iter().map(ends).collect(),
        }
    }

    fn identities(&self) -> impl Iterator<Item = Identity> + '_ {
        let ranked = self.candidates.iter().map(|(_, seed_index)| *seed_index);
        let ends = self.ends.iter().flatten().flatten().copied();
        ranked
            .chain(ends)
            .map(|seed_index| (self.prompt.id.clone(), seed_index))
    }

    fn extremes(&self, candidates: &Candidates, look: &Look) -> ExtremesOfPrompt {
        let id = &self.prompt.id;
        let extreme = |score: &Score, seed_index: u32| {
            Some(Extreme {
                seed_index,
                score: score.of(id, seed_index)?,
                picture: look.picture(id, seed_index)?,
            })
        };
        let ends = candidates.scores.iter().zip(&self.ends).map(|(score, ends)| {
            let [first, last] = (*ends)?;
            Some([extreme(score, first)?, extreme(score, last)?])
        });
        ExtremesOfPrompt {
            text: self.prompt.text.clone(),
            ends: ends.collect(),
        }
    }

    fn ranked(&self, candidates: &Candidates, look: &Look) -> GalleryPrompt {
        let id = &self.prompt.id;
        let shown = self.candidates.iter().filter_map(|&(rank, seed_index)| {
            Some(GalleryCandidate {
                seed_index,
                rank,
                scores: candidates
                    .scores
                    .iter()
                    .map(|score| score.of(id, seed_index))
                    .collect(),
                selected_by: look.selected.get(&(id.clone(), seed_index)).cloned(),
                picture: look.picture(id, seed_index)?,
            })
        });
        GalleryPrompt {
            text: self.prompt.text.clone(),
            left_out: self.left_out,
            candidates: shown.collect(),
        }
    }
}

impl Look {
    fn picture(&self, prompt_id: &str, seed_index: u32) -> Option<Picture> {
        let identity = (prompt_id.to_owned(), seed_index);
        Some(picture(
            self.images.get(&identity)?,
            self.verdicts.get(&identity),
            self.judgements.get(&identity),
        ))
    }
}

/// The seed indices of a prompt by falling score; candidates without a score last, equal ones by seed index.
fn order(prompt: &CandidatePrompt, score: &Score) -> Vec<u32> {
    let value = |seed: u32| score.of(&prompt.id, seed).unwrap_or(f64::NEG_INFINITY);
    let mut order = prompt.seed_indices.clone();
    order.sort_by(|&one, &other| value(other).total_cmp(&value(one)).then(one.cmp(&other)));
    order
}

/// Indexes what was read off images.
pub(super) fn verdicts(evaluation: &Evaluation) -> HashMap<Identity, Verdict> {
    let rows = evaluation.rows.iter();
    rows.map(|row| {
        let verdict = Verdict {
            aligned: row.aligned,
            reading: row.reading.clone(),
        };
        ((row.prompt_id.clone(), row.seed_index), verdict)
    })
    .collect()
}

/// Joins an image with what was read off it and what judges said of it.
pub(super) fn picture(
    png: &Png,
    verdict: Option<&Verdict>,
    judgements: Option<&Vec<ImageJudgement>>,
) -> Picture {
    Picture {
        png: png.base64.clone(),
        width: png.width,
        height: png.height,
        verdict: verdict.cloned(),
        judgements: judgements.cloned().unwrap_or_default(),
    }
}

/// Finds which arms selected which candidates.
fn selected(
    pictures: &Pictures<'_, '_>,
    pool: &Pool<'_>,
) -> Result<HashMap<Identity, Vec<String>>, ReportError> {
    let mut selected: HashMap<Identity, Vec<String>> = HashMap::new();
    for &stage in &pool.selected_by {
        let Some(source) = pictures.graph.output(stage, "selection") else {
            continue;
        };
        let table = Table {
            store: pictures.store,
            graph: pictures.graph,
            source,
        };
        let by: Vec<String> = pictures.graph.stages[stage]
            .names
            .iter()
            .filter(|name| !name.arms.is_empty())
            .map(|name| name.arms.join(" / "))
            .collect();
        for batch in table.read(Some(&["prompt_id", "seed_index"]))? {
            let batch = batch?;
            let ids = string_column(&batch, "prompt_id").map_err(|error| table.column_error(error))?;
            let seeds = number_column::<UInt32Type>(&batch, "seed_index")
                .map_err(|error| table.column_error(error))?;
            for row in 0..batch.num_rows() {
                let identity = (ids.value(row).to_owned(), seeds.value(row));
                selected.entry(identity).or_default().extend(by.iter().cloned());
            }
        }
    }
    Ok(selected)
}
