//! The stage that the settings make.

use std::collections::BTreeMap;

use mitune_store::{Artifact, ContentDigest, Value};

use super::config::MergeIntoModelConfig;
use crate::adapter_tools::{MergedModel, fold_into_model};
use crate::adapters::adapter_file::AdapterFile;
use crate::adapters::stored_adapter;
use crate::contract::{
    ADAPTER_PORT, Content, ExternalDigests, InputPort, KnownInputs, MODEL_PORT, OutputPort, Stage,
    StageConfig, StageContext, StageError, StageOutput, keyed_config,
};
use crate::models::model_snapshot::ModelSnapshot;
use crate::models::model_source::ModelSource;
use crate::models::stored_folder::put_folder;

/// The stage.
pub(super) struct MergeIntoModel {
    pub(super) config: MergeIntoModelConfig,
    pub(super) model: ModelSource,
    /// The model of the first round, where that of later rounds comes from the round before.
    pub(super) first: Option<ModelSource>,
}

impl Stage for MergeIntoModel {
    fn kind(&self) -> &'static str {
        MergeIntoModelConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["adapter", "model", "model_from"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let reference = match &self.model {
            ModelSource::Directory(_) => None,
            ModelSource::Stage(reference) => Some(reference),
        };
        // Where nothing else could stand in its place, it must be there.
        let model = match (reference, &self.first) {
            (Some(_), None) => self.model.port(),
            _ => InputPort::optional(MODEL_PORT, &[Content::Model], reference),
        };
        vec![
            InputPort::optional(ADAPTER_PORT, &[Content::Adapter], Some(&self.config.adapter)),
            model,
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "model",
            content: Content::Model,
        }]
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        if inputs.of(MODEL_PORT).is_empty()
            && let ModelSource::Stage(_) = self.model
            && let Some(first) = self.first.take()
        {
            self.model = first;
        }
        Ok(())
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
