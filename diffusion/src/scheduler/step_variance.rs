//! Whose variance the steps of ancestral sampling have.

use serde::{Deserialize, Serialize};

use super::config::{SchedulerConfig, VarianceType};

/// The variance of the noise that a step of `ddpm` adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepVariance {
    /// What `variance_type` of the model's scheduler file says, `fixed_small` where it says nothing;
    /// diffusers and the reference code do the same. The default.
    #[default]
    Scheduler,
    /// That of the posterior, `(1 - a_next) / (1 - a) * beta` with `a` the `alpha_cumprod` of the
    /// step (Ho et al. 2020, equation 7).
    FixedSmall,
    /// `beta` of the step and none in the last, as algorithm 2 of MI-TUNE writes it. Between far
    /// timesteps it leaves noise in the latent that the network is not told of.
    Beta,
}

impl StepVariance {
    /// Puts the variance into a configuration.
    pub(super) fn applied(self, config: &SchedulerConfig) -> SchedulerConfig {
        let variance_type = match self {
            Self::Scheduler => config.variance_type,
            Self::FixedSmall => VarianceType::FixedSmall,
            Self::Beta => VarianceType::FixedLarge,
        };
        SchedulerConfig {
            variance_type,
            ..config.clone()
        }
    }
}
