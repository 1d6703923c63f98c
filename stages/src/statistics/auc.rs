//! The area under the ROC curve: how often a score orders a pair of candidates rightly.

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

#[cfg(test)]
mod tests {
    use super::{RankedImage, RankingError, auc, auc_difference};
    use crate::draws::Draws;
    use crate::statistics::bootstrap::BootstrapSettings;

    fn images(scored: &[(f64, bool)]) -> Vec<RankedImage> {
        scored
            .iter()
            .map(|&(score, aligned)| RankedImage { score, aligned })
            .collect()
    }

    #[test]
    fn closed_forms() {
        assert_eq!(
            auc(&images(&[(0.1, false), (0.9, true), (0.2, false), (0.5, true)])),
            Ok(Some(1.0))
        );
        assert_eq!(auc(&images(&[(0.9, false), (0.1, true)])), Ok(Some(0.0)));
        // Of the 4 pairs the aligned image wins 2, ties 1 and loses 1.
        assert_eq!(
            auc(&images(&[(1.0, true), (3.0, true), (1.0, false), (2.0, false)])),
            Ok(Some(2.5 / 4.0))
        );
        assert_eq!(
            auc(&images(&[(1.0, true), (1.0, true), (1.0, false), (1.0, false)])),
            Ok(Some(0.5))
        );
        assert_eq!(auc(&images(&[(-0.0, true), (0.0, false)])), Ok(Some(0.5)));
        assert_eq!(auc(&images(&[(0.0, true), (1.0, true)])), Ok(None));
        assert_eq!(auc(&[]), Ok(None));
    }

    #[test]
    fn auc_counts_the_pairs_that_are_ordered_rightly() {
        for round in 0..300 {
            let sample = random_images(&mut Draws::new("auc test", 0, round));
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

    fn random_images(draws: &mut Draws) -> Vec<RankedImage> {
        let size = 1 + draws.below(15);
        (0..size)
            .map(|_| RankedImage {
                score: f64::from(draws.below(8)),
                aligned: draws.chance(0.5),
            })
            .collect()
    }

    #[test]
    fn differences_pair_prompts_and_leave_out_uninformative_ones() {
        let informative = |good, bad| images(&[(good, true), (bad, false)]);
        let one = [
            informative(1.0, 0.0),
            informative(1.0, 1.0),
            images(&[(1.0, true)]),
        ];
        let other = [
            informative(0.0, 1.0),
            informative(1.0, 0.0),
            images(&[(5.0, true)]),
        ];
        let settings = BootstrapSettings::default();
        let difference = auc_difference(&one, &other, &settings)
            .expect("valid")
            .expect("informative");
        assert_eq!((difference.value, difference.clusters), ((1.0 - 0.5) / 2.0, 2));
        assert_eq!((difference.low, difference.high), (-0.5, 1.0));
        assert_eq!(auc_difference(&one[2..], &other[2..], &settings), Ok(None));
    }

    #[test]
    fn scores_that_are_no_numbers_and_unlike_images_are_refused() {
        let broken = images(&[(1.0, true), (f64::NAN, false)]);
        assert_eq!(auc(&broken), Err(RankingError::NotANumber { image: 1 }));
        let settings = BootstrapSettings::default();
        let (one, other) = ([images(&[(1.0, true)])], [images(&[(1.0, false)])]);
        assert_eq!(
            auc_difference(&one, &other, &settings),
            Err(RankingError::DifferentImages)
        );
    }
}
