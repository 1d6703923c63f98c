//! Rollouts and both objectives on the smallest policy there is: latents of one number, and a prediction that is a
//! number itself.

use std::f64::consts::TAU;
use std::ops::ControlFlow;

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::conditioning::Conditioning;
use crate::nn::layers::{AdaptTarget, AdaptableLayer};
use crate::sampler::StepProgress;
use crate::scheduler::SchedulerConfig;
use crate::training::objectives::{Ddpo, DdpoPolicy, Dpok, DpokPolicy, Formulation, TransitionBatch};
use crate::training::*;

const ROLLOUTS: usize = 64;

#[derive(Module, Debug)]
struct Constant {
    prediction: Param<Tensor<1>>,
}

impl TrainableDenoiser for Constant {
    type Conditioning = Conditioning;

    fn predict_each(&self, noisy: Tensor<4>, _: Tensor<1>, _: Conditioning) -> Tensor<4> {
        noisy.zeros_like() + self.prediction.val().reshape([1, 1, 1, 1])
    }
}

impl AdaptTarget for Constant {
    fn layers_mut(&mut self, _: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {}
}

fn constant(prediction: f32) -> Constant {
    Constant {
        prediction: Param::from_tensor(Tensor::from_floats([prediction], &Device::flex())),
    }
}

fn prompts(rows: usize) -> Conditioning {
    Tensor::<3>::zeros([rows, 1, 1], &Device::flex()).into()
}

fn steps() -> RolloutSteps {
    RolloutSteps::new(&SchedulerConfig::stable_diffusion(), 4, 1.0).unwrap()
}

fn guidance() -> GuidedPrediction {
    GuidedPrediction::new(prompts(1), 3.0)
}

fn sample(network: &Constant, first: u64, rows: usize) -> Vec<Rollout> {
    let sampler = RolloutSampler {
        denoiser: network,
        guidance: &guidance(),
        steps: &steps(),
        formulation: Formulation::Reference,
        seed: 5,
        latent_shape: [1, 1, 1],
    };
    let mut go_on = |_: StepProgress| ControlFlow::Continue(());
    sampler.sample(first, &prompts(rows), &mut go_on).unwrap()
}

/// The reward: the number that a rollout ends with.
fn reward(rollout: &Rollout) -> f32 {
    rollout.latents.last().unwrap()[0]
}

fn mean_reward(network: &Constant) -> f32 {
    let rollouts = sample(network, 0, ROLLOUTS);
    rollouts.iter().map(reward).sum::<f32>() / ROLLOUTS as f32
}

#[test]
fn a_rollout_depends_on_its_number_alone() {
    let network = constant(0.1);
    let all = sample(&network, 7, 5);
    assert_eq!(sample(&network, 9, 2), all[2..4]);
    assert!(all.iter().all(|rollout| rollout.latents.len() == 5));
    assert_ne!(all[0], all[1]);
    assert_ne!(all[0].latents[0], all[0].latents[4]);
}

#[test]
fn log_probabilities_are_those_of_the_normal_distribution() {
    let prediction = 0.3;
    let steps = steps();
    for rollout in sample(&constant(prediction), 0, 3) {
        for step in steps.choices() {
            let transition = steps.transition(step);
            let latent = f64::from(rollout.latents[step][0]);
            let next = f64::from(rollout.latents[step + 1][0]);
            let mean = transition.latent * latent + transition.output * f64::from(prediction);
            let standard = (next - mean) / transition.deviation;
            let expected = -0.5 * standard * standard - transition.deviation.ln() - 0.5 * TAU.ln();
            let found = f64::from(rollout.log_probabilities[step]);
            assert!((found - expected).abs() < 1e-3, "{step}: {found} {expected}");
        }
    }
}

#[test]
fn a_rollout_ends_within_a_step_of_being_asked_to() {
    let mut asked = 0;
    let mut stop = |progress: StepProgress| {
        asked += 1;
        match progress.done {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let sampler = RolloutSampler {
        denoiser: &constant(0.0),
        guidance: &guidance(),
        steps: &steps(),
        formulation: Formulation::Reference,
        seed: 5,
        latent_shape: [1, 1, 1],
    };
    let stopped = sampler.sample(0, &prompts(2), &mut stop);
    assert!(matches!(stopped, Err(RolloutError::Cancelled)));
    assert_eq!(asked, 2);
}

#[test]
fn what_has_no_probability_is_refused_or_left_out() {
    let config = SchedulerConfig::stable_diffusion();
    let refused = |config: &SchedulerConfig, eta| RolloutSteps::new(config, 4, eta).unwrap_err();
    assert!(matches!(
        refused(&config, 0.0),
        RolloutError::Deterministic { .. }
    ));
    let clipped = SchedulerConfig {
        clip_sample: true,
        ..config.clone()
    };
    assert!(matches!(refused(&clipped, 1.0), RolloutError::Limited));
    // To no noise at all goes a step without noise.
    let to_the_end = SchedulerConfig {
        set_alpha_to_one: Some(true),
        ..config
    };
    let steps = RolloutSteps::new(&to_the_end, 4, 1.0).unwrap();
    assert_eq!((steps.count(), steps.choices()), (4, vec![0, 1, 2]));
}

/// All steps of all rollouts, with the standardised reward of each.
fn batch(rollouts: &[Rollout]) -> TransitionBatch {
    let device = Device::flex().autodiff();
    let steps = steps();
    let rewards: Vec<f32> = rollouts.iter().map(reward).collect();
    let mean = rewards.iter().sum::<f32>() / rewards.len() as f32;
    let variance = rewards.iter().map(|reward| (reward - mean).powi(2)).sum::<f32>() / rewards.len() as f32;
    let pairs: Vec<(usize, usize)> = (0..rollouts.len())
        .flat_map(|rollout| steps.choices().into_iter().map(move |step| (rollout, step)))
        .collect();
    let vector = |of: &dyn Fn(usize, usize) -> f32| {
        let values: Vec<f32> = pairs.iter().map(|&(rollout, step)| of(rollout, step)).collect();
        Tensor::<1>::from_data(TensorData::new(values, [pairs.len()]), (&device, DType::F32))
    };
    let images = |of: &dyn Fn(usize, usize) -> f32| vector(of).reshape([pairs.len(), 1, 1, 1]);
    TransitionBatch {
        latents: images(&|rollout, step| rollouts[rollout].latents[step][0]),
        next_latents: images(&|rollout, step| rollouts[rollout].latents[step + 1][0]),
        timesteps: vector(&|_, step| steps.timestep(step) as f32),
        conditioning: prompts(pairs.len()).autodiff(),
        old_log_probabilities: vector(&|rollout, step| rollouts[rollout].log_probabilities[step]),
        advantages: vector(&|rollout, _| (rewards[rollout] - mean) / variance.sqrt()),
        transitions: pairs.iter().map(|&(_, step)| steps.transition(step)).collect(),
    }
}

/// Trains for some iterations, each with rollouts of its own and one update; returns the reports and the network.
fn trained<O: Objective<Constant, Batch = TransitionBatch>>(objective: O) -> (Vec<StepReport>, Constant) {
    let settings = TrainerSettings {
        optimizer: AdamW {
            weight_decay: 0.0,
            ..AdamW::default()
        },
        learning_rate: LearningRate::constant(0.05),
        clip_norm: None,
        average: None,
    };
    let network = train_only(constant(0.0), |_| true);
    let mut trainer = ObjectiveTrainer::new(network, objective, settings).unwrap();
    let reports = (0..10)
        .map(|iteration| {
            let network = trainer.trainer().module().valid();
            let rollouts = sample(&network, iteration * ROLLOUTS as u64, ROLLOUTS);
            trainer.step([batch(&rollouts)]).unwrap()
        })
        .collect();
    let network = trainer.trainer().module().valid();
    (reports, network)
}

/// Sums of log-probabilities over many elements may be far apart, and steps of a buffer are of networks long gone.
#[test]
fn ratios_beyond_all_bounds_leave_what_is_reported_finite() {
    let network = train_only(constant(0.0), |_| true);
    let rollouts = sample(&constant(0.0), 0, 2);
    let objective = DdpoPolicy {
        loss: Ddpo::default(),
        formulation: Formulation::Paper,
        guidance: guidance().autodiff(),
    };
    for moved in [1e4, -1e4] {
        let steps = batch(&rollouts);
        let far = TransitionBatch {
            old_log_probabilities: steps.old_log_probabilities.clone() - moved,
            ..steps
        };
        let ObjectiveValue { loss, curves } = objective.evaluate(&network, &(), far);
        for reported in std::iter::once(loss).chain(curves) {
            let reported = reported.inner().into_scalar::<f32>();
            assert!(reported.is_finite(), "{moved}: {reported}");
        }
    }
}

fn raises_the_reward<O: Objective<Constant, Batch = TransitionBatch>>(objective: O) {
    let before = mean_reward(&constant(0.0));
    let (reports, network) = trained(objective);
    // The same noise before and after, so that the difference is the policy's.
    let after = mean_reward(&network);
    assert!(after > before + 0.1, "{before} {after}");
    for report in reports {
        let [ratio, clipped, _] = report.curves[..] else {
            panic!("{report:?}");
        };
        assert_eq!((ratio, clipped), (1.0, 0.0));
    }
}

#[test]
fn ddpo_raises_the_reward_of_a_gaussian_policy() {
    raises_the_reward(DdpoPolicy {
        loss: Ddpo::default(),
        formulation: Formulation::Reference,
        guidance: guidance().autodiff(),
    });
}

#[test]
fn dpok_raises_the_reward_of_a_gaussian_policy_and_stays_near_the_first_one_where_it_is_told_to() {
    let objective = |kl_weight| DpokPolicy {
        loss: Dpok {
            reward_weight: 1.0,
            kl_weight,
            ..Dpok::default()
        },
        guidance: guidance().autodiff(),
    };
    raises_the_reward(objective(0.0));
    let distance = |kl_weight| trained(objective(kl_weight)).0[9].curves[2];
    let (free, held) = (distance(0.0), distance(1e4));
    assert!(held < free, "{held} {free}");
}
