//! The stage `select`: the best candidates of every prompt, by any score.

mod ranking;
mod rows;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::candidate_index::CandidateIndex;
use crate::reference::Reference;
use crate::registry::StageConfig;
use crate::schema;
use crate::score_columns::{MI, ORACLE, ScoreError, ScoreTables};
use crate::stage::{
    Content, ExpectedTable, InputPort, OutputPort, Stage, StageContext, StageDefaults, StageError,
    StageOutput, Work, keyed_config,
};

use ranking::{Chosen, Draw, Rule};

/// Name of the choice that looks at no score.
const RANDOM: &str = "random";

const OUTPUTS: [OutputPort; 1] = [OutputPort {
    name: "selection",
    content: Content::Selection,
}];

/// Chooses candidates of every prompt by a score, for fine-tuning or to look at.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectConfig {
    /// The candidates to choose from.
    pub candidates: Reference,
    /// Tables with further scores of these candidates. By default, none.
    #[serde(default)]
    pub scores: Vec<Reference>,
    /// What an `evaluate` stage read off these candidates; makes the score `oracle`, 1 for an aligned image and 0 for
    /// any other. By default, none.
    #[serde(default)]
    pub evaluation: Option<Reference>,
    /// The score to choose by: `mi`, a column of `scores`, `oracle`, or `random` for a choice that looks at no score.
    /// By default, `mi`.
    #[serde(default = "mi")]
    pub by: String,
    /// Whether the highest or the lowest scores are chosen. By default, `top`.
    #[serde(default)]
    pub order: SelectionOrder,
    /// How many candidates of each prompt are chosen, fewer where there are fewer. By default, 1.
    #[serde(default = "one")]
    pub top_k: NonZeroU32,
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

fn mi() -> String {
    MI.to_owned()
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// Why nothing can be selected.
#[derive(Debug, thiserror::Error)]
enum SelectError {
    #[error("Setting `min_score` is `{0}`, expected a finite number")]
    MinScore(f64),
    #[error("Setting `min_score` has no meaning with `by: random`")]
    MinScoreOfRandom,
    #[error("Score `oracle` needs `evaluation`, the output of an `evaluate` stage on the same candidates")]
    OracleWithoutEvaluation,
    #[error("No candidate has `{by}` of at least `{min_score}`; the highest is `{highest}`")]
    NothingLeft {
        by: String,
        min_score: f64,
        highest: f64,
    },
}

impl StageConfig for SelectConfig {
    const KIND: &'static str = "select";

    fn build(mut self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        match self.min_score {
            Some(_) if self.by == RANDOM => Err(SelectError::MinScoreOfRandom),
            Some(score) if !score.is_finite() => Err(SelectError::MinScore(score)),
            _ if self.by == ORACLE && self.evaluation.is_none() => Err(SelectError::OracleWithoutEvaluation),
            _ => Ok(()),
        }
        .map_err(StageError::configuration)?;
        self.seed.get_or_insert(defaults.seed);
        Ok(Box::new(Select { config: self }))
    }
}

struct Select {
    config: SelectConfig,
}

impl Stage for Select {
    fn kind(&self) -> &'static str {
        SelectConfig::KIND
    }

    fn revision(&self) -> u32 {
        1
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["candidates", "scores", "evaluation"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::one("candidates", &[Content::Candidates], &self.config.candidates),
            InputPort::many("scores", &[Content::Scores], &self.config.scores),
            InputPort::optional(
                "evaluation",
                &[Content::Evaluation],
                self.config.evaluation.as_ref(),
            ),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &OUTPUTS
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "selection").then(|| ExpectedTable {
            columns: schema::selection(),
            rows: None,
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let candidates = context.input("candidates")?;
        let tables = ScoreTables {
            store: context.store(),
            candidates,
            scores: context.inputs("scores"),
            evaluation: context.optional_input("evaluation"),
        };
        let index = CandidateIndex::read(context.store(), candidates).map_err(StageError::failed)?;
        context.progress().begin(Work {
            total: index.rows().len() as u64,
            reused: 0,
            unit: "candidates",
        });
        let draws = self.draws(&index);
        let scores = self.scores(&tables, &index, &draws)?;
        let chosen = ranking::choose(&index, &scores, &draws, &self.rule());
        context.check_cancelled()?;
        if chosen.is_empty() {
            return Err(self.nothing_left(&scores));
        }
        let rows = rows::selected(context.store(), candidates, &chosen)?;
        let selection = context.store().try_put_table(&schema::selection(), rows)?;
        context.progress().advance(index.rows().len() as u64);
        Ok(self.report(StageOutput::one("selection", selection), &index, &scores, &chosen))
    }
}

impl Select {
    fn rule(&self) -> Rule {
        Rule {
            count: self.config.top_k.get() as usize,
            order: self.config.order,
            min_score: self.config.min_score,
        }
    }

    /// One number for each candidate that depends on the seed, the prompt's text and the seed index only.
    fn draws(&self, index: &CandidateIndex) -> Vec<Draw> {
        let key = Draw::key(self.config.seed.unwrap_or_default());
        let draw = |row: &crate::candidate_index::IndexedRow| {
            Draw::new(&key, &index.prompt(*row).text, row.seed_index)
        };
        index.rows().iter().map(draw).collect()
    }

    fn scores(
        &self,
        tables: &ScoreTables<'_>,
        index: &CandidateIndex,
        draws: &[Draw],
    ) -> Result<Vec<f64>, StageError> {
        if self.config.by == RANDOM {
            return Ok(draws.iter().map(Draw::unit).collect());
        }
        tables
            .values(&self.config.by, index)
            .map_err(|error| match error {
                ScoreError::Unknown { .. } => match tables.unknown(&self.config.by, &[RANDOM]) {
                    Ok(error) | Err(error) => StageError::configuration(error),
                },
                ScoreError::Store(error) => StageError::Store(error),
                ScoreError::Ambiguous { .. } => StageError::configuration(error),
                error => StageError::failed(error),
            })
    }

    fn nothing_left(&self, scores: &[f64]) -> StageError {
        StageError::configuration(SelectError::NothingLeft {
            by: self.config.by.clone(),
            min_score: self.config.min_score.unwrap_or(f64::NEG_INFINITY),
            highest: scores.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }

    fn report(
        &self,
        output: StageOutput,
        index: &CandidateIndex,
        scores: &[f64],
        chosen: &[Chosen],
    ) -> StageOutput {
        let prompts: std::collections::BTreeSet<u32> = chosen
            .iter()
            .map(|chosen| index.rows()[chosen.row].prompt)
            .collect();
        let selected: Vec<f64> = chosen.iter().map(|chosen| chosen.score).collect();
        output
            .with_metric("by", self.config.by.as_str())
            .with_metric("prompts", index.prompts().len())
            .with_metric("prompts_without_selection", index.prompts().len() - prompts.len())
            .with_metric("candidates", scores.len())
            .with_metric("selected", chosen.len())
            .with_metric("mean_score_selected", mean(&selected))
            .with_metric("mean_score_all", mean(scores))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
