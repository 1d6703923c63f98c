//! The steps of a run along a rectified flow.

use super::{FlowSchedule, RectifiedFlowError};
use crate::prediction::Mix;
use crate::scheduler::{ReverseProcess, ReverseStep};

impl FlowSchedule {
    /// Works out Euler's steps down the velocity, as diffusers' `FlowMatchEulerDiscreteScheduler` goes.
    ///
    /// # Errors
    /// As for [`Self::sigmas`].
    pub fn reverse_process(&self, steps: usize) -> Result<ReverseProcess, RectifiedFlowError> {
        let mut sigmas = self.sigmas(steps)?;
        sigmas.push(0.0);
        let told = self.num_train_timesteps as f64;
        let steps = sigmas.windows(2).map(|pair| {
            let (from, to) = (pair[0], pair[1]);
            ReverseStep {
                prediction: Mix {
                    sample: 1.0,
                    output: -from,
                },
                sample: 1.0,
                output: to - from,
                ..ReverseStep::on_flow(from * told, from)
            }
        });
        Ok(ReverseProcess::new(steps.collect(), 1.0))
    }
}
