//! The pipeline file as written, apart from the stages.

use std::path::PathBuf;

use mitune_stages::contract::Dtype;
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny};

/// A pipeline: what to compute, from prompts to evaluation.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineSpec {
    /// Version of this file format.
    pub version: Version,
    /// Name of the pipeline, for runs and reports; not part of any key.
    pub name: String,
    /// What the pipeline is for; not part of any key.
    #[serde(default)]
    pub description: Option<String>,
    /// Model directory of every stage that names none, relative to this file.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// Seed of every stage that names none. By default 0.
    #[serde(default)]
    pub seed: u64,
    /// Number format of every computation with tensors. By default f32.
    #[serde(default)]
    pub dtype: Dtype,
    /// Any text; changing it makes every stage of the pipeline compute again.
    #[serde(default)]
    pub salt: Option<String>,
    /// Values by name, such as folders of models: `${NAME}` in a setting of any stage stands for the value.
    #[serde(default)]
    pub vars: Vars,
    /// Stages that run once, by name.
    #[serde(default)]
    pub stages: StageBlock,
    /// Stages that run once per round and arm.
    #[serde(default)]
    pub rounds: Option<RoundsSpec>,
    /// Stages that look at the rounds, by name.
    #[serde(default)]
    pub finally: StageBlock,
    /// The report that `run` writes at the end.
    #[serde(default)]
    pub report: Option<ReportSpec>,
}

/// Stages that run once per round and arm.
///
/// In a setting, `previous.NAME` refers to the stage of the round before and `${round}` stands for the number of the
/// round.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoundsSpec {
    /// Number of rounds, from 1.
    #[schemars(range(min = 1))]
    pub count: u32,
    /// Variables with the values they take; every combination is an arm with its own rounds. Or a list of arms, each a
    /// map of the variables to their values, or to lists of them for every combination. Variables in its `with` are no
    /// part of the arm's name. `${NAME}` in a setting stands for the value.
    #[serde(default)]
    pub for_each: ForEach,
    /// The stages of one round, by name.
    pub stages: RoundStageBlock,
}

/// The report of a pipeline.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSpec {
    /// Title of the page. By default the name of the pipeline.
    #[serde(default)]
    pub title: Option<String>,
    /// Where to write it, relative to the working directory. By default the name of the pipeline with `.html`.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Variable of `for_each` that repeats every arm, such as the seed of its training; arms that differ in it alone are
    /// also taken together, with intervals over prompts and repetitions. By default none.
    #[serde(default)]
    pub repetitions: Option<String>,
}

/// Version of the file format: 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(D::Error::custom(format!(
                "This program reads pipelines of version 1, found version `{other}`"
            ))),
        }
    }
}

/// Declares keys whose value is read from the tree later: they are fields so that they count as known.
macro_rules! read_from_the_tree {
    ($($(#[$attribute:meta])* $name:ident)*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                IgnoredAny::deserialize(deserializer).map(|_| Self)
            }
        }
    )*};
}

read_from_the_tree! {
    /// Values by name.
    Vars
    /// Stages by name.
    StageBlock
    /// Stages by name, in whose settings variables may stand.
    RoundStageBlock
    /// Variables with their values.
    ForEach
}
