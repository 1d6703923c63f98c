//! Relative preference optimization: every winner of a batch against every loser, weighed by likeness.

use burn::module::Module;
use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compared_items::ComparedItems;
use super::item_errors::widened;
use super::preference::{PREFERENCE_CURVES, preference_curves};
use crate::nn::layers::AdaptTarget;
use crate::training::batch::ContrastedPairBatch;
use crate::training::objective::{Objective, ObjectiveValue};
use crate::training::reference::FrozenReference;
use crate::training::trainable_denoiser::TrainableDenoiser;

/// Lengths of feature vectors are not taken below this.
const SMALLEST_LENGTH: f64 = 1e-12;

/// Where the weight of a contrast stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContrastWeight {
    /// Before the logarithm, and the contrasts of a winner are summed: Diffusion-RPO. The default.
    #[default]
    Outside,
    /// Inside of the sigmoid, and all contrasts are averaged: RPO of language models (Yin et al. 2024, arXiv
    /// 2402.10958, equation 15).
    Inside,
}

/// Diffusion-RPO: `-mean_i sum_j w_ij log sigmoid(-beta / 2 * (d_i - d_j))` over winners `i` and losers `j` of a batch
/// (Gu et al. 2024, arXiv 2406.06382, equation 9), with `d` the error of an item less that of the reference.
///
/// The paper prints neither the sign of two of its equations nor the reduction; there is no public code. With one pair
/// it is Diffusion-DPO.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiffusionRpo {
    /// As in [`DiffusionDpo`](super::DiffusionDpo). By default, 2000, that for preferences with SD 1.5; else 5000.
    pub beta: f64,
    /// How much less unlike contrasts count, see [`contrast_weights`]. By default, 0.01, that for SD 1.5; 0.5 for SDXL.
    pub tau: f64,
    /// Where the weight stands.
    pub weight: ContrastWeight,
}

impl Default for DiffusionRpo {
    fn default() -> Self {
        Self {
            beta: 2000.0,
            tau: 0.01,
            weight: ContrastWeight::Outside,
        }
    }
}

impl DiffusionRpo {
    /// The loss, one element.
    ///
    /// # Shapes
    /// - features, of winners and of losers: `[batch, features]`, row by row those of the items
    pub fn loss(&self, winners: ComparedItems, losers: ComparedItems, features: [Tensor<2>; 2]) -> Tensor<1> {
        self.contrast([winners.error_changes(), losers.error_changes()], features)
    }

    /// The loss of the error changes of winners and losers.
    fn contrast(&self, [winners, losers]: [Tensor<1>; 2], features: [Tensor<2>; 2]) -> Tensor<1> {
        let ([rows], [columns]) = (winners.dims(), losers.dims());
        let winners: Tensor<2> = winners.reshape([rows, 1]);
        let losers: Tensor<2> = losers.reshape([1, columns]);
        let margins = (winners - losers) * (-0.5 * self.beta);
        let [of_winners, of_losers] = features;
        let weights = contrast_weights(of_winners, of_losers, self.tau).cast(margins.dtype());
        let likelihood = match self.weight {
            ContrastWeight::Outside => (activation::log_sigmoid(margins) * weights).sum_dim(1),
            ContrastWeight::Inside => activation::log_sigmoid(margins * weights),
        };
        likelihood.mean() * -1.0
    }
}

/// Curves are those of [`DiffusionDpo`](super::DiffusionDpo): of each winner against the loser of its own pair.
impl<M: TrainableDenoiser + AdaptTarget + Module> Objective<M> for DiffusionRpo {
    type Batch = ContrastedPairBatch<M::Conditioning>;
    type Reference = FrozenReference<M>;

    fn curves(&self) -> &'static [&'static str] {
        PREFERENCE_CURVES
    }

    fn evaluate(&self, denoiser: &M, reference: &FrozenReference<M>, batch: Self::Batch) -> ObjectiveValue {
        let compared = ComparedItems::of_pairs(&batch.pairs, denoiser, reference.network());
        let [winners, losers] = compared.map(ComparedItems::error_changes);
        let own = (winners.clone().detach() - losers.clone().detach()) * (-0.5 * self.beta);
        ObjectiveValue {
            loss: self.contrast([winners, losers], batch.features),
            curves: preference_curves(own),
        }
    }
}

/// Weights of the contrasts of each winner with all losers: the softmax over losers of the cosine over `tau`.
///
/// The paper's `exp(-(1 - cosine) / tau)` over its sum; its 1 cancels. The larger `tau`, the more alike the weights;
/// the smaller, the more only the most similar loser counts. Without gradient.
///
/// # Shapes
/// - features: `[winners, features]` and `[losers, features]`; output: `[winners, losers]`, rows add to 1
pub fn contrast_weights(winners: Tensor<2>, losers: Tensor<2>, tau: f64) -> Tensor<2> {
    let cosines = normalized(winners).matmul(normalized(losers).transpose());
    activation::softmax(cosines * (1.0 / tau), 1)
}

/// Rows of length 1, without gradient.
fn normalized(features: Tensor<2>) -> Tensor<2> {
    let features = widened(features.detach());
    let lengths = features.clone().square().sum_dim(1).sqrt();
    features / lengths.clamp_min(SMALLEST_LENGTH)
}
