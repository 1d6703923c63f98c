//! The steps of a whole run.

use super::reverse_step::ReverseStep;

/// A run with all its numbers worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct ReverseProcess {
    /// One step for each evaluation of the denoiser.
    pub steps: Vec<ReverseStep>,
    /// The standard deviation of the latent a run starts from.
    pub start: f64,
    /// How many kept values the steps look back to.
    pub memory: usize,
}

impl ReverseProcess {
    pub(crate) fn new(steps: Vec<ReverseStep>, start: f64) -> Self {
        let memory = steps.iter().map(|step| step.history.len()).max().unwrap_or(0);
        Self { steps, start, memory }
    }
}
