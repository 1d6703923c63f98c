//! Settings of the stage, and the stage they make.

use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::column::{Columns, check_words};
use crate::contract::arm_names::{check_names, derived_names};
use crate::contract::reference::Reference;
use crate::contract::setting_limits::MOST_ARMS;
use crate::contract::{
    Content, InputPort, KnownInputs, OutputPort, Stage, StageConfig, StageContext, StageDefaults, StageError,
    StageOutput, keyed_config,
};
use crate::plural::plural;
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
    /// Names of the arms in the result, one for each table. By default, the stages the tables come from.
    #[serde(default)]
    pub names: Vec<String>,
    /// The column to compare by: numbers, or truth values, which count as 1 and 0.
    pub column: String,
    /// A table of the same prompts and seed indices, with which every arm is compared image by image. By default, none.
    #[serde(default)]
    pub baseline: Option<Reference>,
    /// A column of words that name what is wrong with an image, null where nothing is; the share of each is measured. By
    /// default, none.
    #[serde(default)]
    pub failure: Option<String>,
    /// A column of words of `prompts`, such as `category`: every arm is measured for each of them too. By default, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    /// The tables with the prompts of all arms, for `group_by`. By default, none.
    #[serde(default)]
    pub prompts: Vec<Reference>,
    /// How intervals are made. By default, 95% from 10,000 resamples of prompts, with seed 0.
    #[serde(default)]
    pub bootstrap: BootstrapSettings,
}

/// A setting that no run can use.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompareSettingError {
    #[error("Setting `tables` is empty, expected the table of at least one arm")]
    NoArm,
    #[error("Setting `tables` stands for {arms} arms, at most {} are compared", MOST_ARMS)]
    TooManyArms { arms: usize },
    #[error(
        "Setting `names` has {names} name{} for the {arms} arm{} that `tables` stands for",
        plural(*names as u64),
        plural(*arms as u64)
    )]
    Names { names: usize, arms: usize },
    #[error(
        "Setting `group_by` is a column of `prompts`, which is empty; name the tables with the prompts there"
    )]
    NoPrompts,
    #[error("Setting `prompts` has no meaning without `group_by`")]
    NoGroups,
}

impl StageConfig for CompareConfig {
    const KIND: &'static str = "compare";

    fn build(self, _: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.bootstrap.check().map_err(StageError::configuration)?;
        if self.tables.is_empty() {
            return Err(StageError::configuration(CompareSettingError::NoArm));
        }
        check_names(&self.names).map_err(StageError::configuration)?;
        Ok(Box::new(Compare {
            config: self,
            inputs: KnownInputs::default(),
        }))
    }
}

/// The stage.
pub(super) struct Compare {
    pub(super) config: CompareConfig,
    pub(super) inputs: KnownInputs,
}

/// What has a row for each candidate.
const TABLES: &[Content] = &[Content::Scores, Content::Evaluation, Content::Candidates];

impl Stage for Compare {
    fn kind(&self) -> &'static str {
        CompareConfig::KIND
    }

    fn revision(&self) -> u32 {
        2
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["tables", "baseline", "prompts"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut ports = vec![
            InputPort::many("tables", TABLES, &self.config.tables),
            InputPort::optional("baseline", TABLES, self.config.baseline.as_ref()),
        ];
        // The keys of comparisons without groups name no such port.
        if !self.config.prompts.is_empty() {
            ports.push(InputPort::many(
                "prompts",
                &[Content::Prompts],
                &self.config.prompts,
            ));
        }
        ports
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "summary",
            content: Content::Summary,
        }]
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        self.inputs = inputs;
        let tables = self.inputs.of("tables");
        self.check_arms(tables.len()).map_err(StageError::configuration)?;
        self.check_groups().map_err(StageError::configuration)?;
        self.check_columns()?;
        if self.config.names.is_empty() {
            // The result has them, so that they are in the key like names that are set.
            let names = derived_names(&self.inputs, "tables");
            self.config.names = names.map_err(StageError::configuration)?;
        }
        Ok(())
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.compare(context)
    }
}

impl Compare {
    /// Checks how many arms there are, and that each has a name if any has.
    pub(super) fn check_arms(&self, arms: usize) -> Result<(), CompareSettingError> {
        let names = self.config.names.len();
        match arms {
            0 => Err(CompareSettingError::NoArm),
            _ if arms > MOST_ARMS => Err(CompareSettingError::TooManyArms { arms }),
            _ if names != 0 && names != arms => Err(CompareSettingError::Names { names, arms }),
            _ => Ok(()),
        }
    }

    /// Checks that there are groups and prompts, or neither.
    pub(super) fn check_groups(&self) -> Result<(), CompareSettingError> {
        match (&self.config.group_by, self.config.prompts.is_empty()) {
            (Some(_), true) => Err(CompareSettingError::NoPrompts),
            (None, false) => Err(CompareSettingError::NoGroups),
            _ => Ok(()),
        }
    }

    /// The columns that are compared.
    pub(super) fn columns(&self) -> Columns<'_> {
        Columns {
            value: &self.config.column,
            failure: self.config.failure.as_deref(),
        }
    }

    /// Checks the columns of those tables of which they are known before they are there.
    fn check_columns(&self) -> Result<(), StageError> {
        let tables = self.inputs.of("tables").iter().enumerate();
        let tables = tables.map(|(arm, table)| (table, self.inputs.name_in_list("tables", arm)));
        let baseline = self.inputs.of("baseline").iter();
        let baseline = baseline.map(|table| (table, self.inputs.name("baseline")));
        for (table, name) in tables.chain(baseline) {
            if let Some(columns) = &table.columns {
                let checked = self.columns().check(columns, &name);
                checked.map_err(StageError::configuration)?;
            }
        }
        let Some(group_by) = &self.config.group_by else {
            return Ok(());
        };
        for (position, prompts) in self.inputs.of("prompts").iter().enumerate() {
            if let Some(columns) = &prompts.columns {
                let name = self.inputs.name_in_list("prompts", position);
                check_words(columns, &name, group_by).map_err(StageError::configuration)?;
            }
        }
        Ok(())
    }
}
