//! Settings of the stage, and the stage they make.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::reference::Reference;
use crate::contract::setting_limits::MOST_AGREEING;
use crate::contract::{
    Content, InputPort, KnownInputs, OutputPort, Stage, StageConfig, StageContext, StageDefaults, StageError,
    StageOutput, keyed_config,
};
use crate::plural::plural;
use crate::statistics::bootstrap::BootstrapSettings;
use crate::tables::matching::UnrelatedTable;
use crate::tables::score_columns::check_known;

/// Measures how far columns of numbers about the same candidates agree: Kendall's tau, the best of each prompt, and what
/// the best of n by one column is worth to another.
///
/// Intervals are made by resampling prompts, as `evaluate` makes them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgreeConfig {
    /// The candidates, or latents of given images, that the columns are about.
    pub candidates: Reference,
    /// Tables with further columns of these candidates, such as what judges say. By default, none.
    #[serde(default)]
    pub scores: Vec<Reference>,
    /// What an `evaluate` stage read off these candidates; makes the column `oracle`, 1 for an aligned image and 0 for
    /// any other. By default, none.
    #[serde(default)]
    pub evaluation: Option<Reference>,
    /// The columns, two or more: `mi`, `mi_paper` or `mi_reference` of the candidates, columns of `scores`, or `oracle`.
    pub columns: Vec<String>,
    /// Those of `columns` in which lower numbers are better. By default, none.
    #[serde(default)]
    pub lower_is_better: Vec<String>,
    /// Which ranks of each prompt by the first column are looked at, from 1 for the best: `[1, 25, 50]` is the study of the
    /// MI-TUNE paper. Equal numbers are ranked in the order of the table. By default, all candidates are.
    #[serde(default)]
    pub ranks: Vec<NonZeroU32>,
    /// How intervals are made. By default, 95% from 10,000 resamples of prompts, with seed 0.
    #[serde(default)]
    pub bootstrap: BootstrapSettings,
}

/// A setting that no run can use.
#[derive(Debug, thiserror::Error)]
pub(super) enum AgreeError {
    #[error(
        "Setting `columns` has {found} name{}, expected 2 to {}",
        plural(*found as u64),
        MOST_AGREEING
    )]
    Columns { found: usize },
    #[error("Setting `columns` has `{0}` twice")]
    ColumnTwice(String),
    #[error("Setting `lower_is_better` has `{0}`, which is none of `columns`")]
    NoSuchColumn(String),
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
}

impl StageConfig for AgreeConfig {
    const KIND: &'static str = "agree";

    fn build(self, _: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.bootstrap.check().map_err(StageError::configuration)?;
        Ok(Box::new(Agree {
            config: self,
            inputs: KnownInputs::default(),
        }))
    }
}

impl AgreeConfig {
    /// Checks what the lists of the settings hold.
    pub(super) fn check(&self) -> Result<(), AgreeError> {
        let found = self.columns.len();
        if !(2..=MOST_AGREEING).contains(&found) {
            return Err(AgreeError::Columns { found });
        }
        if let Some(twice) = repeated(&self.columns) {
            return Err(AgreeError::ColumnTwice(twice.clone()));
        }
        if let Some(other) = self
            .lower_is_better
            .iter()
            .find(|name| !self.columns.contains(name))
        {
            return Err(AgreeError::NoSuchColumn(other.clone()));
        }
        match repeated(&self.ranks) {
            Some(twice) => Err(AgreeError::RankTwice(*twice)),
            None => Ok(()),
        }
    }

    /// What a number of a column is multiplied with so that higher is better.
    pub(super) fn direction(&self, column: &str) -> f64 {
        match self.lower_is_better.iter().any(|lower| lower == column) {
            true => -1.0,
            false => 1.0,
        }
    }
}

fn repeated<T: Ord>(values: &[T]) -> Option<&T> {
    let mut seen = BTreeSet::new();
    values.iter().find(|value| !seen.insert(*value))
}

/// Tables of finished images.
const FINISHED: &[Content] = &[Content::Candidates, Content::Latents];

/// The stage.
pub(super) struct Agree {
    pub(super) config: AgreeConfig,
    pub(super) inputs: KnownInputs,
}

impl Stage for Agree {
    fn kind(&self) -> &'static str {
        AgreeConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["candidates", "scores", "evaluation"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let evaluation = self.config.evaluation.as_ref();
        vec![
            InputPort::one("candidates", FINISHED, &self.config.candidates),
            InputPort::many("scores", &[Content::Scores], &self.config.scores),
            InputPort::optional("evaluation", &[Content::Evaluation], evaluation),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "summary",
            content: Content::Summary,
        }]
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        self.inputs = inputs;
        self.config.check().map_err(StageError::configuration)?;
        UnrelatedTable::check(&self.inputs).map_err(StageError::configuration)?;
        let mut columns = self.config.columns.iter();
        columns
            .try_for_each(|column| check_known(&self.inputs, column, &[]))
            .map_err(StageError::configuration)
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.agree(context)
    }
}
