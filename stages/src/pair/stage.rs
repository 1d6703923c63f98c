//! The stage that the settings make.

use mitune_store::Value;

use super::config::{PairConfig, PairError};
use super::pairing::{RankedPair, Rule};
use super::rows::{PairRows, order};
use crate::candidate_ranking::{Draw, RANDOM, ScoreChoice, opened_candidates, ranked_pools, repeated};
use crate::contract::{
    Content, ExpectedTable, InputPort, KnownInputs, OutputPort, Stage, StageConfig, StageContext,
    StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::select::RepeatedPrompts;
use crate::tables::candidate_index::CandidateIndex;
use crate::tables::schema;

/// What draws the other one where the best is paired at random: independent of what orders equal scores.
const PARTNERS: &str = "mitune v1 partners of pairs";

impl StageConfig for PairConfig {
    const KIND: &'static str = "pair";

    fn build(mut self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.check().map_err(StageError::configuration)?;
        self.seed.get_or_insert(defaults.seed);
        Ok(Box::new(Pair {
            config: self,
            inputs: KnownInputs::default(),
        }))
    }
}

struct Pair {
    config: PairConfig,
    inputs: KnownInputs,
}

/// The pairs of all prompts.
#[derive(Default)]
struct Made {
    pairs: Vec<RankedPair>,
    ties: usize,
    prompts_with_pair: usize,
    repeated: usize,
}

impl Stage for Pair {
    fn kind(&self) -> &'static str {
        PairConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["candidates", "scores", "evaluation"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let evaluation = self.config.evaluation.as_ref();
        vec![
            InputPort::one("candidates", &[Content::Candidates], &self.config.candidates),
            InputPort::many("scores", &[Content::Scores], &self.config.scores),
            InputPort::optional("evaluation", &[Content::Evaluation], evaluation),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "pairs",
            content: Content::Pairs,
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
        (output == "pairs").then(|| ExpectedTable {
            columns: schema::pairs(),
            rows: None,
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let candidates = context.input("candidates")?;
        let index = opened_candidates(context)?;
        let made = self.pairs(context, &index)?;
        context.check_cancelled()?;
        if made.pairs.is_empty() {
            return Err(self.nothing_left(&index));
        }
        let rows = PairRows::open(context.store(), candidates, &made.pairs)?;
        let pairs = context
            .store()
            .artifacts()
            .try_put_table(&schema::pairs(), rows)?;
        context.progress().advance(index.rows().len() as u64);
        Ok(self.report(StageOutput::one("pairs", pairs), &index, &made))
    }
}

impl Pair {
    fn score(&self) -> ScoreChoice<'_> {
        ScoreChoice {
            by: &self.config.by,
            besides: &[RANDOM],
            inputs: &self.inputs,
        }
    }

    /// Pairs the candidates of every prompt, in the order in which the pairs become complete.
    fn pairs(&self, context: &StageContext<'_>, index: &CandidateIndex) -> Result<Made, StageError> {
        let config = &self.config;
        let seed = config.seed.unwrap_or_default();
        let draws = Draw::of_candidates(Draw::SELECTION, seed, index);
        let partners = Draw::of_candidates(PARTNERS, seed, index);
        let scores = self.score().values_or_draws(context, index, &draws)?;
        let rule = Rule {
            pairing: config.pairing.kind,
            most: config.pairs_per_prompt.get() as usize,
            min_difference: config.min_difference,
        };
        let once = config.repeated_prompts == RepeatedPrompts::Once;
        let pools = ranked_pools(index, &scores, &draws).into_iter();
        let mut made = Made::default();
        for (pool, repeated) in pools.zip(repeated(index)) {
            if once && repeated {
                made.repeated += 1;
                continue;
            }
            let found = rule.pairs(&pool, &partners);
            made.ties += found.ties;
            made.prompts_with_pair += usize::from(!found.pairs.is_empty());
            made.pairs.extend(found.pairs);
        }
        made.pairs.sort_unstable_by_key(order);
        Ok(made)
    }

    fn nothing_left(&self, index: &CandidateIndex) -> StageError {
        StageError::configuration(PairError::NothingLeft {
            by: self.config.by.clone(),
            min_difference: self.config.min_difference,
            prompts: index.prompts().len(),
            candidates: index.rows().len(),
        })
    }

    fn report(&self, output: StageOutput, index: &CandidateIndex, made: &Made) -> StageOutput {
        let pairs = made.pairs.len() as f64;
        let mean = |of: fn(&RankedPair) -> f64| made.pairs.iter().map(of).sum::<f64>() / pairs;
        let prompts = index.prompts().len();
        output
            .with_metric("by", self.config.by.as_str())
            .with_metric("prompts", prompts)
            .with_metric("candidates", index.rows().len())
            .with_metric("pairs", made.pairs.len())
            .with_metric("repeated_prompts_left_out", made.repeated)
            .with_metric(
                "prompts_without_pair",
                prompts - made.prompts_with_pair - made.repeated,
            )
            .with_metric("ties", made.ties)
            .with_metric("mean_difference", mean(RankedPair::difference))
            .with_metric("mean_score_preferred", mean(|pair| pair.preferred.score))
            .with_metric("mean_score_rejected", mean(|pair| pair.rejected.score))
    }
}
