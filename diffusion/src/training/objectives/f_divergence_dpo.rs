//! Preference optimization under other divergences from the reference than the reverse KL.

use std::f64::consts::LN_2;

use burn::module::Module;
use burn::tensor::{Tensor, activation};

use super::compared_items::ComparedItems;
use super::preference::{PREFERENCE_CURVES, preference_loss, preference_value};
use crate::nn::layers::AdaptTarget;
use crate::training::batch::PairBatch;
use crate::training::objective::{Objective, ObjectiveValue};
use crate::training::reference::FrozenReference;
use crate::training::trainable_denoiser::TrainableDenoiser;

/// Exponents are cut here, for an infinite slope of both items would leave no number of their difference; e to the
/// power of this and its square still fit f32's range of exponents up to a `beta` of thousands.
const LARGEST_EXPONENT: f64 = 40.0;

/// A divergence `D_f` that the reference is kept within.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Divergence {
    /// That of Diffusion-DPO, `f'(u) = ln u`. The default.
    #[default]
    ReverseKl,
    /// `f'(u) = -1 / u`; the alpha divergence at 1.
    ForwardKl,
    /// `f'(u) = ln(2 u / (1 + u))`, that of twice the divergence of textbooks; bounded above by ln 2.
    JensenShannon,
    /// `f'(u) = -u^-alpha / alpha`, between the reverse KL near 0 and the forward KL at 1.
    Alpha {
        /// The order, above 0.
        alpha: f64,
    },
}

impl Divergence {
    /// `f'(u)` at `u = exp(log_ratio)`, up to a constant, which every margin loses.
    pub fn slope<const D: usize>(self, log_ratio: Tensor<D>) -> Tensor<D> {
        match self {
            Self::ReverseKl => log_ratio,
            Self::ForwardKl => power_slope(log_ratio, 1.0),
            Self::JensenShannon => activation::log_sigmoid(log_ratio) + LN_2,
            Self::Alpha { alpha } => power_slope(log_ratio, alpha),
        }
    }
}

/// `-exp(-alpha h) / alpha`, flat where it would leave the range of numbers.
fn power_slope<const D: usize>(log_ratio: Tensor<D>, alpha: f64) -> Tensor<D> {
    (log_ratio * -alpha).clamp_max(LARGEST_EXPONENT).exp() * (-1.0 / alpha)
}

/// DPO under an f-divergence: `-log sigmoid(beta f'(u_w) - beta f'(u_l))` (Wang et al. 2023, arXiv 2309.16240), where
/// `ln u = -scale / 2 * d` with `d` the error of an item less that of the reference.
///
/// Under the reverse KL only `beta * scale` counts, which is the `beta` of [`DiffusionDpo`](super::DiffusionDpo). Under
/// the others the two do different things: `scale` says how far an error moves the ratio of likelihoods, and with it
/// where on the curve of `f'` the training takes place. The text-to-image paper (arXiv 2409.09774) could be read in its
/// abstract only, so the defaults are those that give Diffusion-DPO.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FDivergenceDpo {
    /// The divergence.
    pub divergence: Divergence,
    /// The weight of the divergence against the reward. By default, 1.
    pub beta: f64,
    /// What half a difference of mean errors is multiplied with to be a log ratio. By default, 5000.
    pub scale: f64,
}

impl Default for FDivergenceDpo {
    fn default() -> Self {
        Self {
            divergence: Divergence::ReverseKl,
            beta: 1.0,
            scale: 5000.0,
        }
    }
}

impl FDivergenceDpo {
    /// By how much the network prefers each winner to its loser, `[batch]`.
    pub fn margins(&self, winners: ComparedItems, losers: ComparedItems) -> Tensor<1> {
        let [winners, losers] =
            [winners, losers].map(|items| self.divergence.slope(items.error_changes() * (-0.5 * self.scale)));
        (winners - losers) * self.beta
    }

    /// The loss, one element.
    pub fn loss(&self, winners: ComparedItems, losers: ComparedItems) -> Tensor<1> {
        preference_loss(self.margins(winners, losers))
    }
}

impl<M: TrainableDenoiser + AdaptTarget + Module> Objective<M> for FDivergenceDpo {
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
