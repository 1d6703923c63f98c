//! What must hold of DDPO's loss.

use super::{assert_near, numbers, value, values};
use crate::training::objectives::Ddpo;

/// Loss, and its gradient by the new log-probabilities, of steps whose ratios and advantages are these.
fn loss(objective: Ddpo, ratios: [f64; 4], advantages: [f64; 4]) -> (f64, Vec<f64>) {
    let old = numbers(vec![0.3, -1.2, 0.0, 2.0], [4]);
    let new = old.clone() + numbers(ratios.map(f64::ln).to_vec(), [4]);
    let new = new.detach().require_grad();
    let loss = objective.loss(new.clone(), old, numbers(advantages.to_vec(), [4]));
    let gradient = new.grad(&loss.backward()).map_or(vec![0.0; 4], values);
    (value(loss), gradient)
}

#[test]
fn right_after_a_rollout_it_is_the_negative_mean_advantage_with_the_gradient_of_reinforce() {
    let advantages = [0.5, -1.5, 2.0, 0.25];
    let (found, gradient) = loss(Ddpo::default(), [1.0; 4], advantages);
    assert_near(found, -advantages.iter().sum::<f64>() / 4.0, 1e-13);
    for (gradient, advantage) in gradient.iter().zip(advantages) {
        assert_near(*gradient, -advantage / 4.0, 1e-13);
    }
}

/// PPO's rule: no more is gained by going on where a step went the right way already; the wrong way costs in full.
#[test]
fn only_what_went_the_right_way_is_clipped() {
    let objective = Ddpo {
        clip: 0.1,
        ..Ddpo::default()
    };
    let (ratios, advantages) = ([1.5, 1.5, 0.5, 0.5], [1.0, -1.0, 1.0, -1.0]);
    let (found, gradient) = loss(objective, ratios, advantages);
    assert_near(found, (-1.1 + 1.5 - 0.5 + 0.9) / 4.0, 1e-13);
    for (found, expected) in gradient.iter().zip([0.0, 1.5 / 4.0, -0.5 / 4.0, 0.0]) {
        assert_near(*found, expected, 1e-13);
    }
}

#[test]
fn advantages_are_limited_and_carry_no_gradient() {
    let (found, _) = loss(Ddpo::default(), [1.0; 4], [50.0, -7.0, 1.0, 0.0]);
    assert_near(found, -(5.0 - 5.0 + 1.0) / 4.0, 1e-13);
    let advantages = numbers(vec![1.0; 4], [4]).require_grad();
    let logs = numbers(vec![0.0; 4], [4]).require_grad();
    let gradients = Ddpo::default()
        .loss(logs.clone(), logs.detach(), advantages.clone())
        .backward();
    let gradient = advantages.grad(&gradients).map_or(vec![0.0; 4], values);
    assert_eq!(gradient, [0.0; 4]);
}

#[test]
fn ratios_beyond_all_bounds_leave_numbers_finite() {
    for advantage in [1.0, -1.0] {
        let new = numbers(vec![1e4, -1e4], [2]).require_grad();
        let found = Ddpo::default().loss(
            new.clone(),
            numbers(vec![0.0; 2], [2]),
            numbers(vec![advantage; 2], [2]),
        );
        let gradient = new.grad(&found.backward()).map_or(vec![0.0; 2], values);
        assert!(value(found).is_finite() && gradient.iter().all(|x| x.is_finite()));
    }
}
