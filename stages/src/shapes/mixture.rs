//! How often captions fail, and in which way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::caption::CaptionKind;
use crate::draws::Draws;

/// Weights of the kinds of captions, and the share of empty ones.
///
/// By default captions fail mostly by being unrelated or incomplete, as those of web images do, and seldom by
/// swapped colours. Weights need not add up to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CaptionMixture {
    /// Weight of captions that name both objects as they are.
    pub faithful: f64,
    /// Weight of captions of another image.
    pub unrelated: f64,
    /// Weight of captions that name one object only.
    pub missing_object: f64,
    /// Weight of captions with another shape in place of an object.
    pub replaced_object: f64,
    /// Weight of captions that leave out a colour.
    pub missing_colour: f64,
    /// Weight of captions with a foreign colour.
    pub replaced_colour: f64,
    /// Weight of captions whose colours are exchanged between the objects.
    pub swapped_colours: f64,
    /// Probability of an empty caption, drawn before the kind; it trains the unconditional branch.
    pub empty: f64,
}

impl Default for CaptionMixture {
    fn default() -> Self {
        Self {
            faithful: 0.40,
            unrelated: 0.25,
            missing_object: 0.09,
            replaced_object: 0.05,
            missing_colour: 0.08,
            replaced_colour: 0.05,
            swapped_colours: 0.08,
            empty: 0.10,
        }
    }
}

impl CaptionMixture {
    /// Captions that are always faithful and never empty.
    pub fn faithful() -> Self {
        Self {
            faithful: 1.0,
            unrelated: 0.0,
            missing_object: 0.0,
            replaced_object: 0.0,
            missing_colour: 0.0,
            replaced_colour: 0.0,
            swapped_colours: 0.0,
            empty: 0.0,
        }
    }

    /// Checks that the numbers are weights and a probability.
    ///
    /// # Errors
    /// When a weight is negative or not finite, when all are zero, or when `empty` is no probability.
    pub fn check(&self) -> Result<(), MixtureError> {
        for (kind, weight) in self.weights() {
            if !weight.is_finite() || weight < 0.0 {
                return Err(MixtureError::Weight {
                    kind: kind.name(),
                    weight,
                });
            }
        }
        if !self.total().is_finite() || self.total() <= 0.0 {
            return Err(MixtureError::NoWeight);
        }
        if !(0.0..=1.0).contains(&self.empty) {
            return Err(MixtureError::Empty(self.empty));
        }
        Ok(())
    }

    /// Returns the probability of each kind.
    pub fn probabilities(&self) -> Vec<(CaptionKind, f64)> {
        let total = self.total();
        self.weights()
            .into_iter()
            .map(|(kind, weight)| (kind, (1.0 - self.empty) * weight / total))
            .chain([(CaptionKind::Empty, self.empty)])
            .collect()
    }

    /// Draws a kind.
    pub fn draw(&self, draws: &mut Draws) -> CaptionKind {
        if draws.chance(self.empty) {
            return CaptionKind::Empty;
        }
        let mut left = draws.unit() * self.total();
        let mut chosen = CaptionKind::Faithful;
        for (kind, weight) in self.weights() {
            if weight > 0.0 {
                chosen = kind;
                if left < weight {
                    break;
                }
                left -= weight;
            }
        }
        chosen
    }

    fn total(&self) -> f64 {
        self.weights().iter().map(|(_, weight)| weight).sum()
    }

    fn weights(&self) -> [(CaptionKind, f64); 7] {
        [
            (CaptionKind::Faithful, self.faithful),
            (CaptionKind::Unrelated, self.unrelated),
            (CaptionKind::MissingObject, self.missing_object),
            (CaptionKind::ReplacedObject, self.replaced_object),
            (CaptionKind::MissingColour, self.missing_colour),
            (CaptionKind::ReplacedColour, self.replaced_colour),
            (CaptionKind::SwappedColours, self.swapped_colours),
        ]
    }
}

/// Why a mixture was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum MixtureError {
    #[error("Weight of `{kind}` captions is `{weight}`, expected a finite number that is not negative")]
    Weight { kind: &'static str, weight: f64 },
    #[error("All weights of the caption mixture are `0`, expected at least one above it")]
    NoWeight,
    #[error("Probability of empty captions is `{0}`, expected 0 to 1")]
    Empty(f64),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{CaptionMixture, MixtureError};
    use crate::draws::Draws;

    #[test]
    fn kinds_come_with_their_probabilities() {
        let mixture = CaptionMixture {
            faithful: 3.0,
            ..CaptionMixture::default()
        };
        let mut counts = BTreeMap::new();
        let total = 100_000;
        let mut draws = Draws::new("mixture test", 0, 0);
        for _ in 0..total {
            *counts.entry(mixture.draw(&mut draws)).or_insert(0u32) += 1;
        }
        let probabilities = mixture.probabilities();
        assert!((probabilities.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-12);
        for (kind, probability) in probabilities {
            let expected = probability * f64::from(total);
            let deviation = (expected * (1.0 - probability)).sqrt();
            let drawn = f64::from(counts.get(&kind).copied().unwrap_or(0));
            assert!(
                (drawn - expected).abs() < 4.5 * deviation,
                "{kind:?}: {drawn} against {expected}"
            );
        }
    }

    #[test]
    fn kinds_of_zero_weight_never_come() {
        let mut draws = Draws::new("mixture test", 1, 0);
        let only = CaptionMixture {
            faithful: 0.0,
            unrelated: 1e-300,
            ..CaptionMixture::faithful()
        };
        assert!((0..1000).all(|_| only.draw(&mut draws).name() == "unrelated"));
    }

    #[test]
    fn numbers_that_are_no_weights_are_refused() {
        let base = CaptionMixture::default();
        assert_eq!(base.check(), Ok(()));
        let negative = CaptionMixture {
            missing_colour: -0.1,
            ..base
        };
        assert!(matches!(
            negative.check(),
            Err(MixtureError::Weight {
                kind: "missing_colour",
                ..
            })
        ));
        let not_a_number = CaptionMixture {
            faithful: f64::NAN,
            ..base
        };
        assert!(matches!(not_a_number.check(), Err(MixtureError::Weight { .. })));
        let nothing = CaptionMixture {
            faithful: 0.0,
            ..CaptionMixture::faithful()
        };
        assert_eq!(nothing.check(), Err(MixtureError::NoWeight));
        assert_eq!(
            CaptionMixture { empty: 1.5, ..base }.check(),
            Err(MixtureError::Empty(1.5))
        );
    }
}
