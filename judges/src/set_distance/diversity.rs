//! How much the images of one prompt differ.

use serde::{Deserialize, Serialize};

use super::matrix::Matrix;
use super::singular_values::singular_values;
use super::{FeatureRows, SetDistanceError};

/// Two measures of how much the images of a set differ, by their embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diversity {
    /// Mean of `1 - cos` over all pairs of different images.
    pub mean_cosine_distance: f64,
    /// As how many images that have nothing in common the set counts: the exponential of the entropy of the eigenvalues
    /// of the cosines over n (The Vendi Score, arXiv 2210.02410).
    pub vendi_score: f64,
}

/// Measures the diversity of a set of images.
///
/// # Errors
/// With fewer than two images, when an embedding is all zeros, or singular values do not settle.
pub fn diversity(embeddings: &FeatureRows) -> Result<Diversity, SetDistanceError> {
    let (count, width) = (embeddings.count(), embeddings.width());
    if count < 2 {
        return Err(SetDistanceError::TooFew {
            found: count,
            needed: 2,
            purpose: "a diversity",
        });
    }
    let directions = directions(embeddings)?;
    let mut sum = vec![0.0; width];
    for row in directions.values.chunks_exact(width) {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += value;
        }
    }
    // The square of the sum holds every pair twice, and every image with itself.
    let images = count as f64;
    let cosines = sum.iter().map(|value| value * value).sum::<f64>() - images;
    let entropy: f64 = singular_values(directions)?
        .into_iter()
        .map(|value| value * value / images)
        .filter(|share| *share > 0.0)
        .map(|share| -share * share.ln())
        .sum();
    Ok(Diversity {
        mean_cosine_distance: 1.0 - cosines / (images * (images - 1.0)),
        vendi_score: entropy.exp(),
    })
}

/// The rows in f64, brought to length 1.
fn directions(embeddings: &FeatureRows) -> Result<Matrix, SetDistanceError> {
    let (rows, columns) = (embeddings.count(), embeddings.width());
    let mut values = Vec::with_capacity(rows * columns);
    for (image, row) in embeddings.rows().enumerate() {
        let squares: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
        if squares == 0.0 {
            return Err(SetDistanceError::Zero { image });
        }
        let length = squares.sqrt();
        values.extend(row.iter().map(|value| f64::from(*value) / length));
    }
    Ok(Matrix {
        rows,
        columns,
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[[f32; 3]]) -> Diversity {
        diversity(&FeatureRows::of(3, rows).unwrap()).unwrap()
    }

    #[test]
    fn closed_forms() {
        let same = of(&[[1.0, 2.0, 2.0], [2.0, 4.0, 4.0], [0.5, 1.0, 1.0]]);
        assert!(same.mean_cosine_distance.abs() < 1e-12 && (same.vendi_score - 1.0).abs() < 1e-12);
        let apart = of(&[[1.0, 0.0, 0.0], [0.0, 7.0, 0.0], [0.0, 0.0, 0.1]]);
        assert!((apart.mean_cosine_distance - 1.0).abs() < 1e-12);
        assert!((apart.vendi_score - 3.0).abs() < 1e-12);
        // Two pairs of equal images.
        let pairs = of(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        assert!((pairs.mean_cosine_distance - 4.0 / 6.0).abs() < 1e-12);
        assert!((pairs.vendi_score - 2.0).abs() < 1e-12);
    }

    #[test]
    fn one_image_and_one_without_direction_are_refused() {
        let diversity_of = |rows: &[[f32; 3]]| diversity(&FeatureRows::of(3, rows).unwrap());
        assert!(matches!(
            diversity_of(&[[1.0, 0.0, 0.0]]),
            Err(SetDistanceError::TooFew { found: 1, .. })
        ));
        assert!(matches!(
            diversity_of(&[[1.0, 0.0, 0.0], [0.0; 3]]),
            Err(SetDistanceError::Zero { image: 1 })
        ));
    }
}
