//! The stage that the settings make.

use mitune_store::Value;
use serde_json::{Value as Json, json};

use super::config::{MixConfig, MixError};
use super::drawn_rows::DrawnRows;
use super::shares::{divided, lacking, most_rows};
use crate::candidate_ranking::copied_rows;
use crate::contract::{
    Content, ExpectedTable, InputPort, KnownInputs, OutputPort, Stage, StageConfig, StageContext,
    StageDefaults, StageError, StageOutput, Work, keyed_config,
};
use crate::tables::schema;

const PORT: &str = "selections";

impl StageConfig for MixConfig {
    const KIND: &'static str = "mix";

    fn build(mut self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.seed.get_or_insert(defaults.seed);
        Ok(Box::new(Mix {
            config: self,
            inputs: KnownInputs::default(),
        }))
    }
}

struct Mix {
    config: MixConfig,
    inputs: KnownInputs,
}

impl Stage for Mix {
    fn kind(&self) -> &'static str {
        MixConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &[PORT])
    }

    fn inputs(&self) -> Vec<InputPort> {
        const SETS: &[Content] = &[Content::Selection, Content::Latents];
        vec![InputPort::many(PORT, SETS, &self.config.selections)]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "selection",
            content: Content::Latents,
        }]
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        self.inputs = inputs;
        let selections = self.inputs.of(PORT).len();
        self.config.check(selections).map_err(StageError::configuration)
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "selection").then(|| ExpectedTable {
            columns: schema::latents(),
            rows: self.config.rows.map(|rows| u64::from(rows.get())),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let (store, selections) = (context.store(), context.inputs(PORT));
        self.config
            .check(selections.len())
            .map_err(StageError::configuration)?;
        let seed = self.config.seed.unwrap_or_default();
        let drawn = selections.iter().enumerate();
        let drawn: Vec<DrawnRows> = drawn
            .map(|(position, selection)| DrawnRows::read(store, selection, position, seed))
            .collect::<Result<_, _>>()?;
        let available: Vec<u64> = drawn.iter().map(DrawnRows::available).collect();
        let counts = self.counts(&available).map_err(StageError::configuration)?;
        let rows: u64 = counts.iter().sum();
        context.progress().begin(Work {
            total: rows,
            reused: 0,
            unit: "rows",
        });
        context.check_cancelled()?;
        let schema = schema::latents();
        let mut batches = Vec::new();
        for ((selection, drawn), &count) in selections.iter().zip(drawn).zip(&counts) {
            let rows = drawn.first(count);
            batches.push(copied_rows(store, selection, &schema, rows, |_, _| None)?);
        }
        let mixed = store
            .artifacts()
            .try_put_table(&schema, batches.into_iter().flatten())?;
        context.progress().advance(rows);
        Ok(report(StageOutput::one("selection", mixed), &available, &counts))
    }
}

impl Mix {
    /// How many rows come of each selection.
    fn counts(&self, available: &[u64]) -> Result<Vec<u64>, MixError> {
        let shares = &self.config.shares;
        let rows = match self.config.rows {
            Some(rows) => u64::from(rows.get()),
            None => most_rows(available, shares),
        };
        let counts = divided(rows, shares);
        let name = |position: usize| self.inputs.name_in_list(PORT, position);
        if let Some(position) = lacking(rows, available, shares) {
            return Err(MixError::TooFew {
                selection: name(position),
                found: available[position],
                expected: counts[position],
                rows,
                share: shares[position],
            });
        }
        let empty = available
            .iter()
            .zip(shares)
            .position(|(found, share)| *found == 0 && *share > 0.0);
        match empty {
            Some(position) if rows == 0 => Err(MixError::Nothing {
                selection: name(position),
                found: available[position],
                share: shares[position],
            }),
            _ => Ok(counts),
        }
    }
}

/// Says for each input how many rows it had, how many were drawn and which part of the result they are.
fn report(output: StageOutput, available: &[u64], counts: &[u64]) -> StageOutput {
    let rows: u64 = counts.iter().sum();
    let fractions: Vec<Json> = counts
        .iter()
        .map(|count| json!(*count as f64 / rows as f64))
        .collect();
    output
        .with_metric("rows", rows)
        .with_metric("available", json!(available))
        .with_metric("drawn", json!(counts))
        .with_metric("fractions", fractions)
}
