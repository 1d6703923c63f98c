//! Decoding the few latents that a report shows, with the very model that generated them.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

use mitune_stages::contract::{ExternalDigests, LazyDevice, MODEL_PORT};
use mitune_stages::device::DeviceError;
use mitune_stages::image::RgbImage;
use mitune_stages::models::stored_latents::{StoredLatentDecoder, StoredLatentError};
use mitune_store::{ActionRecord, Artifact, ContentDigest, Lookup, StageKey, Store, StoreError, Value};

use crate::inspect::report::LatentImage;
use crate::pipeline::Pipeline;

/// Finds and loads models for a report; each is loaded once, and none before there is something to decode.
pub(crate) struct ReportDecoder<'a> {
    pipeline: &'a Pipeline,
    store: &'a Store,
    device: &'a LazyDevice,
    digests: &'a dyn ExternalDigests,
    loaded: HashMap<ContentDigest, StoredLatentDecoder>,
}

/// Why there is no model to decode with; texts stand in the report, so they name no folder.
#[derive(Debug, thiserror::Error)]
enum ReportDecoderError {
    #[error("The result of the stage that generated them is not in the store")]
    NoRecord,
    #[error("How they were generated cannot be read")]
    Preimage(#[source] StoreError),
    #[error("Nothing says which model generated them")]
    NoModelNamed,
    #[error("The model that another stage made for them is not in the store")]
    NoModelResult,
    #[error("The model directory of the pipeline is not on this machine or cannot be read")]
    NoModelDirectory,
    #[error("The model directory on this machine holds another model than the one that generated them")]
    OtherModel,
    #[error("The device cannot be used")]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Decoder(#[from] StoredLatentError),
}

/// Where a model is.
enum Found<'a> {
    Directory(&'a Path),
    Artifact(Box<Artifact>),
}

impl<'a> ReportDecoder<'a> {
    pub(crate) fn new(
        pipeline: &'a Pipeline,
        store: &'a Store,
        device: &'a LazyDevice,
        digests: &'a dyn ExternalDigests,
    ) -> Self {
        Self {
            pipeline,
            store,
            device,
            digests,
            loaded: HashMap::new(),
        }
    }

    /// Decodes latents of one stage.
    pub(crate) fn decode(
        &mut self,
        latents: &[LatentImage],
    ) -> Result<Vec<RgbImage>, Box<dyn Error + Send + Sync>> {
        let mut images = Vec::with_capacity(latents.len());
        for same in
            latents.chunk_by(|one, next| (one.generated_by, one.shape) == (next.generated_by, next.shape))
        {
            let values: Vec<&[f32]> = same.iter().map(|latent| latent.latent.as_slice()).collect();
            images.extend(self.decode_same(&values, &same[0])?);
        }
        Ok(images)
    }

    fn decode_same(
        &mut self,
        values: &[&[f32]],
        first: &LatentImage,
    ) -> Result<Vec<RgbImage>, ReportDecoderError> {
        let (content, found) = self.find(&first.generated_by)?;
        if !self.loaded.contains_key(&content) {
            let device = &self.device.open()?.device;
            let decoder = match found {
                Found::Directory(path) => StoredLatentDecoder::open(path, device)?,
                Found::Artifact(model) => StoredLatentDecoder::of_artifact(self.store, &model, device)?,
            };
            // A directory that changed while it was read is another model by now.
            self.find(&first.generated_by)?;
            self.loaded.insert(content, decoder);
        }
        let decoder = &self.loaded[&content];
        Ok(decoder.decode(values, first.shape)?)
    }

    /// Finds the model of a stage by its content, in the store or among the directories that the pipeline names.
    fn find(&self, generated_by: &StageKey) -> Result<(ContentDigest, Found<'a>), ReportDecoderError> {
        let record = self.record(generated_by).ok_or(ReportDecoderError::NoRecord)?;
        if let Some(input) = record.inputs.get(MODEL_PORT) {
            let maker = input.stage.and_then(|key| self.record(&key));
            let artifacts = maker.into_iter().flat_map(|maker| maker.outputs.into_values());
            let artifact = artifacts
                .into_iter()
                .find(|artifact| artifact.content == input.content);
            let artifact = artifact.ok_or(ReportDecoderError::NoModelResult)?;
            return Ok((input.content, Found::Artifact(Box::new(artifact))));
        }
        let preimage = self
            .store
            .records()
            .read_preimage(&record.preimage)
            .map_err(ReportDecoderError::Preimage)?;
        let content = named_model(&preimage).ok_or(ReportDecoderError::NoModelNamed)?;
        let mut other = false;
        for stage in &self.pipeline.stages {
            let Some(path) = stage.stage.model_directory() else {
                continue;
            };
            // A directory that is missing or broken may still be followed by the right one.
            let Ok(digests) = stage.stage.external(self.digests) else {
                continue;
            };
            match digests.get("model") {
                Some(found) if *found == content => return Ok((content, Found::Directory(path))),
                _ => other = true,
            }
        }
        Err(match other {
            true => ReportDecoderError::OtherModel,
            false => ReportDecoderError::NoModelDirectory,
        })
    }

    fn record(&self, key: &StageKey) -> Option<ActionRecord> {
        match self.store.records().peek(key) {
            Lookup::Hit(record) => Some(*record),
            Lookup::Miss(_) => None,
        }
    }
}

/// Reads the digest of the model directory out of what a stage key was derived from.
fn named_model(preimage: &Value) -> Option<ContentDigest> {
    let preimage = serde_json::to_value(preimage).ok()?;
    preimage["external"]["model"].as_str()?.parse().ok()
}
