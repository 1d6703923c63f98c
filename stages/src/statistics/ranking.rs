//! How well a score finds the aligned images among the candidates of a prompt.
//!
//! Scores are compared within a prompt only, as selection does: prompts differ in their level of score.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::bootstrap::{BootstrapError, BootstrapSettings, Cluster, Estimate};

/// A candidate as ranking sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankedImage {
    /// The score; higher is meant to be better.
    pub score: f64,
    /// Whether the image does what its prompt says.
    pub aligned: bool,
}

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

/// Returns the probability that an aligned image scores higher than one that is not, ties counting one half.
///
/// This is the Mann-Whitney statistic over the pairs of the prompt. None when all images are of one sort.
///
/// # Errors
/// When a score is NaN.
pub fn auc(images: &[RankedImage]) -> Result<Option<f64>, RankingError> {
    if let Some(image) = images.iter().position(|image| image.score.is_nan()) {
        return Err(RankingError::NotANumber { image });
    }
    let mut sorted = images.to_vec();
    sorted.sort_unstable_by(|one, other| one.score.total_cmp(&other.score));
    let (mut won, mut aligned, mut misaligned) = (0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|one, other| one.score == other.score) {
        let good = tied.iter().filter(|image| image.aligned).count() as f64;
        let bad = tied.len() as f64 - good;
        won += good * (misaligned + bad / 2.0);
        aligned += good;
        misaligned += bad;
    }
    let pairs = aligned * misaligned;
    Ok((pairs > 0.0).then(|| won / pairs))
}

/// Estimates by how much the AUC of one score exceeds that of another, paired by prompt.
///
/// Both lists hold the same prompts and images in the same order; prompts of one sort of images are left out.
///
/// # Errors
/// When the images differ, a score is NaN, or the bootstrap refuses.
pub fn auc_difference(
    score: &[Vec<RankedImage>],
    other: &[Vec<RankedImage>],
    settings: &BootstrapSettings,
) -> Result<Option<Estimate>, RankingError> {
    let labels = |images: &Vec<RankedImage>| images.iter().map(|image| image.aligned).collect::<Vec<bool>>();
    if !score.iter().map(labels).eq(other.iter().map(labels)) {
        return Err(RankingError::DifferentImages);
    }
    let mut differences = Vec::new();
    for (one, two) in score.iter().zip(other) {
        if let (Some(one), Some(two)) = (auc(one)?, auc(two)?) {
            differences.push(Cluster::of([one - two]));
        }
    }
    Ok(settings.mean(&differences)?)
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

/// Why a score could not be measured.
#[derive(Debug, Clone, PartialEq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum RankingError {
    #[error("Score of image `{image}` is not a number")]
    NotANumber { image: usize },
    #[error("Two scores hold different images, expected the same prompts and images in the same order")]
    DifferentImages,
    #[error("Power of a score could not be estimated")]
    Bootstrap(#[from] BootstrapError),
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
    use super::{RankedImage, RankingError, RankingPower, auc, auc_difference, top_1, worst_1};
    use crate::draws::Draws;
    use crate::statistics::bootstrap::BootstrapSettings;

    fn images(scored: &[(f64, bool)]) -> Vec<RankedImage> {
        scored
            .iter()
            .map(|&(score, aligned)| RankedImage { score, aligned })
            .collect()
    }

    fn random_images(draws: &mut Draws, levels: u32) -> Vec<RankedImage> {
        let size = 1 + draws.below(15);
        (0..size)
            .map(|_| RankedImage {
                score: f64::from(draws.below(levels)),
                aligned: draws.chance(0.5),
            })
            .collect()
    }

    #[test]
    fn closed_forms() {
        let perfect = images(&[(0.1, false), (0.9, true), (0.2, false), (0.5, true)]);
        assert_eq!(
            (auc(&perfect), top_1(&perfect), worst_1(&perfect)),
            (Ok(Some(1.0)), 1.0, 0.0)
        );
        let inverse = images(&[(0.9, false), (0.1, true)]);
        assert_eq!(
            (auc(&inverse), top_1(&inverse), worst_1(&inverse)),
            (Ok(Some(0.0)), 0.0, 1.0)
        );
        // Of the 4 pairs the aligned image wins 2, ties 1 and loses 1.
        let mixed = images(&[(1.0, true), (3.0, true), (1.0, false), (2.0, false)]);
        assert_eq!(auc(&mixed), Ok(Some(2.5 / 4.0)));
        assert_eq!((top_1(&mixed), worst_1(&mixed)), (1.0, 0.5));
        let constant = images(&[(1.0, true), (1.0, true), (1.0, false), (1.0, false)]);
        assert_eq!(
            (auc(&constant), top_1(&constant), worst_1(&constant)),
            (Ok(Some(0.5)), 0.5, 0.5)
        );
        assert_eq!(auc(&images(&[(0.0, true), (1.0, true)])), Ok(None));
        assert_eq!((auc(&[]), top_1(&[])), (Ok(None), 0.0));
        assert_eq!(auc(&images(&[(-0.0, true), (0.0, false)])), Ok(Some(0.5)));
    }

    #[test]
    fn auc_counts_the_pairs_that_are_ordered_rightly() {
        for round in 0..300 {
            let sample = random_images(&mut Draws::new("auc test", 0, round), 8);
            let (mut won, mut pairs) = (0.0, 0.0);
            for good in sample.iter().filter(|image| image.aligned) {
                for bad in sample.iter().filter(|image| !image.aligned) {
                    pairs += 1.0;
                    won += if good.score > bad.score {
                        1.0
                    } else if good.score == bad.score {
                        0.5
                    } else {
                        0.0
                    };
                }
            }
            let found = auc(&sample).expect("numbers");
            assert_eq!(found.is_some(), pairs > 0.0);
            assert!(found.is_none_or(|area| f64::abs(area - won / pairs) < 1e-12));
        }
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
    fn scores_that_are_no_numbers_and_unlike_images_are_refused() {
        let broken = images(&[(1.0, true), (f64::NAN, false)]);
        assert_eq!(auc(&broken), Err(RankingError::NotANumber { image: 1 }));
        let settings = BootstrapSettings::default();
        assert!(RankingPower::of(&[broken], &settings).is_err());
        let (one, other) = ([images(&[(1.0, true)])], [images(&[(1.0, false)])]);
        assert_eq!(
            auc_difference(&one, &other, &settings),
            Err(RankingError::DifferentImages)
        );
    }
}
