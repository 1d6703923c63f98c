//! Image-text matching with hard negatives (Krojer et al. 2023, arXiv 2305.16397).

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formulation::Formulation;
use super::item_errors::item_errors;
use crate::training::batch::PairBatch;
use crate::training::objective::{Objective, ObjectiveValue};
use crate::training::trainable_denoiser::TrainableDenoiser;

/// What the prediction for a mismatched item is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NegativeError {
    /// What it should predict. The default.
    #[default]
    Target,
    /// The prediction for the matched item; the code's `relativistic`.
    Matched,
}

/// HN-ITM: the error of matched items less that of mismatched ones, as far as a cap, `L+ - min(L-, cap * L+)`.
///
/// The cap has no gradient: an error above it pulls at nothing. Without cap the error of mismatched items grows without
/// end, and training collapses within an epoch (appendix F). A mismatched item has another caption and the same noised
/// image, or its own image with the same noise and the caption of the matched one.
///
/// [`Formulation`]: the paper writes the loss for each item, the code takes the means of the batch before the cap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HardNegatives {
    /// How many times the matched error the other counts at most; none leaves it as it is. By default, 1.
    pub cap: Option<f64>,
    /// What the other error is measured against.
    pub negative: NegativeError,
    /// Whether the cap is that of the batch or of each item.
    pub formulation: Formulation,
}

impl Default for HardNegatives {
    fn default() -> Self {
        Self {
            cap: Some(1.0),
            negative: NegativeError::Target,
            formulation: Formulation::Reference,
        }
    }
}

impl HardNegatives {
    /// The loss, one element.
    ///
    /// # Shapes
    /// - predictions and targets, of matched and of mismatched items: `[batch, channels, height, width]`
    pub fn loss(&self, predictions: [Tensor<4>; 2], targets: [Tensor<4>; 2]) -> Tensor<1> {
        let [matched, mismatched] = self.errors(predictions, targets);
        self.contrast(matched, mismatched)
    }

    /// Errors of matched and mismatched items: of each, or the means of the batch.
    fn errors(&self, predictions: [Tensor<4>; 2], targets: [Tensor<4>; 2]) -> [Tensor<1>; 2] {
        let ([matched, mismatched], [target, other_target]) = (predictions, targets);
        let compared = match self.negative {
            NegativeError::Target => other_target,
            NegativeError::Matched => matched.clone(),
        };
        let errors = [item_errors(matched, target), item_errors(mismatched, compared)];
        match self.formulation {
            Formulation::Paper => errors,
            Formulation::Reference => errors.map(|errors| errors.mean()),
        }
    }

    fn contrast(&self, matched: Tensor<1>, mismatched: Tensor<1>) -> Tensor<1> {
        let mismatched = match self.cap {
            None => mismatched,
            Some(factor) => {
                let cap = matched.clone().detach() * factor;
                let above = mismatched.clone().greater(cap.clone());
                mismatched.mask_where(above, cap)
            }
        };
        (matched - mismatched).mean()
    }
}

/// Of pairs the preferred item is the matched one.
impl<M: TrainableDenoiser> Objective<M> for HardNegatives {
    type Batch = PairBatch<M::Conditioning>;
    type Reference = ();

    fn curves(&self) -> &'static [&'static str] {
        &["matched_error", "mismatched_error"]
    }

    fn evaluate(&self, denoiser: &M, (): &(), pairs: Self::Batch) -> ObjectiveValue {
        let (matched, mismatched) = (pairs.preferred, pairs.rejected);
        let predictions = [matched.predict(denoiser), mismatched.predict(denoiser)];
        let [matched, mismatched] =
            self.errors(predictions, [matched.noised.target, mismatched.noised.target]);
        let curves = [&matched, &mismatched].map(|errors| errors.clone().detach().mean());
        ObjectiveValue {
            loss: self.contrast(matched, mismatched),
            curves: curves.to_vec(),
        }
    }
}
