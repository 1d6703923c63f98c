//! What of the networks a fine-tuning trains.

use mitune_diffusion::adapter::AdapterMethod;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::setting_defaults::fraction;

/// What of the denoiser is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinetuneMethod {
    /// An adapter that adds a low-rank product to the weights (Hu et al. 2021).
    Lora,
    /// An adapter that also learns the length of every row of the weights (Liu et al. 2024). The default.
    Dora,
    /// All weights of the denoiser. The stage then yields a `model` in place of an `adapter`, and `rank`, `alpha` and
    /// `targets` have no meaning; weights, gradients and moments take several times the memory of an adapter's training.
    Full,
}

impl FinetuneMethod {
    /// The kind of adapter that is trained, if one is.
    pub(super) fn adapter(self) -> Option<AdapterMethod> {
        match self {
            Self::Lora => Some(AdapterMethod::Lora),
            Self::Dora => Some(AdapterMethod::Dora),
            Self::Full => None,
        }
    }
}

/// Training of the text encoder beside the denoiser: of an adapter of the same kind, `rank` and `alpha` on the query,
/// key, value and output layers of its attention, or of all its weights where `method` is `full`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextEncoderConfig {
    /// Learning rate of the text encoder after warm-up. By default, 5e-6, that of GORS.
    #[serde(default = "fraction::<5, 1_000_000>")]
    pub learning_rate: f64,
}
