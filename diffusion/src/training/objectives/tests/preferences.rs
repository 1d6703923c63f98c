//! What must hold of the objectives on pairs.

use std::f64::consts::LN_2;

use burn::tensor::{DType, Tensor};

use super::{assert_near, compared, flat, numbers, seeded, tracked, value, values};
use crate::training::objectives::{
    ComparedItems, ContrastWeight, DiffusionDpo, DiffusionRpo, Divergence, FDivergenceDpo, contrast_weights,
};

const DIVERGENCES: [Divergence; 4] = [
    Divergence::ReverseKl,
    Divergence::ForwardKl,
    Divergence::JensenShannon,
    Divergence::Alpha { alpha: 0.3 },
];

const DPO: DiffusionDpo = DiffusionDpo { beta: 300.0 };

fn f_dpo(divergence: Divergence) -> FDivergenceDpo {
    FDivergenceDpo {
        divergence,
        beta: 0.9,
        scale: 200.0,
    }
}

fn pair() -> [ComparedItems; 2] {
    [compared("winner", 0.05), compared("loser", 0.05)]
}

fn features() -> [Tensor<2>; 2] {
    ["winner", "loser"].map(|side| seeded(&format!("{side} features"), [3, 5]))
}

fn cast(items: ComparedItems, dtype: DType) -> ComparedItems {
    ComparedItems {
        prediction: items.prediction.cast(dtype),
        reference: items.reference.cast(dtype),
        target: items.target.cast(dtype),
    }
}

#[test]
fn the_start_is_ln_2() {
    let start = || [compared("winner", 0.0), compared("loser", 0.0)];
    let [winners, losers] = start();
    assert_near(value(DPO.loss(winners, losers)), LN_2, 1e-15);
    for divergence in DIVERGENCES {
        let [winners, losers] = start();
        assert_near(value(f_dpo(divergence).loss(winners, losers)), LN_2, 1e-15);
    }
    for weight in [ContrastWeight::Outside, ContrastWeight::Inside] {
        let [winners, losers] = start();
        let rpo = DiffusionRpo {
            weight,
            ..DiffusionRpo::default()
        };
        assert_near(value(rpo.loss(winners, losers, features())), LN_2, 1e-14);
    }
}

#[test]
fn a_known_difference_gives_the_known_loss() {
    let items = |prediction: f64| ComparedItems {
        prediction: flat(&[prediction]),
        reference: flat(&[0.1]),
        target: flat(&[0.0]),
    };
    // Squared errors of 0.0099 and 0.01 at beta 5000 are a margin of 1/4.
    let loss = DiffusionDpo::default().loss(items(0.0099_f64.sqrt()), items(0.1));
    assert_near(value(loss), 0.575_939, 1e-6);
}

#[test]
fn winners_and_losers_exchanged_negate_the_margin_and_its_gradient() {
    let [winners, losers] = pair();
    let there = values(DPO.margins(winners.clone(), losers.clone()));
    let back = values(DPO.margins(losers, winners));
    assert!(there.iter().zip(&back).all(|(there, back)| *there == -back));

    // -log sigmoid(m) + log sigmoid(-m) = -m
    let [winners, losers] = pair();
    let there_loss = value(DPO.loss(winners.clone(), losers.clone()));
    let back_loss = value(DPO.loss(losers, winners));
    let mean = there.iter().sum::<f64>() / there.len() as f64;
    assert_near(there_loss - back_loss, -mean, 1e-12);

    let [winners, losers] = pair();
    let (prediction, winners) = tracked(winners);
    let there = DPO.margins(winners.clone(), losers.clone()).sum().backward();
    let there = values(prediction.grad(&there).unwrap());
    let (prediction, winners) = tracked(winners);
    let back = DPO.margins(losers, winners).sum().backward();
    let back = values(prediction.grad(&back).unwrap());
    assert!(there.iter().any(|x| *x != 0.0));
    assert!(there.iter().zip(&back).all(|(there, back)| *there == -back));
}

#[test]
fn one_pair_makes_diffusion_rpo_diffusion_dpo() {
    let first = |items: ComparedItems| ComparedItems {
        prediction: items.prediction.narrow(0, 0, 1),
        reference: items.reference.narrow(0, 0, 1),
        target: items.target.narrow(0, 0, 1),
    };
    let [winners, losers] = pair().map(first);
    let features = features().map(|features| features.narrow(0, 0, 1));
    let expected = value(DPO.loss(winners.clone(), losers.clone()));
    for weight in [ContrastWeight::Outside, ContrastWeight::Inside] {
        let rpo = DiffusionRpo {
            beta: DPO.beta,
            tau: 0.5,
            weight,
        };
        let found = rpo.loss(winners.clone(), losers.clone(), features.clone());
        assert_near(value(found), expected, 1e-14);
    }
}

#[test]
fn weights_of_contrasts_go_from_the_nearest_alone_to_all_alike() {
    let weights = |tau| {
        let [winners, losers] = features();
        values(contrast_weights(winners, losers, tau))
    };
    let middle = weights(0.5);
    for row in middle.chunks(3) {
        assert_near(row.iter().sum(), 1.0, 1e-14);
    }
    for (row, middle) in weights(1e-4).chunks(3).zip(middle.chunks(3)) {
        let highest = middle.iter().copied().fold(0.0, f64::max);
        for (weight, middle) in row.iter().zip(middle) {
            assert_near(*weight, if *middle == highest { 1.0 } else { 0.0 }, 1e-9);
        }
    }
    for weight in weights(1e9) {
        assert_near(weight, 1.0 / 3.0, 1e-9);
    }
}

#[test]
fn features_of_length_zero_and_gradients_do_not_go_through_weights() {
    let zero = numbers(vec![0.0; 15], [3, 5]).require_grad();
    let [winners, losers] = pair();
    let (prediction, winners) = tracked(winners);
    let [_, of_losers] = features();
    let loss = DiffusionRpo::default().loss(winners, losers, [zero.clone(), of_losers]);
    let gradients = loss.backward();
    assert!(value(loss).is_finite());
    assert!(zero.grad(&gradients).is_none());
    assert!(
        values(prediction.grad(&gradients).unwrap())
            .iter()
            .all(|x| x.is_finite())
    );
}

#[test]
fn under_the_reverse_kl_only_the_product_of_beta_and_scale_counts() {
    for (beta, scale) in [(1.0, 300.0), (300.0, 1.0), (0.5, 600.0)] {
        let [winners, losers] = pair();
        let expected = value(DPO.loss(winners.clone(), losers.clone()));
        let divergence = Divergence::ReverseKl;
        let objective = FDivergenceDpo {
            divergence,
            beta,
            scale,
        };
        assert_near(value(objective.loss(winners, losers)), expected, 1e-12);
    }
    let of = |beta, scale| {
        let [winners, losers] = pair();
        let objective = FDivergenceDpo {
            divergence: Divergence::JensenShannon,
            beta,
            scale,
        };
        value(objective.loss(winners, losers))
    };
    assert!((of(1.0, 300.0) - of(300.0, 1.0)).abs() > 1e-2);
}

#[test]
fn alpha_1_is_the_forward_kl_and_alpha_0_the_reverse() {
    let of = |divergence| {
        let [winners, losers] = pair();
        values(f_dpo(divergence).margins(winners, losers))
    };
    assert_eq!(of(Divergence::Alpha { alpha: 1.0 }), of(Divergence::ForwardKl));
    let (small, reverse) = (of(Divergence::Alpha { alpha: 1e-6 }), of(Divergence::ReverseKl));
    for (small, reverse) in small.into_iter().zip(reverse) {
        assert_near(small, reverse, 1e-4);
    }
}

#[test]
fn slopes_are_those_of_the_closed_forms() {
    let margin = |divergence: Divergence, winner: f64, loser: f64| {
        let slopes = divergence.slope(numbers(vec![winner, loser], [2]));
        let slopes = values(slopes);
        slopes[0] - slopes[1]
    };
    for (divergence, expected) in [
        (Divergence::ReverseKl, 0.3),
        (Divergence::ForwardKl, 0.286_440),
        (Divergence::JensenShannon, 0.146_258),
        (Divergence::Alpha { alpha: 0.5 }, 0.292_867),
    ] {
        assert_near(margin(divergence, 0.2, -0.1), expected, 6e-7);
    }
    let slope = Divergence::JensenShannon.slope(numbers(vec![1.0], [1]));
    assert_near(value(slope), 0.379_885, 6e-7);
    let bound = Divergence::JensenShannon.slope(numbers(vec![500.0], [1]));
    assert_near(value(bound), LN_2, 1e-15);
}

#[test]
fn far_predictions_leave_losses_and_gradients_finite_in_f32() {
    for divergence in DIVERGENCES {
        for swap in [false, true] {
            let mut pair =
                [compared("winner", 90.0), compared("loser", 0.01)].map(|items| cast(items, DType::F32));
            if swap {
                pair.reverse();
            }
            let [winners, losers] = pair;
            let (prediction, winners) = tracked(winners);
            let objective = FDivergenceDpo {
                divergence,
                ..FDivergenceDpo::default()
            };
            let loss = objective.loss(winners, losers);
            let gradients = loss.backward();
            assert!(value(loss).is_finite(), "{divergence:?}");
            let gradient = values(prediction.grad(&gradients).unwrap());
            assert!(gradient.iter().all(|x| x.is_finite()), "{divergence:?}");
        }
    }
}

#[test]
fn small_changes_of_errors_keep_their_digits_in_f32() {
    let narrow = cast(compared("winner", 1e-4), DType::F32);
    let wide = cast(narrow.clone(), DType::F64);
    let exact = values(wide.error_changes());
    let size = exact.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
    for (found, exact) in values(narrow.error_changes()).into_iter().zip(exact) {
        assert_near(found, exact, 1e-5 * size);
    }
}
