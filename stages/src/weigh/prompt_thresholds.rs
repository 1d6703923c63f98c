//! The threshold of each prompt.

use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::types::UInt32Type;
use mitune_diffusion::training::objectives::RewardThresholds;
use mitune_store::{Artifact, Store};

use super::config::WeighError;
use super::threshold::{NamedThresholds, Threshold};
use crate::contract::StageError;
use crate::tables::candidate_index::CandidateIndex;
use crate::tables::columns::{ColumnError, number_column, string_column};

/// Which scores of the candidates of a prompt are high enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PromptThreshold {
    /// All.
    None,
    /// Those above a number.
    Same(f64),
    /// Those above what is for the line of the prompt, counted from 0.
    OfLine(RewardThresholds, usize),
}

impl PromptThreshold {
    /// Whether a score is high enough.
    pub(super) fn keeps(self, score: f64) -> bool {
        match self {
            Self::None => true,
            Self::Same(threshold) => score > threshold,
            Self::OfLine(thresholds, line) => thresholds.keeps(line, score),
        }
    }
}

/// Where a prompt stands.
struct Place {
    category: Option<String>,
    /// From 1.
    line: u32,
}

/// The threshold of each prompt of the candidates, in the order of the index.
pub(super) fn prompt_thresholds(
    threshold: Option<&Threshold>,
    store: &Store,
    prompts: Option<&Artifact>,
    index: &CandidateIndex,
) -> Result<Vec<PromptThreshold>, StageError> {
    let everywhere = |threshold: PromptThreshold| Ok(vec![threshold; index.prompts().len()]);
    match threshold {
        None => return everywhere(PromptThreshold::None),
        Some(Threshold::Same(number)) => return everywhere(PromptThreshold::Same(*number)),
        Some(Threshold::ByWording(_) | Threshold::Named(NamedThresholds::T2iCompbench)) => {}
    }
    let Some(prompts) = prompts else {
        return Err(StageError::configuration(WeighError::ThresholdWithoutPrompts));
    };
    let places = places(store, prompts)?;
    let of_place = |place: &Place| match threshold {
        Some(Threshold::ByWording(own)) => Some(RewardThresholds::from(*own)),
        _ => of_category(place.category.as_deref()),
    };
    let of_prompt = |id: &str| -> Result<PromptThreshold, WeighError> {
        let place = places.get(id).ok_or_else(|| WeighError::NoPrompt {
            prompt_id: id.to_owned(),
        })?;
        let thresholds = of_place(place).ok_or_else(|| WeighError::NoThreshold {
            prompt_id: id.to_owned(),
            category: place.category.clone(),
        })?;
        let line = place.line.saturating_sub(1) as usize;
        Ok(PromptThreshold::OfLine(thresholds, line))
    };
    let prompts = index.prompts().iter();
    prompts
        .map(|prompt| of_prompt(&prompt.id).map_err(StageError::configuration))
        .collect()
}

/// What the code of T2I-CompBench has for a category.
fn of_category(category: Option<&str>) -> Option<RewardThresholds> {
    match category? {
        "color" => Some(RewardThresholds::COLOR),
        "shape" => Some(RewardThresholds::SHAPE),
        "texture" => Some(RewardThresholds::TEXTURE),
        "spatial" => Some(RewardThresholds::SPATIAL),
        "non_spatial" => Some(RewardThresholds::NON_SPATIAL),
        "complex" => Some(RewardThresholds::COMPLEX),
        _ => None,
    }
}

/// Where each prompt stands, by its id.
fn places(store: &Store, prompts: &Artifact) -> Result<HashMap<String, Place>, StageError> {
    let mut places = HashMap::new();
    let columns = ["prompt_id", "category", "line"];
    for batch in store.artifacts().read_table(prompts, Some(&columns))? {
        let batch = batch?;
        let read = || -> Result<_, ColumnError> {
            let lines = number_column::<UInt32Type>(&batch, "line")?;
            Ok((
                string_column(&batch, "prompt_id")?,
                string_column(&batch, "category")?,
                lines,
            ))
        };
        let (ids, categories, lines) = read().map_err(StageError::failed)?;
        for row in 0..batch.num_rows() {
            let place = Place {
                category: categories.is_valid(row).then(|| categories.value(row).to_owned()),
                line: lines.value(row),
            };
            places.insert(ids.value(row).to_owned(), place);
        }
    }
    Ok(places)
}
