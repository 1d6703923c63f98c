//! The numbers of an optimizer, with what they may be.

use mitune_diffusion::training::{Adafactor, AdamW, Optimizer};

use super::objective::CheckedSetting;

/// The numbers of the optimizer that is chosen.
pub(crate) fn optimizer_numbers(optimizer: &Optimizer) -> Vec<CheckedSetting> {
    let positive = |name, value: f64| (name, value, "a positive number", value > 0.0);
    let at_least_0 = |name, value: f64| (name, value, "at least 0", value >= 0.0);
    let share = |name, value: f64| {
        let expected = "at least 0 and below 1";
        (name, value, expected, (0.0..1.0).contains(&value))
    };
    match *optimizer {
        Optimizer::AdamW(AdamW {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        }) => vec![
            share("optimizer.beta1", beta1),
            share("optimizer.beta2", beta2),
            positive("optimizer.epsilon", epsilon),
            at_least_0("optimizer.weight_decay", weight_decay),
        ],
        Optimizer::Adafactor(Adafactor {
            epsilon,
            clip_threshold,
            decay_rate,
            weight_decay,
        }) => vec![
            positive("optimizer.adafactor.epsilon", epsilon),
            positive("optimizer.adafactor.clip_threshold", clip_threshold),
            (
                "optimizer.adafactor.decay_rate",
                decay_rate,
                "at most 0",
                decay_rate <= 0.0,
            ),
            at_least_0("optimizer.adafactor.weight_decay", weight_decay),
        ],
    }
}
