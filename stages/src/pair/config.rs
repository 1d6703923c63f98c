//! Settings of the stage.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pairing::Pairing;
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::nonzero;
use crate::plural::plural;
use crate::select::RepeatedPrompts;
use crate::tables::score_columns::{MI, ORACLE};

/// Pairs candidates of every prompt of which one is preferred by a score, so that objectives that compare images can be
/// trained from prompts alone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairConfig {
    /// The candidates to pair.
    pub candidates: Reference,
    /// Tables with further scores of these candidates. By default, none.
    #[serde(default)]
    pub scores: Vec<Reference>,
    /// What an `evaluate` stage read off these candidates; makes the score `oracle`, 1 for an aligned image and 0 for
    /// any other. By default, none.
    #[serde(default)]
    pub evaluation: Option<Reference>,
    /// The score whose higher value is preferred: `mi`, `mi_paper` or `mi_reference` of the candidates, a column of
    /// `scores`, `oracle`, or `random` as a control that looks at no score. By default, `mi`.
    #[serde(default = "mi")]
    pub by: String,
    /// Which candidates of a prompt are paired. By default, the best with the worst.
    #[serde(default)]
    pub pairing: PairingConfig,
    /// How many of the pairs of each prompt are taken, those of the largest difference first. By default, 1.
    #[serde(default = "nonzero::<1>")]
    pub pairs_per_prompt: NonZeroU32,
    /// The scores of a pair differ by more than this; other pairs are ties and are dropped. By default, 0: equal scores
    /// make no pair.
    #[serde(default)]
    pub min_difference: f64,
    /// What becomes of prompts that several rows of the prompts share. By default, `keep`.
    #[serde(default)]
    pub repeated_prompts: RepeatedPrompts,
    /// Seed of the order among equal scores and of random choices. By default, the pipeline's seed.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// Which candidates of a prompt are paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PairingConfig {
    /// The rule. By default, `best_worst`.
    pub kind: Pairing,
}

fn mi() -> String {
    MI.to_owned()
}

/// Why nothing can be paired.
#[derive(Debug, thiserror::Error)]
pub(super) enum PairError {
    #[error("Setting `min_difference` is `{0}`, expected a finite number from 0 on")]
    MinDifference(f64),
    #[error("Score `oracle` needs `evaluation`, the output of an `evaluate` stage on the same candidates")]
    OracleWithoutEvaluation,
    #[error(
        "No pair: of no prompt do two candidates differ in `{by}` by more than `{min_difference}`, of {prompts} \
         prompt{} with {candidates} candidate{}",
        plural(*prompts as u64),
        plural(*candidates as u64)
    )]
    NothingLeft {
        by: String,
        min_difference: f64,
        prompts: usize,
        candidates: usize,
    },
}

impl PairConfig {
    pub(super) fn check(&self) -> Result<(), PairError> {
        if !(self.min_difference.is_finite() && self.min_difference >= 0.0) {
            return Err(PairError::MinDifference(self.min_difference));
        }
        match self.by == ORACLE && self.evaluation.is_none() {
            true => Err(PairError::OracleWithoutEvaluation),
            false => Ok(()),
        }
    }
}
