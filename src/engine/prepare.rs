//! What can be known of every stage before any has run.

use std::collections::BTreeMap;

use mitune_stages::contract::{ExternalDigests, StageError};
use mitune_store::{ContentDigest, Value};

use super::error::EngineError;
use crate::pipeline::{Pipeline, PipelineStage};

/// What can be known of a stage before any has run.
pub(super) struct Prepared {
    pub(super) config: Value,
    pub(super) external: BTreeMap<String, ContentDigest>,
}

/// Prepares all stages, so that a missing file is found before hours of work.
pub(super) fn prepare(
    pipeline: &Pipeline,
    digests: &dyn ExternalDigests,
) -> Result<Vec<Prepared>, EngineError> {
    let one = |stage: &PipelineStage| -> Result<Prepared, StageError> {
        Ok(Prepared {
            config: stage.stage.config()?,
            external: stage.stage.external(digests)?,
        })
    };
    pipeline
        .stages
        .iter()
        .map(|stage| one(stage).map_err(|source| EngineError::setup(pipeline, stage, source)))
        .collect()
}
