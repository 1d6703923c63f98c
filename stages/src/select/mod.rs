//! The stage `select`: the best candidates of every prompt, by any score.

mod config;
mod ranking;
mod rows;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use mitune_store::Value;

use crate::contract::{
    Content, ExpectedTable, InputPort, KnownInput, KnownInputs, OutputPort, Stage, StageConfig, StageContext,
    StageDefaults, StageError, StageOutput, Work, keyed_config,
};
use crate::tables::candidate_index::CandidateIndex;
use crate::tables::matching::{FewRows, UnrelatedTable};
use crate::tables::schema;
use crate::tables::score_column_error::ScoreColumnError;
use crate::tables::score_columns::{ORACLE, ScoreTables, check_known};

use config::{RANDOM, SelectError};
pub use config::{RepeatedPrompts, SelectConfig, SelectionOrder};
use ranking::{Choice, Chosen, Draw, Rule};

const OUTPUTS: [OutputPort; 1] = [OutputPort {
    name: "selection",
    content: Content::Selection,
}];

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
        self.check_ranks().map_err(StageError::configuration)?;
        if self.ranks.is_empty() {
            self.order.get_or_insert_default();
            self.top_k.get_or_insert(NonZeroU32::MIN);
        }
        self.seed.get_or_insert(defaults.seed);
        Ok(Box::new(Select {
            config: self,
            inputs: KnownInputs::default(),
        }))
    }
}

struct Select {
    config: SelectConfig,
    inputs: KnownInputs,
}

impl Stage for Select {
    fn kind(&self) -> &'static str {
        SelectConfig::KIND
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

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        self.inputs = inputs;
        UnrelatedTable::check(&self.inputs).map_err(StageError::configuration)?;
        match self.config.by.as_str() {
            RANDOM => Ok(()),
            by => check_known(&self.inputs, by, &[RANDOM]).map_err(StageError::configuration),
        }
    }

    fn check_rows(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Result<(), StageError> {
        match (self.port_of_score(), rows("candidates")) {
            (Some(port), Some(candidates)) => {
                FewRows::check(port, rows(port), candidates).map_err(StageError::configuration)
            }
            _ => Ok(()),
        }
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
            inputs: &self.inputs,
        };
        let index = CandidateIndex::read(context.store(), candidates).map_err(StageError::failed)?;
        context.progress().begin(Work {
            total: index.rows().len() as u64,
            reused: 0,
            unit: "candidates",
        });
        self.check_depth(&index).map_err(StageError::configuration)?;
        let draws = self.draws(&index);
        let scores = self.scores(&tables, &index, &draws)?;
        let chosen = ranking::choose(&index, &scores, &draws, &self.rule());
        context.check_cancelled()?;
        if chosen.is_empty() {
            return Err(self.nothing_left(&scores));
        }
        let rows = rows::selected(context.store(), candidates, &chosen)?;
        let selection = context
            .store()
            .artifacts()
            .try_put_table(&schema::selection(), rows)?;
        context.progress().advance(index.rows().len() as u64);
        Ok(self.report(StageOutput::one("selection", selection), &index, &scores, &chosen))
    }
}

impl Select {
    fn rule(&self) -> Rule {
        let config = &self.config;
        let count = config.top_k.unwrap_or(NonZeroU32::MIN).get() as usize;
        let choice = match (config.ranks.as_slice(), config.order.unwrap_or_default()) {
            ([], SelectionOrder::Top) => Choice::Top(count),
            ([], SelectionOrder::Bottom) => Choice::Bottom(count),
            (ranks, _) => Choice::Places(ranks.iter().map(|rank| rank.get() - 1).collect()),
        };
        Rule {
            choice,
            min_score: config.min_score,
            once: config.repeated_prompts == RepeatedPrompts::Once,
        }
    }

    /// The port with the table of the score, if it is another one than that of the candidates and known.
    fn port_of_score(&self) -> Option<&'static str> {
        let by = self.config.by.as_str();
        if by == ORACLE {
            return (!self.inputs.of("evaluation").is_empty()).then_some("evaluation");
        }
        let has_it = |input: &KnownInput| {
            let columns = input.columns.as_ref();
            columns.is_some_and(|columns| columns.field_with_name(by).is_ok())
        };
        let somewhere = |port: &str| self.inputs.of(port).iter().any(has_it);
        (somewhere("scores") && !somewhere("candidates")).then_some("scores")
    }

    /// Checks that every prompt has as many candidates as the last rank asks for.
    fn check_depth(&self, index: &CandidateIndex) -> Result<(), SelectError> {
        let Some(&rank) = self.config.ranks.iter().max() else {
            return Ok(());
        };
        let mut sizes = vec![0; index.prompts().len()];
        for row in index.rows() {
            sizes[row.prompt as usize] += 1;
        }
        let short = sizes.iter().position(|&size| size < rank.get() as usize);
        match short {
            Some(prompt) => Err(SelectError::NoSuchRank {
                rank,
                prompt_id: index.prompts()[prompt].id.clone(),
                candidates: sizes[prompt],
            }),
            None => Ok(()),
        }
    }

    /// One number for each candidate that depends on the seed, the prompt's text and the seed index only.
    fn draws(&self, index: &CandidateIndex) -> Vec<Draw> {
        let key = Draw::key(self.config.seed.unwrap_or_default());
        let draw = |row: &crate::tables::candidate_index::IndexedRow| {
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
                ScoreColumnError::Unknown { .. } => match tables.unknown(&self.config.by, &[RANDOM]) {
                    Ok(error) | Err(error) => StageError::configuration(error),
                },
                ScoreColumnError::Store(error) => StageError::Store(error),
                ScoreColumnError::Ambiguous { .. } | ScoreColumnError::Earlier { .. } => {
                    StageError::configuration(error)
                }
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
        let repeated = match self.config.repeated_prompts {
            RepeatedPrompts::Keep => 0,
            RepeatedPrompts::Once => ranking::repeated(index)
                .into_iter()
                .filter(|&repeated| repeated)
                .count(),
        };
        let selected: Vec<f64> = chosen.iter().map(|chosen| chosen.score).collect();
        output
            .with_metric("by", self.config.by.as_str())
            .with_metric("prompts", index.prompts().len())
            .with_metric("repeated_prompts_left_out", repeated)
            .with_metric(
                "prompts_without_selection",
                index.prompts().len() - prompts.len() - repeated,
            )
            .with_metric("candidates", scores.len())
            .with_metric("selected", chosen.len())
            .with_metric("mean_score_selected", mean(&selected))
            .with_metric("mean_score_all", mean(scores))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
