//! How well a score finds the aligned images among the candidates of a prompt.
//!
//! Scores are compared within a prompt only, as selection does: prompts differ in their level of score.

use serde::{Deserialize, Serialize};

use super::auc::{RankedImage, RankingError, auc};
use super::bootstrap::{BootstrapSettings, Cluster, Estimate};

/// The power of a score, averaged over prompts with equal weight, with intervals over prompts.
///
/// Fields are none when no prompt allows them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankingPower {
    /// Area under the ROC curve within a prompt; 0.5 is no power. Over prompts with both sorts of images.
    pub auc: Option<Estimate>,
    /// Share of prompts whose highest-ranked image is aligned.
    pub top_1: Option<Estimate>,
    /// Share of prompts whose lowest-ranked image is aligned; a good score has little of it.
    pub worst_1: Option<Estimate>,
    /// Share of aligned images of a prompt, what a random choice would have.
    pub base: Option<Estimate>,
    /// `top_1` minus `base`, paired by prompt: what selection gains over a random choice.
    pub gain: Option<Estimate>,
}

impl RankingPower {
    /// Measures a score on the candidates of several prompts, one list per prompt; empty lists count for nothing.
    ///
    /// # Errors
    /// When a score is NaN or the bootstrap refuses.
    pub fn of(prompts: &[Vec<RankedImage>], settings: &BootstrapSettings) -> Result<Self, RankingError> {
        let occupied = || prompts.iter().filter(|images| !images.is_empty());
        let mut areas = Vec::new();
        for images in occupied() {
            areas.extend(auc(images)?);
        }
        let mean = |values: Vec<f64>| {
            let clusters: Vec<Cluster> = values.into_iter().map(|value| Cluster::of([value])).collect();
            settings.mean(&clusters)
        };
        Ok(Self {
            auc: mean(areas)?,
            top_1: mean(occupied().map(|images| top_1(images)).collect())?,
            worst_1: mean(occupied().map(|images| worst_1(images)).collect())?,
            base: mean(occupied().map(|images| aligned_share(images)).collect())?,
            gain: mean(
                occupied()
                    .map(|images| top_1(images) - aligned_share(images))
                    .collect(),
            )?,
        })
    }
}

/// Returns the share of aligned images among those of the highest score.
///
/// That is 0 or 1 without a tie, and the expectation of a random choice among tied images; 0 for no image.
pub fn top_1(images: &[RankedImage]) -> f64 {
    let highest = images
        .iter()
        .map(|image| image.score)
        .fold(f64::NEG_INFINITY, f64::max);
    aligned_share_at(images, highest)
}

/// Returns the share of aligned images among those of the lowest score, as `top_1` does for the highest.
pub fn worst_1(images: &[RankedImage]) -> f64 {
    let lowest = images
        .iter()
        .map(|image| image.score)
        .fold(f64::INFINITY, f64::min);
    aligned_share_at(images, lowest)
}

fn aligned_share_at(images: &[RankedImage], score: f64) -> f64 {
    let chosen: Vec<RankedImage> = images
        .iter()
        .copied()
        .filter(|image| image.score == score)
        .collect();
    aligned_share(&chosen)
}

fn aligned_share(images: &[RankedImage]) -> f64 {
    let aligned = images.iter().filter(|image| image.aligned).count();
    if images.is_empty() {
        0.0
    } else {
        aligned as f64 / images.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::{RankedImage, RankingPower, top_1, worst_1};
    use crate::draws::Draws;
    use crate::statistics::auc::auc_difference;
    use crate::statistics::bootstrap::BootstrapSettings;

    fn images(scored: &[(f64, bool)]) -> Vec<RankedImage> {
        scored
            .iter()
            .map(|&(score, aligned)| RankedImage { score, aligned })
            .collect()
    }

    #[test]
    fn the_ends_of_a_ranking_share_out_ties() {
        let mixed = images(&[(1.0, true), (3.0, true), (1.0, false), (2.0, false)]);
        assert_eq!((top_1(&mixed), worst_1(&mixed)), (1.0, 0.5));
        let inverse = images(&[(0.9, false), (0.1, true)]);
        assert_eq!((top_1(&inverse), worst_1(&inverse)), (0.0, 1.0));
        let constant = images(&[(1.0, true), (1.0, true), (1.0, false)]);
        assert_eq!((top_1(&constant), worst_1(&constant)), (2.0 / 3.0, 2.0 / 3.0));
        assert_eq!(top_1(&[]), 0.0);
    }

    #[test]
    fn prompts_weigh_alike_and_uninformative_ones_leave_the_auc_alone() {
        let prompts = [
            images(&[(1.0, true), (0.0, false), (0.5, false), (0.2, false)]),
            images(&[(0.0, true), (1.0, false)]),
            images(&[(0.0, true), (1.0, true)]),
            Vec::new(),
        ];
        let power = RankingPower::of(&prompts, &BootstrapSettings::default()).expect("valid");
        let value = |estimate: Option<super::Estimate>| estimate.map(|found| (found.value, found.clusters));
        assert_eq!(value(power.auc), Some((0.5, 2)));
        assert_eq!(value(power.top_1), Some((2.0 / 3.0, 3)));
        assert_eq!(value(power.worst_1), Some((2.0 / 3.0, 3)));
        let base = value(power.base).expect("prompts");
        assert!((base.0 - (0.25 + 0.5 + 1.0) / 3.0).abs() < 1e-15);
        let gain = value(power.gain).expect("prompts");
        assert!((gain.0 - (2.0 / 3.0 - base.0)).abs() < 1e-15);
        let nothing = RankingPower::of(&[], &BootstrapSettings::default()).expect("valid");
        assert_eq!((nothing.auc, nothing.base), (None, None));
    }

    #[test]
    fn a_random_score_has_no_power_and_an_informed_one_has() {
        let mut informed = Vec::new();
        let mut blind = Vec::new();
        for prompt in 0..150 {
            let mut draws = Draws::new("power test", 0, prompt);
            let labels: Vec<bool> = (0..12).map(|_| draws.chance(0.5)).collect();
            let mut scored = |weight: f64| -> Vec<RankedImage> {
                let score =
                    |aligned: bool, draws: &mut Draws| weight * f64::from(u8::from(aligned)) + draws.unit();
                labels
                    .iter()
                    .map(|&aligned| RankedImage {
                        score: score(aligned, &mut draws),
                        aligned,
                    })
                    .collect()
            };
            informed.push(scored(0.5));
            blind.push(scored(0.0));
        }
        let settings = BootstrapSettings::default();
        let area = |prompts: &[Vec<RankedImage>]| {
            RankingPower::of(prompts, &settings)
                .expect("valid")
                .auc
                .expect("informative")
        };
        let (informed_area, blind_area) = (area(&informed), area(&blind));
        // Two uniform scores half a width apart: 1 - (1 - 1/2)^2 / 2.
        assert!(
            informed_area.low < 0.875 && 0.875 < informed_area.high,
            "{informed_area:?}"
        );
        assert!(blind_area.low < 0.5 && 0.5 < blind_area.high, "{blind_area:?}");
        let difference = auc_difference(&informed, &blind, &settings)
            .expect("valid")
            .expect("informative");
        assert!((difference.value - (informed_area.value - blind_area.value)).abs() < 1e-12);
        assert!(difference.low > 0.3);
        let same = auc_difference(&blind, &blind, &settings)
            .expect("valid")
            .expect("informative");
        assert_eq!((same.value, same.low, same.high), (0.0, 0.0, 0.0));
    }

    #[test]
    fn scores_that_are_no_numbers_are_refused() {
        let broken = images(&[(1.0, true), (f64::NAN, false)]);
        assert!(RankingPower::of(&[broken], &BootstrapSettings::default()).is_err());
    }
}
