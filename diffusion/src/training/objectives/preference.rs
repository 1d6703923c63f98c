//! What the objectives on pairs share: the likelihood that the preferred item wins.

use burn::tensor::{Tensor, activation};

use crate::training::objective::ObjectiveValue;

/// Names of what an objective on pairs reports.
pub(super) const PREFERENCE_CURVES: &[&str] = &["margin", "accuracy"];

/// Mean negative log-likelihood of the preferences, `-log sigmoid(margin)` (Bradley and Terry 1952); ln 2 where nothing
/// is preferred.
///
/// # Shapes
/// - margins: `[batch]`; output: one element
pub fn preference_loss(margins: Tensor<1>) -> Tensor<1> {
    activation::log_sigmoid(margins).mean() * -1.0
}

/// The loss of margins with what is reported of them.
pub(super) fn preference_value(margins: Tensor<1>) -> ObjectiveValue {
    ObjectiveValue {
        curves: preference_curves(margins.clone()),
        loss: preference_loss(margins),
    }
}

/// The mean of margins and the share above zero, without gradient.
pub(super) fn preference_curves(margins: Tensor<1>) -> Vec<Tensor<1>> {
    let known = margins.detach();
    let dtype = known.dtype();
    let correct = known.clone().greater_elem(0.0).float().cast(dtype);
    vec![known.mean(), correct.mean()]
}
