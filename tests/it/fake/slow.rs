use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use mitune_stages::registry::StageConfig;
use mitune_stages::stage::{
    Content, InputPort, OutputPort, Stage, StageContext, StageDefaults, StageError, StageOutput, keyed_config,
};
use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::put;

/// Takes some time that nobody can share, and writes a line per process that does it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlowConfig {
    delay_ms: u64,
    journal: PathBuf,
}

struct Slow {
    config: SlowConfig,
    journal: PathBuf,
}

impl StageConfig for SlowConfig {
    const KIND: &'static str = "slow";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        let journal = defaults.resolve(&self.journal);
        Ok(Box::new(Slow {
            config: self,
            journal,
        }))
    }
}

impl Stage for Slow {
    fn kind(&self) -> &'static str {
        SlowConfig::KIND
    }

    fn revision(&self) -> u32 {
        1
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["delay_ms", "journal"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "value",
            content: Content::Scores,
        }]
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let file = OpenOptions::new().append(true).create(true).open(&self.journal);
        let mut file = file.map_err(StageError::failed)?;
        writeln!(file, "{}", std::process::id()).map_err(StageError::failed)?;
        let steps = self.config.delay_ms.div_ceil(10);
        for _ in 0..steps {
            std::thread::sleep(Duration::from_millis(self.config.delay_ms / steps));
            context.check_cancelled()?;
        }
        Ok(StageOutput::one("value", put(context, vec![7])?))
    }
}
