//! Settings of sampling, as a pipeline writes them.

use mitune_diffusion::mutual_information::MiMode;
use mitune_diffusion::sampler::{SamplerSettings, SchedulerKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How images are sampled. The defaults are those of the paper (table 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerConfig {
    /// The family of denoising steps, built from the model's scheduler file. By default, `ddpm`.
    pub scheduler: SchedulerKind,
    /// Number of denoising steps. By default, 50.
    pub steps: usize,
    /// Scale of classifier-free guidance; 1 is none. By default, 7.5.
    pub guidance: f64,
    /// Noise of DDIM steps, from 0 to 1; the others ignore it. By default, 0.
    pub eta: f64,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        let paper = SamplerSettings::default();
        Self {
            scheduler: paper.scheduler,
            steps: paper.steps,
            guidance: paper.guidance,
            eta: paper.eta,
        }
    }
}

/// How mutual information is estimated along the trajectory (methods of the paper, equation 2 and algorithm 2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MutualInformationConfig {
    /// Whose estimator: `paper` divides by `alpha_t` and counts all timesteps; `reference`, the authors' code, does
    /// not divide and counts timesteps above 50. By default, `paper`.
    pub mode: MiMode,
    /// Smallest timestep that counts. By default, the mode's.
    pub min_timestep: Option<usize>,
    /// Whether a velocity stands for noise in the score, as in the reference code. By default, false.
    pub raw_outputs: bool,
}

impl SamplerConfig {
    /// Joins the settings that the sampler takes together.
    pub fn settings(&self, mi: &MutualInformationConfig, seed: u64) -> SamplerSettings {
        SamplerSettings {
            scheduler: self.scheduler,
            eta: self.eta,
            steps: self.steps,
            guidance: self.guidance,
            seed,
            mi_mode: mi.mode,
            mi_min_timestep: mi.min_timestep,
            mi_raw_outputs: mi.raw_outputs,
        }
    }
}
