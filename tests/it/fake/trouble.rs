use mitune_stages::contract::{
    Content, InputPort, OutputPort, Stage, StageContext, StageDefaults, StageError, StageOutput, keyed_config,
};
use mitune_stages::registry::StageConfig;
use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fails in the way it is told to.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TroubleConfig {
    how: How,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    Fail,
    Panic,
    Misconfigured,
    WrongOutput,
    DiskFull,
    LargeRecord,
}

struct Trouble(TroubleConfig);

impl StageConfig for TroubleConfig {
    const KIND: &'static str = "trouble";

    fn build(self, _: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        Ok(Box::new(Trouble(self)))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("Loss is not a number at step 7")]
struct NotANumber;

#[derive(Debug, thiserror::Error)]
#[error("Cannot write `shard.parquet`")]
struct Unwritable(#[source] std::io::Error);

impl Stage for Trouble {
    fn kind(&self) -> &'static str {
        TroubleConfig::KIND
    }

    fn revision(&self) -> u32 {
        1
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.0, &[])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "nothing",
            content: Content::Summary,
        }]
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        match self.0.how {
            How::Fail => Err(StageError::failed(NotANumber)),
            How::Panic => panic!("index 3 out of bounds"),
            How::Misconfigured => Err(StageError::configuration("The prompts are empty")),
            How::WrongOutput => Ok(StageOutput::one(
                "something",
                context.store().artifacts().put_json(&1)?,
            )),
            How::LargeRecord => {
                let output = StageOutput::one("nothing", context.store().artifacts().put_json(&1)?);
                Ok(output.with_metric("table", "x".repeat(70_000)))
            }
            How::DiskFull => Err(StageError::failed(Unwritable(std::io::Error::from(
                std::io::ErrorKind::StorageFull,
            )))),
        }
    }
}
