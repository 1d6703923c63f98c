//! What is kept of the features of a set, and how far two sets are apart.

use mitune_judges::set_distance::{
    FeatureMoments, FeatureRows, KernelDistance, Resampling, SetDistanceError, SetEstimate, Watch,
    frechet_distance, resampled_frechet_distance,
};

use super::SetJudge;

/// What is kept of the features of a set.
pub(crate) enum SetFeatures {
    /// Mean and covariance, whatever the number of images.
    Moments(FeatureMoments),
    /// The features themselves.
    Rows(FeatureRows),
}

impl SetFeatures {
    /// Begins with no image; rows are kept only where something needs every image more than once.
    pub(crate) fn new(judge: SetJudge, width: usize, resampled: bool) -> Self {
        match judge == SetJudge::Cmmd || resampled {
            true => Self::Rows(FeatureRows::new(width)),
            false => Self::Moments(FeatureMoments::new(width)),
        }
    }

    /// Adds an image.
    ///
    /// # Errors
    /// When its row has another width or holds what is no number.
    pub(crate) fn push(&mut self, row: &[f32]) -> Result<(), SetDistanceError> {
        match self {
            Self::Rows(rows) => rows.push(row),
            Self::Moments(moments) => moments.push(row),
        }
    }

    /// Number of images.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.count(),
            Self::Moments(moments) => moments.count(),
        }
    }
}

/// The distance of two sets that were kept in one way, with its interval if one is asked for.
///
/// # Errors
/// When a set is too small, features differ in width, a computation gives no result, or `watch` stops it.
pub(crate) fn set_distance(
    judge: SetJudge,
    [images, reference]: [&SetFeatures; 2],
    resampling: Option<&Resampling>,
    watch: Watch<'_>,
) -> Result<(f64, Option<SetEstimate>), SetDistanceError> {
    match (images, reference) {
        (SetFeatures::Rows(images), SetFeatures::Rows(reference)) => {
            distance_of_rows(judge, [images, reference], resampling, watch)
        }
        (SetFeatures::Moments(images), SetFeatures::Moments(reference)) => {
            let distance = frechet_distance(&images.gaussian()?, &reference.gaussian()?)?;
            Ok((distance, None))
        }
        // Both sets are read in one way.
        _ => Err(SetDistanceError::Width {
            expected: 0,
            found: 0,
        }),
    }
}

fn distance_of_rows(
    judge: SetJudge,
    [images, reference]: [&FeatureRows; 2],
    resampling: Option<&Resampling>,
    watch: Watch<'_>,
) -> Result<(f64, Option<SetEstimate>), SetDistanceError> {
    let estimate = match (judge, resampling) {
        (SetJudge::Cmmd, resampling) => {
            let (images, reference) = (images.normalized()?, reference.normalized()?);
            let cmmd = KernelDistance::default();
            let Some(resampling) = resampling else {
                return Ok((cmmd.watched_distance(&images, &reference, watch)?, None));
            };
            cmmd.resampled(&images, &reference, resampling, watch)?
        }
        (_, resampling) => {
            let resampling = resampling.copied().unwrap_or_default();
            resampled_frechet_distance(images, reference, &resampling, watch)?
        }
    };
    Ok((estimate.value, Some(estimate)))
}
