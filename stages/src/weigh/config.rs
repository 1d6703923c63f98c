//! Settings of the stage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::threshold::Threshold;
use crate::contract::reference::Reference;
use crate::tables::score_columns::{MI, ORACLE};

/// Says how much each candidate counts by a score, and leaves out those below a threshold: the data of GORS.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeighConfig {
    /// The candidates to weigh.
    pub candidates: Reference,
    /// Tables with further scores of these candidates. By default, none.
    #[serde(default)]
    pub scores: Vec<Reference>,
    /// What an `evaluate` stage read off these candidates; makes the score `oracle`, 1 for an aligned image and 0 for
    /// any other. By default, none.
    #[serde(default)]
    pub evaluation: Option<Reference>,
    /// The prompts of the candidates, which a `threshold` needs that depends on the category or the line of a prompt. By
    /// default, none.
    #[serde(default)]
    pub prompts: Option<Reference>,
    /// The score: `mi`, `mi_paper` or `mi_reference` of the candidates, a column of `scores`, or `oracle`. By default,
    /// `mi`.
    #[serde(default = "mi")]
    pub by: String,
    /// Candidates count whose score is above this: a number, `{template: 0.92, natural: 0.7}` for two kinds of prompts,
    /// or `t2i_compbench` for the numbers that its code has for each category. By default, all candidates count.
    #[serde(default)]
    pub threshold: Option<Threshold>,
    /// What a candidate weighs. By default, its `score`.
    #[serde(default)]
    pub weight: CandidateWeight,
    /// Scores below this weigh as much as this; a score below 0 needs it, because no weight is negative. By default,
    /// none.
    #[serde(default)]
    pub floor: Option<f64>,
    /// What the weights are divided by. By default, `none`.
    #[serde(default)]
    pub normalise: Normalisation,
}

/// What a candidate weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CandidateWeight {
    /// Its score, as GORS has it. The default.
    #[default]
    Score,
    /// 1, so that only the threshold matters.
    One,
}

/// What weights are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// Nothing, as GORS has it. The default.
    #[default]
    None,
    /// Their mean, so that a learning rate means the same whatever the scale of the score.
    MeanOne,
}

fn mi() -> String {
    MI.to_owned()
}

/// Why nothing can be weighed.
#[derive(Debug, thiserror::Error)]
pub(super) enum WeighError {
    #[error("Setting `{setting}` is `{found}`, expected a finite number{range}")]
    Number {
        setting: &'static str,
        found: f64,
        range: &'static str,
    },
    #[error("Score `oracle` needs `evaluation`, the output of an `evaluate` stage on the same candidates")]
    OracleWithoutEvaluation,
    #[error(
        "Setting `threshold` depends on the category or the line of a prompt and needs `prompts`, the output of an \
         `ingest` stage"
    )]
    ThresholdWithoutPrompts,
    #[error("Prompt `{prompt_id}` of the candidates is not in `prompts`")]
    NoPrompt { prompt_id: String },
    #[error(
        "Prompt `{prompt_id}` is of {}, for which T2I-CompBench has no threshold; give a number as `threshold`",
        category.as_ref().map_or("no category".to_owned(), |category| format!("category `{category}`"))
    )]
    NoThreshold {
        prompt_id: String,
        category: Option<String>,
    },
    #[error(
        "Candidate `{seed_index}` of prompt `{prompt_id}` has `{by}` of {score}, and no weight is negative: `floor: 0` \
         makes it 0, `threshold: 0` leaves it out, or weigh by another score"
    )]
    Negative {
        prompt_id: String,
        seed_index: u32,
        by: String,
        score: f64,
    },
    #[error("No candidate has `{by}` above its threshold; the highest is `{highest}`")]
    NothingLeft { by: String, highest: f64 },
    #[error("No candidate weighs anything: the highest `{by}` is `{highest}`, expected one above 0")]
    Weightless { by: String, highest: f64 },
}

impl WeighConfig {
    pub(super) fn check(&self) -> Result<(), WeighError> {
        let thresholds = self.threshold.iter().flat_map(Threshold::numbers);
        let thresholds = thresholds.map(|number| ("threshold", number, f64::MIN, ""));
        let floor = self.floor.map(|number| ("floor", number, 0.0, " from 0 on"));
        for (setting, found, least, range) in thresholds.chain(floor) {
            if !(found.is_finite() && found >= least) {
                return Err(WeighError::Number {
                    setting,
                    found,
                    range,
                });
            }
        }
        let of_prompts = self.threshold.as_ref().is_some_and(Threshold::needs_prompts);
        match (self.by == ORACLE, of_prompts) {
            (true, _) if self.evaluation.is_none() => Err(WeighError::OracleWithoutEvaluation),
            (_, true) if self.prompts.is_none() => Err(WeighError::ThresholdWithoutPrompts),
            _ => Ok(()),
        }
    }
}
