use mitune_stages::contract::reference::Reference;
use mitune_stages::contract::{
    Content, Dtype, InputPort, OutputPort, Stage, StageContext, StageDefaults, StageError, StageOutput,
    keyed_config,
};
use mitune_stages::registry::StageConfig;
use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{put, read};

/// The sum of all inputs modulo a number.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemainderConfig {
    #[serde(default)]
    of: Option<Reference>,
    #[serde(default)]
    also: Option<Reference>,
    #[serde(default)]
    all: Vec<Reference>,
    modulo: i64,
    /// Part of the key that changes nothing else.
    #[serde(default)]
    label: String,
    /// What a broken machine adds; no part of the key.
    #[serde(default)]
    off_by: i64,
    /// Whether it claims to compute with tensors.
    #[serde(default)]
    tensors: bool,
}

struct Remainder(RemainderConfig);

impl StageConfig for RemainderConfig {
    const KIND: &'static str = "remainder";

    fn build(self, _: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        if self.modulo < 1 {
            return Err(StageError::configuration(format!(
                "`modulo` must be positive, found `{}`",
                self.modulo
            )));
        }
        Ok(Box::new(Remainder(self)))
    }
}

const NUMBERS: &[Content] = &[Content::Candidates, Content::Scores];

impl Stage for Remainder {
    fn kind(&self) -> &'static str {
        RemainderConfig::KIND
    }

    fn revision(&self) -> u32 {
        1
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.0, &["of", "also", "all", "off_by", "tensors"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let RemainderConfig { of, also, all, .. } = &self.0;
        let mut ports: Vec<InputPort> = of.iter().map(|of| InputPort::one("of", NUMBERS, of)).collect();
        ports.push(InputPort::optional("also", NUMBERS, also.as_ref()));
        ports.push(InputPort::many("all", NUMBERS, all));
        ports
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[
            OutputPort {
                name: "remainder",
                content: Content::Scores,
            },
            OutputPort {
                name: "terms",
                content: Content::Summary,
            },
        ]
    }

    fn dtype(&self) -> Option<Dtype> {
        self.0.tensors.then_some(Dtype::F32)
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let ports = ["of", "also", "all"];
        let mut terms: Vec<i64> = Vec::new();
        for artifact in ports.iter().flat_map(|port| context.inputs(port)) {
            terms.extend(read(context, artifact)?);
        }
        let remainder = terms.iter().sum::<i64>().rem_euclid(self.0.modulo) + self.0.off_by;
        let mut output =
            StageOutput::one("remainder", put(context, vec![remainder])?).with_metric("sum", remainder);
        output.outputs.insert(
            "terms".to_owned(),
            context.store().artifacts().put_json(&terms.len())?,
        );
        Ok(output)
    }
}
