//! A stage whose inputs are there, with what its result is made from.

use mitune_stages::contract::KeyIngredients;
use mitune_store::{RunLog, StageKey};

use crate::pipeline::{Pipeline, PipelineStage};

/// A stage whose inputs are there.
pub(super) struct Task<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) stage: &'a PipelineStage,
    pub(super) ingredients: &'a KeyIngredients,
    pub(super) log: &'a RunLog,
}

impl Task<'_> {
    pub(super) fn key(&self) -> &StageKey {
        self.ingredients.key()
    }

    pub(super) fn name(&self) -> String {
        self.stage.name.to_string()
    }
}
