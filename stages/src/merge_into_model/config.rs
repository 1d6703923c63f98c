//! Settings of the stage.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stage::MergeIntoModel;
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::whole;
use crate::contract::{Stage, StageConfig, StageDefaults, StageError};
use crate::models::model_source::ModelSource;

/// Folds an adapter into the weights of its model, so that a fresh adapter can be trained on what the one before
/// learned.
///
/// Weights keep the element type they have in the files of the model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeIntoModelConfig {
    /// The adapter. `previous.` stands for none in the first round: the model is then stored as it is.
    pub adapter: Reference,
    /// Factor of the adapter's own scale. By default, 1.
    #[serde(default = "whole::<f64, 1>")]
    pub scale: f64,
    /// Model directory, relative to the pipeline. By default, the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`. `previous.` stands for the pipeline's `model` in the first
    /// round.
    #[serde(default)]
    pub model_from: Option<Reference>,
}

impl StageConfig for MergeIntoModelConfig {
    const KIND: &'static str = "merge_into_model";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        let model = ModelSource::choose(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        Ok(Box::new(MergeIntoModel { config: self, model }))
    }
}
