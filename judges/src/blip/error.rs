//! What can be wrong with a BLIP.

use std::path::Path;

use mitune_diffusion::config_fields::SettingError;
use mitune_diffusion::nn::weights::WeightsError;

use crate::pair_judge::JudgeError;

/// A BLIP that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BlipError {
    /// A configuration asks for something that is not supported.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A number is outside of its range, or does not fit another.
    #[error("`{field}` is {found}, expected {expected}")]
    Range {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// The weights cannot be read, or do not fit the configuration.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The weights are of another network.
    #[error("`{origin}` has no `{tensor}` as a BLIP has it: {found}")]
    OtherNetwork {
        /// Where the weights come from.
        origin: String,
        /// The tensor that was looked for.
        tensor: String,
        /// What there is instead.
        found: String,
    },
}

impl BlipError {
    /// The same as a failure of a judge whose configuration is `path`.
    pub(crate) fn of_judge(self, path: &Path) -> JudgeError {
        let path = path.to_owned();
        match self {
            Self::Setting(source) => JudgeError::Setting { path, source },
            Self::Weights(error) => JudgeError::Weights(error),
            Self::Range { .. } => JudgeError::Configuration {
                path,
                reason: self.to_string(),
            },
            Self::OtherNetwork {
                origin,
                tensor,
                found,
            } => JudgeError::OtherWeights {
                origin,
                expected: "a BLIP",
                found: format!("`{tensor}`: {found}"),
            },
        }
    }
}

/// Checks that a number is within a range.
pub(super) fn check_at_most(field: &'static str, found: usize, most: usize) -> Result<(), BlipError> {
    match (1..=most).contains(&found) {
        true => Ok(()),
        false => Err(BlipError::Range {
            field,
            found: found.to_string(),
            expected: format!("from 1 to {most}"),
        }),
    }
}

/// Checks that features can be cut into heads.
pub(super) fn check_heads(field: &'static str, features: usize, heads: usize) -> Result<(), BlipError> {
    check_at_most(field, heads, MOST)?;
    match features.is_multiple_of(heads) {
        true => Ok(()),
        false => Err(BlipError::Range {
            field,
            found: heads.to_string(),
            expected: format!("a divisor of the width {features}"),
        }),
    }
}

/// Checks the constant under the root of a normalisation.
pub(super) fn check_epsilon(field: &'static str, found: f64) -> Result<(), BlipError> {
    match found.is_finite() && found > 0.0 {
        true => Ok(()),
        false => Err(BlipError::Range {
            field,
            found: found.to_string(),
            expected: "a positive number".to_owned(),
        }),
    }
}

/// Far more than any network has of anything.
pub(super) const MOST: usize = 65_536;

/// Most layers.
pub(super) const MOST_LAYERS: usize = 1024;
