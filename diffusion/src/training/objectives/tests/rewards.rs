//! What must hold of the objectives on rewards, on mismatched items and on rollouts.

use std::f64::consts::TAU;

use burn::tensor::{DType, Tensor};

use super::{SHAPE, assert_near, flat, numbers, seeded, value, values};
use crate::scheduler::{SchedulerConfig, ddim};
use crate::training::objectives::{
    Dpok, Formulation, GaussianTransition, HardNegatives, NegativeError, PolicyBatch, RewardThresholds,
    gors_loss, item_errors, log_probabilities, supervised_loss, value_loss,
};

#[test]
fn equal_rewards_make_gors_supervised_fine_tuning_times_the_reward() {
    let (prediction, target) = (seeded("prediction", SHAPE), seeded("target", SHAPE));
    let plain = value(supervised_loss(prediction.clone(), target.clone()));
    for reward in [1.0, 0.25, 0.0] {
        let rewards = numbers(vec![reward; 3], [3]);
        let found = value(gors_loss(prediction.clone(), target.clone(), rewards));
        assert_near(found, reward * plain, 1e-14);
    }
    let errors = values(item_errors(prediction.clone(), target.clone()));
    let rewards = [0.2, 0.9, 0.4];
    let found = value(gors_loss(prediction, target, numbers(rewards.to_vec(), [3])));
    let expected: f64 = errors
        .iter()
        .zip(rewards)
        .map(|(error, reward)| error * reward / 3.0)
        .sum();
    assert_near(found, expected, 1e-14);
}

#[test]
fn thresholds_are_those_of_the_line() {
    let color = RewardThresholds::COLOR;
    assert!(color.keeps(559, 0.93) && !color.keeps(559, 0.92) && !color.keeps(0, 0.8));
    assert!(color.keeps(560, 0.8) && !color.keeps(560, 0.7));
}

/// Loss and gradients of one item whose errors are these.
fn contrast(objective: HardNegatives, matched: f64, mismatched: f64) -> (f64, Vec<f64>, Vec<f64>) {
    let predictions = [matched, mismatched].map(|error| flat(&[error.sqrt()]).require_grad());
    let target = flat(&[0.0]);
    let loss = objective.loss(predictions.clone(), [target.clone(), target]);
    let gradients = loss.backward();
    let [matched, mismatched] = predictions.map(|x| x.grad(&gradients).map_or(vec![0.0; 4], values));
    (value(loss), matched, mismatched)
}

#[test]
fn errors_above_the_cap_have_no_gradient_at_all() {
    let (loss, matched, mismatched) = contrast(HardNegatives::default(), 0.1, 0.08);
    assert_near(loss, 0.02, 1e-14);
    assert!(matched.iter().all(|x| *x > 0.0) && mismatched.iter().all(|x| *x < 0.0));
    for formulation in [Formulation::Paper, Formulation::Reference] {
        let objective = HardNegatives {
            formulation,
            ..HardNegatives::default()
        };
        let (loss, matched, mismatched) = contrast(objective, 0.1, 0.15);
        assert_eq!(loss, 0.0);
        assert!(matched.iter().all(|x| *x > 0.0));
        assert_eq!(mismatched, [0.0; 4]);
    }
    let uncapped = HardNegatives {
        cap: None,
        ..HardNegatives::default()
    };
    let (loss, _, mismatched) = contrast(uncapped, 0.1, 0.15);
    assert_near(loss, -0.05, 1e-14);
    assert!(mismatched.iter().all(|x| *x < 0.0));
}

#[test]
fn the_cap_is_of_the_batch_or_of_each_item() {
    let errors = |values: [f64; 2]| flat(&values.map(f64::sqrt));
    let loss = |formulation| {
        let objective = HardNegatives {
            formulation,
            ..HardNegatives::default()
        };
        let target = flat(&[0.0, 0.0]);
        let predictions = [errors([0.1, 0.3]), errors([0.2, 0.1])];
        value(objective.loss(predictions, [target.clone(), target]))
    };
    assert_near(loss(Formulation::Reference), 0.2 - 0.15, 1e-14);
    assert_near(loss(Formulation::Paper), (0.0 + 0.2) / 2.0, 1e-14);
}

#[test]
fn a_mismatched_prediction_may_be_measured_against_the_matched_one() {
    let objective = HardNegatives {
        negative: NegativeError::Matched,
        ..HardNegatives::default()
    };
    let target = flat(&[0.0]);
    let loss = objective.loss([flat(&[0.5]), flat(&[0.2])], [target.clone(), target]);
    assert_near(value(loss), 0.25 - 0.09, 1e-14);
}

/// Steps of the sampler that were just taken.
fn rollout(formulation: Formulation, dtype: DType) -> PolicyBatch {
    let config = SchedulerConfig::stable_diffusion();
    let schedule = config.schedule().unwrap();
    let transitions: Vec<GaussianTransition> = [981, 501, 21]
        .map(|timestep| ddim::reverse_step(&schedule, &config, timestep, 20, 1.0).unwrap())
        .iter()
        .map(GaussianTransition::from)
        .collect();
    let [latents, prediction, next_latents] =
        ["latents", "prediction", "next"].map(|name| seeded(name, SHAPE).cast(dtype));
    let old_log_probability = log_probabilities(
        &transitions,
        latents.clone(),
        prediction.clone(),
        next_latents.clone(),
        formulation,
    );
    PolicyBatch {
        reference: prediction.clone(),
        prediction,
        latents,
        next_latents,
        old_log_probability,
        advantages: numbers(vec![0.4, -0.3, 1.2], [3]),
        transitions,
    }
}

#[test]
fn right_after_a_rollout_every_ratio_is_1() {
    for formulation in [Formulation::Paper, Formulation::Reference] {
        let objective = Dpok {
            formulation,
            ..Dpok::default()
        };
        let loss = value(objective.loss(rollout(formulation, DType::F64)));
        assert_near(loss, -10.0 * (0.4 - 0.3 + 1.2) / 3.0, 1e-12);
    }
}

#[test]
fn log_probabilities_are_those_of_the_normal_distribution() {
    let transition = GaussianTransition {
        latent: 0.5,
        output: -2.0,
        deviation: 0.3,
    };
    let of = |formulation| {
        let [latents, outputs, next] = [1.0, 0.25, 0.6].map(|x| flat(&[x]));
        value(log_probabilities(
            &[transition],
            latents,
            outputs,
            next,
            formulation,
        ))
    };
    // The mean is 0.5 - 0.5, and each item has four elements.
    let expected = -0.6_f64.powi(2) / (2.0 * 0.09) - 0.3_f64.ln() - 0.5 * TAU.ln();
    assert_near(of(Formulation::Reference), expected, 1e-13);
    assert_near(of(Formulation::Paper), 4.0 * expected, 1e-12);
}

/// Gradient of the policy's loss, with probabilities that moved by this much since.
fn policy_gradient(objective: Dpok, moved: f64, dtype: DType) -> (f64, Vec<f64>) {
    let batch = rollout(objective.formulation, dtype);
    let prediction = batch.prediction.clone().detach().require_grad();
    let loss = objective.loss(PolicyBatch {
        prediction: prediction.clone(),
        old_log_probability: batch.old_log_probability.clone() - moved,
        ..batch
    });
    let gradients = loss.backward();
    let gradient = prediction
        .grad(&gradients)
        .map_or(vec![0.0; SHAPE.iter().product()], values);
    (value(loss), gradient)
}

#[test]
fn a_ratio_outside_the_clip_has_no_gradient_whatever_its_advantage() {
    let objective = Dpok {
        kl_weight: 0.0,
        ..Dpok::default()
    };
    for moved in [2e-4, -2e-4] {
        let (loss, gradient) = policy_gradient(objective, moved, DType::F64);
        let ratio = 1.0 + f64::signum(moved) * objective.clip;
        assert_near(loss, -10.0 * ratio * (0.4 - 0.3 + 1.2) / 3.0, 1e-12);
        assert!(gradient.iter().all(|x| *x == 0.0));
    }
    let (_, gradient) = policy_gradient(objective, 0.0, DType::F64);
    assert!(gradient.iter().any(|x| *x != 0.0));
}

#[test]
fn probabilities_far_apart_leave_numbers_finite_in_f32() {
    for formulation in [Formulation::Paper, Formulation::Reference] {
        let objective = Dpok {
            formulation,
            ..Dpok::default()
        };
        for moved in [1e4, -1e4] {
            let (loss, gradient) = policy_gradient(objective, moved, DType::F32);
            assert!(
                loss.is_finite() && gradient.iter().all(|x| x.is_finite()),
                "{moved}"
            );
        }
    }
}

#[test]
fn the_divergence_is_that_of_the_transitions_or_of_the_predictions() {
    let of = |formulation| {
        let batch = rollout(formulation, DType::F64);
        let transitions = batch.transitions.clone();
        let reference = batch.prediction.clone() + 0.1;
        let objective = Dpok {
            reward_weight: 0.0,
            kl_weight: 1.0,
            formulation,
            ..Dpok::default()
        };
        (
            value(objective.loss(PolicyBatch { reference, ..batch })),
            transitions,
        )
    };
    assert_near(of(Formulation::Reference).0, 0.01, 1e-14);
    let (found, transitions) = of(Formulation::Paper);
    let elements: f64 = SHAPE[1..].iter().product::<usize>() as f64;
    let of_step = |step: &GaussianTransition| elements * (0.1 * step.output / step.deviation).powi(2) / 2.0;
    let expected = transitions.iter().map(of_step).sum::<f64>() / 3.0;
    assert_near(found, expected, 1e-10 * expected);
}

#[test]
fn a_better_next_latent_gets_more_probable() {
    let objective = Dpok {
        kl_weight: 0.0,
        ..Dpok::default()
    };
    let batch = rollout(objective.formulation, DType::F64);
    let of = |prediction: Tensor<4>| {
        values(log_probabilities(
            &batch.transitions,
            batch.latents.clone(),
            prediction,
            batch.next_latents.clone(),
            objective.formulation,
        ))
    };
    let (_, gradient) = policy_gradient(objective, 0.0, DType::F64);
    let after = batch.prediction.clone() - numbers(gradient, SHAPE) * 1e-6;
    let (before, after) = (of(batch.prediction.clone()), of(after));
    for ((before, after), advantage) in before.iter().zip(&after).zip([0.4, -0.3, 1.2]) {
        assert!((after - before) * advantage > 0.0, "{before} {after} {advantage}");
    }
}

#[test]
fn the_value_network_learns_the_mean_reward() {
    let values_of_latents = numbers(vec![0.5, 0.0], [2]).require_grad();
    let loss = value_loss(values_of_latents.clone(), numbers(vec![1.0, -1.0], [2]));
    let gradients = loss.backward();
    assert_near(value(loss), 0.625, 1e-15);
    assert_eq!(values(values_of_latents.grad(&gradients).unwrap()), [-0.5, 1.0]);
}
