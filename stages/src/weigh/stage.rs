//! The stage that the settings make.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array};
use mitune_store::Value;

use super::config::WeighConfig;
use super::kept::{Kept, kept, mean_weight};
use super::prompt_thresholds::prompt_thresholds;
use crate::candidate_ranking::{ScoreChoice, copied_rows, opened_candidates};
use crate::contract::{
    Content, ExpectedTable, InputPort, KnownInputs, OutputPort, Stage, StageConfig, StageContext,
    StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::tables::candidate_index::CandidateIndex;
use crate::tables::schema;

impl StageConfig for WeighConfig {
    const KIND: &'static str = "weigh";

    fn build(self, _: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.check().map_err(StageError::configuration)?;
        Ok(Box::new(Weigh {
            config: self,
            inputs: KnownInputs::default(),
        }))
    }
}

struct Weigh {
    config: WeighConfig,
    inputs: KnownInputs,
}

impl Stage for Weigh {
    fn kind(&self) -> &'static str {
        WeighConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["candidates", "scores", "evaluation", "prompts"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let config = &self.config;
        vec![
            InputPort::one("candidates", &[Content::Candidates], &config.candidates),
            InputPort::many("scores", &[Content::Scores], &config.scores),
            InputPort::optional("evaluation", &[Content::Evaluation], config.evaluation.as_ref()),
            InputPort::optional("prompts", &[Content::Prompts], config.prompts.as_ref()),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "weights",
            content: Content::Weights,
        }]
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        self.inputs = inputs;
        self.score().check_connected()
    }

    fn check_rows(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Result<(), StageError> {
        self.score().check_rows(rows)
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "weights").then(|| ExpectedTable {
            columns: schema::weights(),
            rows: None,
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let candidates = context.input("candidates")?;
        let store = context.store();
        let index = opened_candidates(context)?;
        let prompts = context.optional_input("prompts");
        let thresholds = prompt_thresholds(self.config.threshold.as_ref(), store, prompts, &index)?;
        let scores = self.score().values(context, &index)?;
        let kept = kept(&self.config, &index, &scores, &thresholds).map_err(StageError::configuration)?;
        context.check_cancelled()?;
        let rows = kept.iter().map(|kept| kept.row).collect();
        let further = |name: &str, here: Range<usize>| -> Option<ArrayRef> {
            let weights = kept[here].iter().map(|kept| kept.weight);
            (name == "weight").then(|| Arc::new(Float64Array::from_iter_values(weights)) as ArrayRef)
        };
        let rows = copied_rows(store, candidates, &schema::weights(), rows, further)?;
        let weights = store.artifacts().try_put_table(&schema::weights(), rows)?;
        context.progress().advance(index.rows().len() as u64);
        Ok(self.report(StageOutput::one("weights", weights), &index, &kept))
    }
}

impl Weigh {
    fn score(&self) -> ScoreChoice<'_> {
        ScoreChoice {
            by: &self.config.by,
            besides: &[],
            inputs: &self.inputs,
        }
    }

    fn report(&self, output: StageOutput, index: &CandidateIndex, kept: &[Kept]) -> StageOutput {
        let prompts: BTreeSet<u32> = kept.iter().map(|kept| index.rows()[kept.row].prompt).collect();
        let (candidates, all_prompts) = (index.rows().len(), index.prompts().len());
        output
            .with_metric("by", self.config.by.as_str())
            .with_metric("prompts", all_prompts)
            .with_metric("candidates", candidates)
            .with_metric("kept", kept.len())
            .with_metric("dropped", candidates - kept.len())
            .with_metric("mean_weight", mean_weight(kept))
            .with_metric("prompts_without_image", all_prompts - prompts.len())
    }
}
