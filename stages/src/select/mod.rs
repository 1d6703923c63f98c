//! The stage `select`: the best candidates of every prompt, by any score.

mod config;
mod given_images;
mod ranking;
mod rows;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use mitune_store::Value;

use crate::candidate_ranking::{Draw, RANDOM, Ranked, ScoreChoice, opened_candidates, repeated};
#[cfg(test)]
use crate::contract::KnownInput;
use crate::contract::{
    Content, ExpectedTable, InputPort, KnownInputs, OutputPort, Stage, StageConfig, StageContext,
    StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::tables::candidate_index::CandidateIndex;
use crate::tables::schema;
use crate::tables::score_columns::ORACLE;

use config::SelectError;
pub use config::{RepeatedPrompts, SelectConfig, SelectionOrder, SelectionPool};
use ranking::{Choice, Rule};

/// Tables to choose from.
const FINISHED: &[Content] = &[Content::Candidates, Content::Latents];

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
            InputPort::one("candidates", FINISHED, &self.config.candidates),
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
        given_images::check_score(&self.config.by, &self.inputs).map_err(StageError::configuration)?;
        self.score().check_connected()
    }

    fn check_rows(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Result<(), StageError> {
        self.score().check_rows(rows)
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "selection").then(|| ExpectedTable {
            columns: schema::selection(),
            rows: None,
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let candidates = context.input("candidates")?;
        let index = opened_candidates(context)?;
        self.check_depth(&index).map_err(StageError::configuration)?;
        let seed = self.config.seed.unwrap_or_default();
        let draws = Draw::of_candidates(Draw::SELECTION, seed, &index);
        let scores = self.score().values_or_draws(context, &index, &draws)?;
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
            within: config.within,
            min_score: config.min_score,
            once: config.repeated_prompts == RepeatedPrompts::Once,
        }
    }

    fn score(&self) -> ScoreChoice<'_> {
        ScoreChoice {
            by: &self.config.by,
            besides: &[RANDOM],
            inputs: &self.inputs,
        }
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
        chosen: &[Ranked],
    ) -> StageOutput {
        let prompts: std::collections::BTreeSet<u32> = chosen
            .iter()
            .map(|chosen| index.rows()[chosen.row].prompt)
            .collect();
        let repeated = match self.config.repeated_prompts {
            RepeatedPrompts::Keep => 0,
            RepeatedPrompts::Once => repeated(index).into_iter().filter(|&repeated| repeated).count(),
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
