//! The stage that the settings make.

use std::collections::BTreeMap;

use mitune_store::{Artifact, ContentDigest, Value};

use super::config::MergeIntoModelConfig;
use crate::adapter_tools::{MergedModel, fold_into_model};
use crate::adapters::adapter_file::AdapterFile;
use crate::adapters::stored_adapter;
use crate::contract::{
    ADAPTER_PORT, Content, ExternalDigests, InputPort, OutputPort, Stage, StageConfig, StageContext,
    StageError, StageOutput, keyed_config,
};
use crate::models::model_snapshot::ModelSnapshot;
use crate::models::model_source::ModelSource;
use crate::models::stored_folder::put_folder;

/// The stage.
pub(super) struct MergeIntoModel {
    pub(super) config: MergeIntoModelConfig,
    pub(super) model: ModelSource,
}

impl Stage for MergeIntoModel {
    fn kind(&self) -> &'static str {
        MergeIntoModelConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["adapter", "model", "model_from"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::optional(ADAPTER_PORT, &[Content::Adapter], Some(&self.config.adapter)),
            self.model.port(),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "model",
            content: Content::Model,
        }]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        self.model.external(digests)
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let snapshot = ModelSnapshot::take(&self.model, context)?;
        let Some(adapter) = context.optional_input(ADAPTER_PORT) else {
            let model = put_folder(context, snapshot.directory().path())?;
            return Ok(output(model, MergedModel::default()));
        };
        let file = AdapterFile {
            path: ADAPTER_PORT.into(),
            scale: self.config.scale,
        };
        let adapters = stored_adapter::read_all(context, adapter)?;
        let temporary = tempfile::tempdir().map_err(StageError::failed)?;
        let folder = temporary.path().join("model");
        let merged = fold_into_model(snapshot.directory(), &[(&file, adapters)], &folder)?;
        Ok(output(put_folder(context, &folder)?, merged))
    }
}

fn output(model: Artifact, merged: MergedModel) -> StageOutput {
    StageOutput::one("model", model).with_metric("merged_layers", merged.layers)
}
