use mitune_diffusion::forward_scores::ForwardScoreSettings;
use mitune_diffusion::mutual_information::MiMode;

use crate::models::loaded_model::Posterior;
use crate::score::scored_timesteps::{NoiseNaming, ScoredTimesteps};

/// How given pairs are scored.
#[derive(Clone, Copy, Debug)]
pub struct PairScoring {
    /// Timesteps at which the denoiser is asked. By default, those of a generation with 50 steps.
    pub timesteps: ScoredTimesteps,
    /// Noises at each timestep. By default, 1.
    pub noises: usize,
    /// Seed of the noises. By default, 42.
    pub seed: u64,
    /// Which pairs meet the same noises. By default, all of them.
    pub noise: NoiseNaming,
    /// Whose weight, range and reduction the scores in nats have. By default, the paper's.
    pub mode: MiMode,
    /// What stands for the latent of an image. By default, the mean.
    pub posterior: Posterior,
}

impl Default for PairScoring {
    fn default() -> Self {
        Self {
            timesteps: ScoredTimesteps::default(),
            noises: 1,
            seed: 42,
            noise: NoiseNaming::default(),
            mode: MiMode::default(),
            posterior: Posterior::default(),
        }
    }
}

impl PairScoring {
    pub(super) fn forward(&self) -> ForwardScoreSettings {
        ForwardScoreSettings {
            timesteps: self.timesteps.forward(),
            noises: self.noises,
            seed: self.seed,
            estimator: self.mode.parts(),
        }
    }

    /// Returns the column of the squared score: that of generation, where it estimates the same number.
    pub fn mi_column(&self) -> &'static str {
        match self.timesteps.of_generation() {
            true => "mi",
            false => "mi_forward",
        }
    }
}
