//! Settings of the stage, and the stage they make.

use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::reference::Reference;
use crate::contract::{
    Content, InputPort, OutputPort, Stage, StageConfig, StageContext, StageDefaults, StageError, StageOutput,
    keyed_config,
};
use crate::statistics::bootstrap::BootstrapSettings;

/// Compares arms by a column of numbers about their candidates, whoever said them: a judge, a score, an evaluation.
///
/// Every arm gets its mean, and where there is a baseline the difference to it, image by image. Intervals are made by
/// resampling prompts, as `evaluate` makes them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareConfig {
    /// The tables with the column, one for each arm; a reference may stand for several.
    pub tables: Vec<Reference>,
    /// The column to compare by: numbers, or truth values, which count as 1 and 0.
    pub column: String,
    /// A table of the same prompts and seed indices, with which every arm is compared image by image. By default, none.
    #[serde(default)]
    pub baseline: Option<Reference>,
    /// A column of words that name what is wrong with an image, null where nothing is; the share of each is measured. By
    /// default, none.
    #[serde(default)]
    pub failure: Option<String>,
    /// How intervals are made. By default, 95% from 10,000 resamples of prompts, with seed 0.
    #[serde(default)]
    pub bootstrap: BootstrapSettings,
}

/// A setting that no run can use.
#[derive(Debug, thiserror::Error)]
#[error("Setting `tables` is empty, expected the table of at least one arm")]
struct NoArm;

impl StageConfig for CompareConfig {
    const KIND: &'static str = "compare";

    fn build(self, _: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.bootstrap.check().map_err(StageError::configuration)?;
        if self.tables.is_empty() {
            return Err(StageError::configuration(NoArm));
        }
        Ok(Box::new(Compare { config: self }))
    }
}

/// The stage.
pub(super) struct Compare {
    pub(super) config: CompareConfig,
}

/// What has a row for each candidate.
const TABLES: &[Content] = &[Content::Scores, Content::Evaluation, Content::Candidates];

impl Stage for Compare {
    fn kind(&self) -> &'static str {
        CompareConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["tables", "baseline"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::many("tables", TABLES, &self.config.tables),
            InputPort::optional("baseline", TABLES, self.config.baseline.as_ref()),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "summary",
            content: Content::Summary,
        }]
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.compare(context)
    }
}
