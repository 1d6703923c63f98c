use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mitune_stages::contract::{
    Content, ExpectedTable, InputPort, ItemFamily, OutputPort, Stage, StageContext, StageDefaults,
    StageError, StageOutput, keyed_config,
};
use mitune_stages::items::item_blocks::{Block, ItemTable};
use mitune_stages::registry::StageConfig;
use mitune_store::{ItemKey, Part, Producer, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch;

/// Computes `factor` times the squares of 0, 1, 2, ...
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumbersConfig {
    count: u32,
    #[serde(default = "one")]
    factor: i64,
    #[serde(default)]
    seed: Option<u64>,
    /// Items to a shard; does not change the result.
    #[serde(default = "four")]
    shard: u32,
    /// Time one item takes; does not change the result.
    #[serde(default)]
    delay_ms: u64,
    /// File that gets a line per computed item, relative to the pipeline, beside one with the process of each.
    #[serde(default)]
    journal: Option<PathBuf>,
}

fn one() -> i64 {
    1
}

fn four() -> u32 {
    4
}

struct Numbers {
    config: NumbersConfig,
    directory: PathBuf,
}

impl StageConfig for NumbersConfig {
    const KIND: &'static str = "numbers";

    fn build(mut self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        if self.shard == 0 {
            return Err(StageError::configuration("A shard holds at least one item"));
        }
        self.seed = self.seed.or(Some(defaults.seed));
        Ok(Box::new(Numbers {
            config: self,
            directory: defaults.directory.clone(),
        }))
    }
}

impl Stage for Numbers {
    fn kind(&self) -> &'static str {
        NumbersConfig::KIND
    }

    fn revision(&self) -> u32 {
        1
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["shard", "delay_ms", "journal"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "values",
            content: Content::Candidates,
        }]
    }

    fn expected_table(&self, _: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        Some(ExpectedTable {
            columns: batch(Vec::new()).schema(),
            rows: Some(self.config.count.into()),
        })
    }

    fn effort(&self, _: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        Some(f64::from(self.config.count))
    }

    fn shares_work(&self) -> bool {
        true
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let NumbersConfig {
            count, factor, shard, ..
        } = self.config;
        let store = context.store();
        let family = context.family_key(&ItemFamily {
            choosing_settings: &["count"],
            ..ItemFamily::default()
        })?;
        let block = |n: u32| -> Result<Block<u32>, StageError> {
            Ok(Block {
                work: n,
                prompt_id: String::new(),
                items: vec![ItemKey::derive(&family, &n.into())?],
            })
        };
        let blocks = (0..count).map(block).collect::<Result<Vec<_>, _>>()?;
        let schema = batch(Vec::new()).schema();
        let table = ItemTable {
            family,
            schema: &schema,
            shard_rows: shard as usize,
            unit: "numbers",
        };
        let rows = table.compute_rows(context, &Producer::default(), &blocks, |&n| {
            self.compute(n)?;
            Ok(batch(vec![factor * i64::from(n) * i64::from(n)]))
        })?;
        let parts: Vec<Part> = rows
            .iter()
            .map(|row| Part {
                blob: row.blob,
                rows: vec![row.row],
            })
            .collect();
        let digests: Vec<_> = rows.iter().map(|row| row.digest).collect();
        let artifact = store.artifacts().put_parts(&schema, &parts, &digests)?;
        Ok(StageOutput {
            outputs: BTreeMap::from([("values".to_owned(), artifact)]),
            metrics: BTreeMap::from([("headline".to_owned(), format!("{count} numbers").into())]),
        })
    }
}

impl Numbers {
    fn compute(&self, n: u32) -> Result<(), StageError> {
        std::thread::sleep(Duration::from_millis(self.config.delay_ms));
        let Some(journal) = &self.config.journal else {
            return Ok(());
        };
        let append = |name: &Path, text: &dyn Display| -> std::io::Result<()> {
            let path = self.directory.join(name);
            let mut file = OpenOptions::new().append(true).create(true).open(path)?;
            // In one piece, so that lines of several processes stay whole.
            file.write_all(format!("{text}\n").as_bytes())
        };
        let workers = journal.with_extension("workers");
        append(journal, &n)
            .and_then(|()| append(&workers, &std::process::id()))
            .map_err(StageError::failed)
    }
}
