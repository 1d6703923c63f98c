//! Settings of the stage.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::reference::Reference;
use crate::plural::plural;
use crate::tables::score_columns::MI;

/// Chooses candidates of every prompt by a score, for fine-tuning or to look at.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectConfig {
    /// The candidates, or latents of given images, to choose from.
    pub candidates: Reference,
    /// Tables with further scores of these candidates. By default, none.
    #[serde(default)]
    pub scores: Vec<Reference>,
    /// What an `evaluate` stage read off these candidates; makes the score `oracle`, 1 for an aligned image and 0 for
    /// any other. By default, none.
    #[serde(default)]
    pub evaluation: Option<Reference>,
    /// The score to choose by: `mi`, `mi_paper` or `mi_reference` of the candidates, a column of `scores`, `oracle`, or
    /// `random` for a choice that looks at no score. By default, `mi`.
    #[serde(default = "mi")]
    pub by: String,
    /// Whether the highest or the lowest scores are chosen. By default, `top`.
    #[serde(default)]
    pub order: Option<SelectionOrder>,
    /// How many candidates of each prompt, or of all with `within: all`, are chosen, fewer where there are fewer. By
    /// default, 1.
    #[serde(default)]
    pub top_k: Option<NonZeroU32>,
    /// Which ranks of each prompt are chosen in place of `order` and `top_k`, from 1 for the highest score: `[1, 25, 50]`
    /// takes the best, a middle and the last of 50. By default, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranks: Vec<NonZeroU32>,
    /// Among which candidates the best are looked for. By default, `prompt`.
    #[serde(default, skip_serializing_if = "SelectionPool::is_default")]
    pub within: SelectionPool,
    /// What becomes of prompts that several rows of the prompts share. By default, `keep`.
    #[serde(default, skip_serializing_if = "RepeatedPrompts::is_default")]
    pub repeated_prompts: RepeatedPrompts,
    /// Leaves out candidates with a lower score, whatever the order. By default, none are left out.
    #[serde(default)]
    pub min_score: Option<f64>,
    /// Seed of the random choice, and of the choice among equal scores. By default, the pipeline's seed.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// Which end of the scores is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectionOrder {
    /// The highest scores.
    #[default]
    Top,
    /// The lowest scores, as a control.
    Bottom,
}

/// Among which candidates the best are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectionPool {
    /// Those of each prompt, so that every prompt has its best.
    #[default]
    Prompt,
    /// All of the table, whatever their prompts: the best captioned images of a set, of which each prompt has one or few.
    /// Scores must then be comparable across prompts. `rank` still counts the candidates of a prompt.
    All,
}

impl SelectionPool {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of prompts that several rows share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedPrompts {
    /// Every row is chosen from, so that an image of a prompt that stands twice in a file is trained on twice; algorithm 1
    /// of the paper goes over all prompts of a set. The default.
    #[default]
    Keep,
    /// The first row of each text only. The reference code names its results by the text and so ends with one for each:
    /// 679 for the 700 color prompts of T2I-CompBench.
    Once,
}

impl RepeatedPrompts {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn mi() -> String {
    MI.to_owned()
}

/// Why nothing can be selected.
#[derive(Debug, thiserror::Error)]
pub(super) enum SelectError {
    #[error("Setting `min_score` is `{0}`, expected a finite number")]
    MinScore(f64),
    #[error("Setting `min_score` has no meaning with `by: random`")]
    MinScoreOfRandom,
    #[error("Setting `{0}` has no meaning with `ranks`, which says all; leave it out")]
    BesideRanks(&'static str),
    #[error("Setting `ranks` has `{0}` twice")]
    RankTwice(NonZeroU32),
    #[error(
        "Setting `ranks` asks for rank `{rank}`, and prompt `{prompt_id}` has {candidates} candidate{}",
        plural(*candidates as u64)
    )]
    NoSuchRank {
        rank: NonZeroU32,
        prompt_id: String,
        candidates: usize,
    },
    #[error("Score `oracle` needs `evaluation`, the output of an `evaluate` stage on the same candidates")]
    OracleWithoutEvaluation,
    #[error(
        "Given images have no `{0}`, which only a generation has; make scores of them with a `score` stage, name it in \
         `scores`, and choose by one of its columns, such as `mi_signed` or `mi_forward`"
    )]
    NotGenerated(String),
    #[error("No candidate has `{by}` of at least `{min_score}`; the highest is `{highest}`")]
    NothingLeft {
        by: String,
        min_score: f64,
        highest: f64,
    },
}

impl SelectConfig {
    pub(super) fn check_ranks(&self) -> Result<(), SelectError> {
        if self.ranks.is_empty() {
            return Ok(());
        }
        let beside = [
            ("order", self.order.is_some()),
            ("top_k", self.top_k.is_some()),
            ("min_score", self.min_score.is_some()),
            ("within", self.within == SelectionPool::All),
        ];
        if let Some((setting, _)) = beside.into_iter().find(|(_, set)| *set) {
            return Err(SelectError::BesideRanks(setting));
        }
        let twice = |place: usize| self.ranks[..place].contains(&self.ranks[place]);
        match (0..self.ranks.len()).find(|&place| twice(place)) {
            Some(place) => Err(SelectError::RankTwice(self.ranks[place])),
            None => Ok(()),
        }
    }
}
