//! What a run keeps of a denoiser's two answers, and the numbers it ends with.

use burn::tensor::{Tensor, TensorReadError};
use thiserror::Error;

use crate::denoiser::Branches;

/// A measure of mutual information along a run: it says which sums it needs of the two answers at every
/// evaluation, and joins them at the end.
///
/// A sampler feeds it and knows nothing of paths, weights and ranges.
pub trait InformationMeasure: std::fmt::Debug + Send + Sync {
    /// The sums to keep, in the order in which [`Self::measured`] gets them.
    fn sums(&self) -> &[AnswerSum];

    /// Joins the sums of one image: a list for each of [`Self::sums`], with an entry per evaluation.
    ///
    /// # Errors
    /// When there are not as many evaluations as the measure was made for.
    fn measured(&self, sums: &[Vec<f64>]) -> Result<Measured, MeasureError>;
}

/// A sum over all elements of an image, computed in `f32` where the answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerSum {
    /// `|c - u|^2` of the answers with and without the prompt.
    SquaredDifference,
    /// `u . (c - u)`.
    BaselineProduct,
}

/// What a measure says of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Mutual information by the estimator asked for.
    pub mi: f64,
    /// The same run by the paper's estimator, where it has a value.
    pub mi_paper: Option<f64>,
    /// The same run by the reference code's estimator, where it has a value.
    pub mi_reference: Option<f64>,
    /// The weighted term of every evaluation, counted or not.
    pub terms: Vec<f64>,
    /// The weight of every evaluation.
    pub weights: Vec<f64>,
}

/// Sums that do not go with the evaluations of a measure.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("There are sums of `{found}` evaluations where a measure needs `{expected}`")]
pub struct MeasureError {
    /// Evaluations the measure was made for.
    pub expected: usize,
    /// Evaluations there are.
    pub found: usize,
}

/// Sums of a batch on the way, which stay on the device until the end.
#[derive(Debug)]
pub(crate) struct KeptSums {
    kinds: Vec<AnswerSum>,
    columns: Vec<Tensor<2>>,
}

impl KeptSums {
    pub(crate) fn new(kinds: &[AnswerSum], evaluations: usize) -> Self {
        Self {
            kinds: kinds.to_vec(),
            columns: Vec::with_capacity(kinds.len() * evaluations),
        }
    }

    /// Keeps the sums of one evaluation.
    pub(crate) fn add(&mut self, branches: &Branches) {
        let columns = self.kinds.iter().map(|kind| kind.of(branches));
        self.columns.extend(columns);
    }

    /// Reads everything back: for each image a list per kind.
    pub(crate) fn read(self) -> Result<Vec<Vec<Vec<f64>>>, TensorReadError> {
        if self.columns.is_empty() {
            return Ok(Vec::new());
        }
        let (kinds, columns) = (self.kinds.len(), self.columns.len());
        let numbers: Vec<f32> = Tensor::cat(self.columns, 1).try_into_vec_as()?;
        let image = |numbers: &[f32]| -> Vec<Vec<f64>> {
            let kind = |at: usize| -> Vec<f64> {
                let sums = numbers.iter().skip(at).step_by(kinds);
                sums.map(|&sum| f64::from(sum)).collect()
            };
            (0..kinds).map(kind).collect()
        };
        Ok(numbers.chunks(columns).map(image).collect())
    }
}

impl AnswerSum {
    fn of(self, branches: &Branches) -> Tensor<2> {
        match self {
            Self::SquaredDifference => squared_norms(branches.difference.clone()),
            Self::BaselineProduct => {
                let product = branches.baseline.clone() * branches.difference.clone();
                let batch = product.dims()[0] as i32;
                product.reshape([batch, -1]).sum_dim(1)
            }
        }
    }
}

/// Sums squares over everything but the batch, in `f32`.
///
/// # Shapes
/// `[batch, channels, height, width]` to `[batch, 1]`.
pub(crate) fn squared_norms(values: Tensor<4>) -> Tensor<2> {
    let batch = values.dims()[0] as i32;
    values.reshape([batch, -1]).square().sum_dim(1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn sums_come_back_by_image_and_kind() {
        let device = Device::flex();
        let tensor = |values: [f32; 4]| Tensor::<1>::from_floats(values, &device).reshape([2, 1, 1, 2]);
        let kinds = [AnswerSum::BaselineProduct, AnswerSum::SquaredDifference];
        let mut kept = KeptSums::new(&kinds, 2);
        for factor in [1.0, 2.0] {
            let (conditional, baseline) = (tensor([3.0, 1.0, 0.0, 2.0]), tensor([1.0, 2.0, 4.0, 1.0]));
            let difference = (conditional.clone() - baseline.clone()).mul_scalar(factor);
            kept.add(&Branches {
                conditional,
                baseline,
                difference,
            });
        }
        let expected = [[[0.0, 0.0], [5.0, 20.0]], [[-15.0, -30.0], [17.0, 68.0]]];
        assert_eq!(kept.read().unwrap(), expected);
    }
}
