//! Mean and covariance of features, gathered image by image.

use super::SetDistanceError;
use super::cholesky::covariance_factor;
use super::feature_rows::{FeatureRows, check_row};
use super::frechet::Gaussian;
use super::matrix::Matrix;

/// Rows that are folded into sums at once, at least.
const BLOCK: usize = 256;

/// Mean and scatter of features in f64, whatever the number of images.
///
/// As long as there are no more images than features, the rows themselves are kept, which take half the memory of a
/// covariance and spare every computation on one. Later rows are folded into mean and scatter block by block, each
/// block about its own mean (Chan, Golub and LeVeque 1983), so that nothing cancels where features are large and vary
/// little.
#[derive(Clone, Debug)]
pub struct FeatureMoments {
    width: usize,
    /// Not folded yet.
    rows: Vec<f32>,
    folded: Option<Folded>,
}

#[derive(Clone, Debug)]
struct Folded {
    count: usize,
    mean: Vec<f64>,
    /// Sums of products of deviations from the mean.
    scatter: Matrix,
}

impl FeatureMoments {
    /// Begins with no image, of features of `width` numbers.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            rows: Vec::new(),
            folded: None,
        }
    }

    /// Gathers rows of `width` numbers.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn of<R: AsRef<[f32]>>(
        width: usize,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Self, SetDistanceError> {
        let mut moments = Self::new(width);
        for row in rows {
            moments.push(row.as_ref())?;
        }
        Ok(moments)
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        self.folded.as_ref().map_or(0, |folded| folded.count) + self.waiting()
    }

    /// Adds an image.
    ///
    /// # Errors
    /// When its row has another width or holds what is no number, or a product of matrices cannot be read.
    pub fn push(&mut self, row: &[f32]) -> Result<(), SetDistanceError> {
        check_row(row, self.width, self.count())?;
        if self.waiting() >= self.width.max(BLOCK) {
            self.fold()?;
        }
        self.rows.extend_from_slice(row);
        Ok(())
    }

    /// Adds the images of another set, in whatever order the sets were gathered.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn merge(&mut self, other: &Self) -> Result<(), SetDistanceError> {
        if other.width != self.width {
            return Err(SetDistanceError::Width {
                expected: self.width,
                found: other.width,
            });
        }
        if let Some(folded) = &other.folded {
            self.fold()?;
            self.join(folded.clone());
        }
        other
            .rows
            .chunks_exact(self.width.max(1))
            .try_for_each(|row| self.push(row))
    }

    /// The normal distribution of these mean and covariance, the latter over n - 1.
    ///
    /// # Errors
    /// With fewer than two images, or when a product of matrices cannot be read.
    pub fn gaussian(&self) -> Result<Gaussian, SetDistanceError> {
        let count = self.count();
        if count < 2 {
            return Err(SetDistanceError::TooFew {
                found: count,
                needed: 2,
                purpose: "a covariance",
            });
        }
        let freedom = (count - 1) as f64;
        let Some(known) = &self.folded else {
            let (mean, mut factor) = centred(&self.rows, self.width);
            let scale = freedom.sqrt().recip();
            for value in &mut factor.values {
                *value *= scale;
            }
            return Ok(Gaussian::with_factor(mean, factor));
        };
        let mut all = known.clone();
        if !self.rows.is_empty() {
            all.join(&Folded::of(&self.rows, self.width)?);
        }
        let mut covariance = all.scatter;
        for value in &mut covariance.values {
            *value /= freedom;
        }
        Ok(Gaussian::with_factor(all.mean, covariance_factor(&covariance)))
    }

    /// Images whose rows are kept.
    fn waiting(&self) -> usize {
        self.rows.len() / self.width.max(1)
    }

    fn fold(&mut self) -> Result<(), SetDistanceError> {
        if !self.rows.is_empty() {
            let block = Folded::of(&self.rows, self.width)?;
            self.rows.clear();
            self.join(block);
        }
        Ok(())
    }

    fn join(&mut self, block: Folded) {
        match &mut self.folded {
            Some(folded) => folded.join(&block),
            None => self.folded = Some(block),
        }
    }
}

impl Folded {
    fn of(rows: &[f32], width: usize) -> Result<Self, SetDistanceError> {
        let (mean, deviations) = centred(rows, width);
        Ok(Self {
            count: deviations.rows,
            mean,
            scatter: deviations.gram()?,
        })
    }

    fn join(&mut self, other: &Self) {
        let (own, others) = (self.count as f64, other.count as f64);
        let all = own + others;
        let apart: Vec<f64> = other.mean.iter().zip(&self.mean).map(|(a, b)| a - b).collect();
        let width = apart.len();
        let between = own * others / all;
        let added = other.scatter.values.chunks_exact(width);
        for ((target, added), left) in self.scatter.values.chunks_exact_mut(width).zip(added).zip(&apart) {
            for ((target, added), right) in target.iter_mut().zip(added).zip(&apart) {
                *target += added + between * left * right;
            }
        }
        for (mean, apart) in self.mean.iter_mut().zip(&apart) {
            *mean += apart * others / all;
        }
        self.count += other.count;
    }
}

/// The mean of some rows, and what each differs from it by.
fn centred(rows: &[f32], width: usize) -> (Vec<f64>, Matrix) {
    let count = rows.len() / width.max(1);
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += f64::from(*value);
        }
    }
    for mean in &mut mean {
        *mean /= count as f64;
    }
    let deviations = rows.chunks_exact(width).flat_map(|row| {
        row.iter()
            .zip(&mean)
            .map(|(value, mean)| f64::from(*value) - mean)
    });
    let deviations = Matrix {
        rows: count,
        columns: width,
        values: deviations.collect(),
    };
    (mean, deviations)
}

impl TryFrom<&FeatureRows> for FeatureMoments {
    type Error = SetDistanceError;

    fn try_from(rows: &FeatureRows) -> Result<Self, SetDistanceError> {
        Self::of(rows.width(), rows.rows())
    }
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::nn::weights::seeded_input_values;

    use super::*;

    fn rows(name: &str, count: usize, width: usize) -> FeatureRows {
        let values = seeded_input_values(11, name, count * width);
        FeatureRows::of(width, values.chunks_exact(width)).unwrap()
    }

    /// `F^T F` and the mean, which is all that a Gaussian is made of.
    fn parts(moments: &FeatureMoments) -> (Vec<f64>, Matrix) {
        let gaussian = moments.gaussian().unwrap();
        (gaussian.mean().to_vec(), gaussian.factor().gram().unwrap())
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn folding_and_merging_change_nothing() {
        let all = rows("all", 1100, 5);
        let whole = parts(&FeatureMoments::try_from(&all).unwrap());
        let (mean, deviations) = centred(all.values(), 5);
        assert_close(&whole.0, &mean);
        let mut covariance = deviations.gram().unwrap();
        covariance.values.iter_mut().for_each(|value| *value /= 1099.0);
        assert_close(&whole.1.values, &covariance.values);
        for cut in [1, 100, 700, 1099] {
            let (first, second) = all.values().split_at(cut * 5);
            let part = |values: &[f32]| FeatureMoments::of(5, values.chunks_exact(5)).unwrap();
            let mut merged = part(second);
            merged.merge(&part(first)).unwrap();
            assert_eq!(merged.count(), 1100);
            let merged = parts(&merged);
            assert_close(&merged.0, &whole.0);
            assert_close(&merged.1.values, &whole.1.values);
        }
    }

    #[test]
    fn a_large_mean_takes_no_digits_of_a_small_variance() {
        let row = |index: usize| [4096.0 + (index % 2) as f32 / 1024.0];
        let moments = FeatureMoments::of(1, (0..2000).map(row)).unwrap();
        let variance = parts(&moments).1.values[0];
        let expected = 0.25 / 1024.0_f64.powi(2) * 2000.0 / 1999.0;
        assert!((variance / expected - 1.0).abs() < 1e-10, "{variance}");
    }

    #[test]
    fn one_image_has_no_covariance() {
        for count in [0, 1] {
            let error = FeatureMoments::try_from(&rows("few", count, 3))
                .unwrap()
                .gaussian()
                .unwrap_err();
            assert!(
                matches!(error, SetDistanceError::TooFew { needed: 2, .. }),
                "{error}"
            );
        }
        let mut narrow = FeatureMoments::new(3);
        assert!(narrow.merge(&FeatureMoments::new(4)).is_err());
        assert!(narrow.push(&[0.0, f32::INFINITY, 0.0]).is_err());
    }
}
