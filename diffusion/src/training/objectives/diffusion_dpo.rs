//! Direct preference optimization of a diffusion model (Wallace et al. 2023, arXiv 2311.12908, equation 14).

use burn::module::Module;
use burn::tensor::Tensor;

use super::compared_items::ComparedItems;
use super::preference::{PREFERENCE_CURVES, preference_loss, preference_value};
use crate::nn::layers::AdaptTarget;
use crate::training::batch::PairBatch;
use crate::training::objective::{Objective, ObjectiveValue};
use crate::training::reference::FrozenReference;
use crate::training::trainable_denoiser::TrainableDenoiser;

/// Diffusion-DPO: `-log sigmoid(-beta / 2 * (d_w - d_l))`, with `d` the error of an item less that of the reference.
///
/// The paper has `beta T w(t)` before squared norms; its code has `beta / 2` before means over elements, which swallows
/// `T`, the weight and the number of elements. There is no other difference in the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiffusionDpo {
    /// How strongly preferences pull away from the reference. By default, 5000.
    pub beta: f64,
}

impl Default for DiffusionDpo {
    fn default() -> Self {
        Self { beta: 5000.0 }
    }
}

impl DiffusionDpo {
    /// By how much the network prefers each winner to its loser, `[batch]`.
    pub fn margins(&self, winners: ComparedItems, losers: ComparedItems) -> Tensor<1> {
        (winners.error_changes() - losers.error_changes()) * (-0.5 * self.beta)
    }

    /// The loss, one element.
    pub fn loss(&self, winners: ComparedItems, losers: ComparedItems) -> Tensor<1> {
        preference_loss(self.margins(winners, losers))
    }
}

impl<M: TrainableDenoiser + AdaptTarget + Module> Objective<M> for DiffusionDpo {
    type Batch = PairBatch<M::Conditioning>;
    type Reference = FrozenReference<M>;

    fn curves(&self) -> &'static [&'static str] {
        PREFERENCE_CURVES
    }

    fn evaluate(&self, denoiser: &M, reference: &FrozenReference<M>, pairs: Self::Batch) -> ObjectiveValue {
        let [winners, losers] = ComparedItems::of_pairs(&pairs, denoiser, reference.network());
        preference_value(self.margins(winners, losers))
    }
}
