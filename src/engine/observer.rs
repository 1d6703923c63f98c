//! Watching a run.

use std::time::Duration;

use mitune_stages::contract::{Progress, Silent};
use mitune_store::RunId;

use super::explanation::Explanation;
use super::results::Outcome;
use crate::pipeline::{Pipeline, PipelineStage};

/// Somebody who watches a run, such as the terminal.
pub trait Observer: Sync {
    /// A run begins.
    fn run_started(&self, run: &RunId, pipeline: &Pipeline);
    /// This process joins a run that others are at.
    fn run_joined(&self, run: &RunId, pipeline: &Pipeline);
    /// A stage that must compute begins.
    fn stage_started(&self, index: usize, stage: &PipelineStage, explanation: &Explanation);
    /// A stage has its result.
    fn stage_finished(&self, index: usize, stage: &PipelineStage, outcome: Outcome, time: Duration);
    /// Takes the progress of the stage that computes now.
    fn progress(&self) -> &dyn Progress;
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn run_started(&self, _: &RunId, _: &Pipeline) {}
    fn run_joined(&self, _: &RunId, _: &Pipeline) {}
    fn stage_started(&self, _: usize, _: &PipelineStage, _: &Explanation) {}
    fn stage_finished(&self, _: usize, _: &PipelineStage, _: Outcome, _: Duration) {}
    fn progress(&self) -> &dyn Progress {
        &Silent
    }
}
