//! Where on the noise schedule finished images are scored, and under which noise.

use mitune_diffusion::forward_scores::{ForwardScoreError, ForwardTimesteps, TimestepSpread};
use mitune_diffusion::noise::{ContentKey, bank_key, text_key};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest timestep of the schedules in use.
const LAST: usize = 999;

/// Timesteps at which finished images are scored: those of a generation, or spread evenly over a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScoredTimesteps {
    /// Smallest timestep of a range, both ends included; scores in nats are then what this range contributes to the
    /// whole. By default, 0 where `last` is set, else the timesteps of a generation.
    pub first: Option<usize>,
    /// Largest timestep of a range. By default, 999 where `first` is set.
    pub last: Option<usize>,
    /// How many timesteps: the steps of a generation, or so many over the range. By default, 50.
    pub count: usize,
}

/// Which images meet the same noises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseNaming {
    /// All: one bank by seed, timestep and number, so that neither images nor captions differ by the luck of their
    /// noise, as in DiffusionITM; the default.
    #[default]
    Bank,
    /// Those of one prompt: captions of one image meet different noises, and the luck of one prompt is not that of the
    /// next, which is enough to choose among the images of each prompt.
    Prompt,
}

impl Default for ScoredTimesteps {
    fn default() -> Self {
        Self {
            first: None,
            last: None,
            count: 50,
        }
    }
}

impl ScoredTimesteps {
    /// Whether these are the timesteps of a generation.
    pub(crate) fn of_generation(self) -> bool {
        self.first.is_none() && self.last.is_none()
    }

    pub(crate) fn forward(self) -> ForwardTimesteps {
        match self.of_generation() {
            true => ForwardTimesteps::Run(self.count),
            false => ForwardTimesteps::Spread(self.spread()),
        }
    }

    /// Checks a range without a model.
    pub(crate) fn check(self) -> Result<(), ForwardScoreError> {
        match self.of_generation() {
            true => Ok(()),
            false => self.spread().timesteps().map(|_| ()),
        }
    }

    fn spread(self) -> TimestepSpread {
        TimestepSpread {
            first: self.first.unwrap_or(0),
            last: self.last.unwrap_or(LAST),
            count: self.count,
        }
    }
}

impl NoiseNaming {
    /// Returns what the noise of a prompt is named by.
    pub(crate) fn key(self, prompt: &str) -> ContentKey {
        match self {
            Self::Bank => bank_key(),
            Self::Prompt => text_key(prompt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_as_soon_as_an_end_is_set() {
        let of = |text: &str| serde_json::from_str::<ScoredTimesteps>(text).unwrap().forward();
        let spread = |first, last, count| ForwardTimesteps::Spread(TimestepSpread { first, last, count });
        assert_eq!(of("{}"), ForwardTimesteps::Run(50));
        assert_eq!(of(r#"{"count": 20}"#), ForwardTimesteps::Run(20));
        assert_eq!(of(r#"{"first": 400}"#), spread(400, 999, 50));
        assert_eq!(of(r#"{"last": 800, "count": 8}"#), spread(0, 800, 8));
        let narrow = serde_json::from_str::<ScoredTimesteps>(r#"{"first": 3, "last": 6}"#).unwrap();
        assert!(narrow.check().is_err());
    }

    #[test]
    fn captions_share_a_bank_and_nothing_else() {
        let keys = |naming: NoiseNaming| [naming.key("a cat"), naming.key("a dog")];
        let [one, other] = keys(NoiseNaming::Bank);
        assert_eq!(one, other);
        let [one, other] = keys(NoiseNaming::Prompt);
        assert_ne!(one, other);
    }
}
