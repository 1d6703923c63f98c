//! Which candidates count, and how much.

use super::config::{CandidateWeight, Normalisation, WeighConfig, WeighError};
use super::prompt_thresholds::PromptThreshold;
use crate::tables::candidate_index::CandidateIndex;

/// A candidate that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kept {
    /// Its row in the table of candidates.
    pub(super) row: usize,
    /// Its weight, from 0 on.
    pub(super) weight: f64,
}

/// Weighs the candidates whose score is high enough, in the order of the index; `thresholds` has one for each prompt.
pub(super) fn kept(
    config: &WeighConfig,
    index: &CandidateIndex,
    scores: &[f64],
    thresholds: &[PromptThreshold],
) -> Result<Vec<Kept>, WeighError> {
    let mut kept = Vec::new();
    for (row, (candidate, &score)) in index.rows().iter().zip(scores).enumerate() {
        if !thresholds[candidate.prompt as usize].keeps(score) {
            continue;
        }
        let weight = match config.weight {
            CandidateWeight::One => 1.0,
            CandidateWeight::Score => config.floor.map_or(score, |floor| score.max(floor)),
        };
        if weight < 0.0 {
            return Err(WeighError::Negative {
                prompt_id: index.prompt(*candidate).id.clone(),
                seed_index: candidate.seed_index,
                by: config.by.clone(),
                score,
            });
        }
        kept.push(Kept { row, weight });
    }
    let (by, highest) = (config.by.clone(), highest(scores));
    match mean_weight(&kept) {
        _ if kept.is_empty() => Err(WeighError::NothingLeft { by, highest }),
        mean if mean <= 0.0 => Err(WeighError::Weightless { by, highest }),
        mean => {
            if config.normalise == Normalisation::MeanOne {
                kept.iter_mut().for_each(|kept| kept.weight /= mean);
            }
            Ok(kept)
        }
    }
}

/// The mean of all weights.
pub(super) fn mean_weight(kept: &[Kept]) -> f64 {
    kept.iter().map(|kept| kept.weight).sum::<f64>() / kept.len() as f64
}

fn highest(scores: &[f64]) -> f64 {
    scores.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
