use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mitune_stages::contract::reference::Reference;
use mitune_stages::contract::{
    Content, InputPort, OutputPort, Stage, StageContext, StageDefaults, StageError, StageOutput, keyed_config,
};
use mitune_stages::registry::StageConfig;
use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::put;

/// Takes some time that nobody can share, and writes a line with its label and the process when it begins.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlowConfig {
    #[serde(default)]
    label: String,
    /// A stage that comes before.
    #[serde(default)]
    after: Option<Reference>,
    /// Time it takes at least; does not change the result.
    delay_ms: u64,
    /// File that must be there before it ends; does not change the result.
    #[serde(default)]
    until: Option<PathBuf>,
    journal: PathBuf,
}

struct Slow {
    config: SlowConfig,
    journal: PathBuf,
    until: Option<PathBuf>,
}

impl StageConfig for SlowConfig {
    const KIND: &'static str = "slow";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        Ok(Box::new(Slow {
            journal: defaults.resolve(&self.journal),
            until: self.until.as_ref().map(|file| defaults.resolve(file)),
            config: self,
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
        keyed_config(&self.config, &["after", "delay_ms", "until", "journal"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let after = self.config.after.as_ref();
        vec![InputPort::optional("after", &[Content::Scores], after)]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "value",
            content: Content::Scores,
        }]
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let file = OpenOptions::new().append(true).create(true).open(&self.journal);
        // In one piece, so that lines of several processes stay whole.
        let line = format!("{} {}\n", self.config.label, std::process::id());
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(StageError::failed)?;
        let (begun, delay) = (Instant::now(), Duration::from_millis(self.config.delay_ms));
        while begun.elapsed() < delay || self.until.as_ref().is_some_and(|file| !file.exists()) {
            std::thread::sleep(Duration::from_millis(5));
            context.check_cancelled()?;
        }
        Ok(StageOutput::one("value", put(context, vec![7])?))
    }
}
