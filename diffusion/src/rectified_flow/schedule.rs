//! The noise levels of a rectified flow, as diffusers' `FlowMatchEulerDiscreteScheduler` has them.

use super::RectifiedFlowError;

/// Shifted levels (Esser et al. 2024, section 5.3.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowSchedule {
    /// The number of training timesteps. By default, 1000.
    pub num_train_timesteps: usize,
    /// How far levels are moved towards noise; 1 is not at all. By default, 1; 3 for Stable
    /// Diffusion 3.
    pub shift: f64,
}

impl Default for FlowSchedule {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            shift: 1.0,
        }
    }
}

impl FlowSchedule {
    /// Moves a level towards noise.
    pub fn shifted(&self, sigma: f64) -> f64 {
        // In this form 1 stays exactly 1.
        self.shift * sigma / (self.shift * sigma + (1.0 - sigma))
    }

    /// Returns the levels of a run of `steps`, descending, without the 0 that it ends at.
    ///
    /// The lowest training level is shifted once, the levels between it and the highest are spread
    /// evenly and shifted again, so that the last one is shifted twice.
    ///
    /// # Errors
    /// Fails when `steps` is 0 or more than the training timesteps.
    pub fn sigmas(&self, steps: usize) -> Result<Vec<f64>, RectifiedFlowError> {
        let length = self.num_train_timesteps;
        if steps == 0 || steps > length {
            return Err(RectifiedFlowError::Steps { steps, length });
        }
        let (highest, lowest) = (self.shifted(1.0), self.shifted(1.0 / length as f64));
        let intervals = (steps.max(2) - 1) as f64;
        let even = (0..steps).map(|i| highest + (lowest - highest) * (i as f64 / intervals));
        Ok(even.map(|sigma| self.shifted(sigma)).collect())
    }

    /// Returns what the network is told for each level.
    ///
    /// # Errors
    /// As for [`Self::sigmas`].
    pub fn timesteps(&self, steps: usize) -> Result<Vec<f64>, RectifiedFlowError> {
        let told = |sigma| sigma * self.num_train_timesteps as f64;
        Ok(self.sigmas(steps)?.into_iter().map(told).collect())
    }
}
