use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::gaussian::GaussianDenoiser;
use crate::mutual_information::MiMode;
use crate::prediction::PredictionType;

const KEY: ContentKey = [9; 32];
const RHO: f64 = 0.8;

fn go_on(_: StepProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn setting(
    prediction_type: PredictionType,
    settings: &ForwardScoreSettings,
) -> (ForwardScorer, GaussianDenoiser) {
    let config = SchedulerConfig {
        prediction_type,
        ..SchedulerConfig::stable_diffusion()
    };
    let schedule = config.schedule().unwrap();
    let denoiser = GaussianDenoiser {
        schedule,
        prediction: prediction_type,
        correlation: RHO,
    };
    (ForwardScorer::new(&config, settings).unwrap(), denoiser)
}

/// Draws data of the Gaussian world: one prompt value for each latent.
fn world(prompts: &[f32], size: usize, device: &Device) -> (Vec<f32>, Tensor<4>) {
    let mut values = vec![0.0; prompts.len() * size];
    for (row, (values, prompt)) in values.chunks_mut(size).zip(prompts).enumerate() {
        NoiseSource::sampling().normal(77, &KEY, row as u32, 0, values);
        for value in values {
            *value = RHO as f32 * prompt + (1.0 - RHO * RHO).sqrt() as f32 * *value;
        }
    }
    let shape = [prompts.len(), 1, 1, size];
    (
        values.clone(),
        Tensor::from_data(TensorData::new(values, shape), device),
    )
}

fn contexts(prompts: &[f32], device: &Device) -> Conditioning {
    let rows = prompts
        .iter()
        .map(|&value| GaussianDenoiser::conditional(value, device));
    Conditioning::cat(rows.collect())
}

fn scores(
    kind: PredictionType,
    settings: &ForwardScoreSettings,
    latents: &Tensor<4>,
    conditional: &Conditioning,
) -> Vec<ForwardScores> {
    let (scorer, denoiser) = setting(kind, settings);
    let unconditional = GaussianDenoiser::unconditional(&latents.device());
    scorer
        .score(&denoiser, latents, conditional, &unconditional, &KEY, &mut go_on)
        .unwrap()
}

/// Repeats every score element by element in `f64`, from the definitions.
#[test]
fn scores_are_their_definitions() {
    let device = Device::flex();
    let prompts = [0.7_f32, -1.3];
    let size = 24;
    let (values, latents) = world(&prompts, size, &device);
    for kind in [
        PredictionType::Epsilon,
        PredictionType::VPrediction,
        PredictionType::Sample,
    ] {
        let settings = ForwardScoreSettings {
            timesteps: 3,
            ..ForwardScoreSettings::default()
        };
        let found = scores(kind, &settings, &latents, &contexts(&prompts, &device));
        let (scorer, denoiser) = setting(kind, &settings);
        assert_eq!(scorer.timesteps(), [400, 400, 600, 600, 800, 800]);
        for (row, found) in found.iter().enumerate() {
            let [mut signed, mut forward, mut itm, mut normalised] = [0.0; 4];
            for timestep in [400, 600, 800] {
                let left = denoiser.schedule.alphas_cumprod()[timestep];
                let weight = MiMode::Paper.kappa(&denoiser.schedule, timestep).unwrap();
                for index in 0..2 {
                    let mut noise = vec![0.0_f32; size];
                    NoiseSource::forward().normal(42, &KEY, index, timestep as u32, &mut noise);
                    let [mut with, mut without, mut between] = [0.0; 3];
                    for i in 0..size {
                        let (x, e) = (f64::from(values[row * size + i]), f64::from(noise[i]));
                        let z = left.sqrt() * x + (1.0 - left).sqrt() * e;
                        let answer = |rho: f64| {
                            let distance = z - left.sqrt() * rho * f64::from(prompts[row]);
                            (1.0 - left).sqrt() * distance / (1.0 - left * rho * rho)
                        };
                        with += (e - answer(RHO)).powi(2);
                        without += (e - answer(0.0)).powi(2);
                        between += (answer(RHO) - answer(0.0)).powi(2);
                    }
                    signed += weight * (without - with) / 6.0;
                    forward += weight * between / 6.0;
                    itm -= with.sqrt() / 6.0;
                    normalised += (without.sqrt() - with.sqrt()) / 6.0;
                }
            }
            for (found, expected) in [
                (found.mi_signed, signed),
                (found.mi_forward, forward),
                (found.itm, itm),
                (found.itm_normalised, normalised),
            ] {
                assert!(
                    (found - expected).abs() < 1e-3 * expected.abs().max(0.1),
                    "{kind:?}: {found} {expected}"
                );
            }
        }
    }
}

/// Over true pairs both estimates average to the weighted sum the Gaussian toy is built from; over
/// wrong pairs the signed one is as negative as `-kappa E|e_c - e_u|^2` plus its cross term says,
/// while the squared one cannot tell that anything is wrong.
#[test]
fn signed_and_squared_scores_agree_on_true_pairs_and_only_the_signed_one_sees_wrong_pairs() {
    let device = Device::flex();
    let prompts: Vec<f32> = (0..64).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let size = 1024;
    let (_, latents) = world(&prompts, size, &device);
    let settings = ForwardScoreSettings {
        noises: 4,
        ..ForwardScoreSettings::default()
    };
    let kind = PredictionType::Epsilon;
    let (scorer, denoiser) = setting(kind, &settings);
    let (mut expected, mut crossed) = (0.0, 0.0);
    for (timestep, weight) in scorer.timesteps().into_iter().zip(scorer.weights()) {
        let left = denoiser.schedule.alphas_cumprod()[timestep];
        let explained = left * RHO * RHO;
        let scale = weight * (1.0 - left) * explained / (1.0 - explained) / 32.0;
        expected += scale;
        // With the other sign of prompt, E[(e - e_u)^2 - (e - e_c)^2] is 1 - 4 / (1 - a rho^2)
        // times a rho^2 (1 - a) / (1 - a rho^2): the mean of e_c is off by 2 sqrt(a) rho p.
        crossed += scale * (1.0 - 4.0 / (1.0 - explained));
    }
    let mean = |scores: &[ForwardScores], of: fn(&ForwardScores) -> f64| {
        scores.iter().map(of).sum::<f64>() / (scores.len() * size) as f64
    };
    let right = scores(kind, &settings, &latents, &contexts(&prompts, &device));
    assert!((mean(&right, |s| s.mi_signed) / expected - 1.0).abs() < 0.05);
    assert!((mean(&right, |s| s.mi_forward) / expected - 1.0).abs() < 0.05);
    let swapped: Vec<f32> = prompts.iter().map(|p| -p).collect();
    let wrong = scores(kind, &settings, &latents, &contexts(&swapped, &device));
    let found = mean(&wrong, |s| s.mi_signed);
    assert!((found / crossed - 1.0).abs() < 0.05, "{found} {crossed}");
    assert!(mean(&wrong, |s| s.mi_forward) > expected);
    for (right, wrong) in right.iter().zip(&wrong) {
        assert!(right.mi_signed > 0.0 && wrong.mi_signed < 0.0);
        assert!(right.itm > wrong.itm && right.itm_normalised > wrong.itm_normalised);
    }
}

#[test]
fn an_empty_prompt_scores_zero_and_permuted_prompts_permute_scores() {
    let device = Device::flex();
    let prompts = [0.5_f32, -0.5, 2.0];
    let (_, latents) = world(&[0.5, 0.5, 0.5], 32, &device);
    let same = latents.clone().narrow(0, 0, 1).repeat_dim(0, 3);
    let settings = ForwardScoreSettings {
        timesteps: 4,
        ..ForwardScoreSettings::default()
    };
    let kind = PredictionType::VPrediction;
    let empty = GaussianDenoiser::unconditional(&device);
    for score in scores(kind, &settings, &latents, &empty) {
        assert_eq!(
            (score.mi_signed, score.mi_forward, score.itm_normalised),
            (0.0, 0.0, 0.0)
        );
        assert!(score.itm < 0.0);
    }
    let forwards = scores(kind, &settings, &same, &contexts(&prompts, &device));
    let turned = [prompts[1], prompts[2], prompts[0]];
    let backwards = scores(kind, &settings, &same, &contexts(&turned, &device));
    for i in 0..3 {
        let (a, b) = (forwards[(i + 1) % 3], backwards[i]);
        assert!((a.itm - b.itm).abs() < 1e-5 && (a.mi_signed - b.mi_signed).abs() < 1e-4);
    }
    assert!((forwards[0].itm - forwards[1].itm).abs() > 1e-3);
}

#[test]
fn a_latent_does_not_depend_on_its_company() {
    let device = Device::flex();
    let (_, latents) = world(&[1.0, 1.0, 1.0], 32, &device);
    let settings = ForwardScoreSettings::default();
    let kind = PredictionType::Epsilon;
    let prompt = GaussianDenoiser::conditional(1.0, &device);
    let together = scores(kind, &settings, &latents, &prompt);
    for (row, together) in together.iter().enumerate() {
        let alone = scores(kind, &settings, &latents.clone().narrow(0, row, 1), &prompt)[0];
        assert!((alone.mi_signed - together.mi_signed).abs() < 1e-4);
        assert!((alone.itm - together.itm).abs() < 1e-5);
    }
}

#[test]
fn the_normalised_squared_form_is_the_signed_gain() {
    let errors = [
        ForwardErrors {
            conditional: 4.0,
            gain: 5.0,
            difference: 1.0,
        },
        ForwardErrors {
            conditional: 9.0,
            gain: -5.0,
            difference: 2.0,
        },
    ];
    let scores = ForwardScores::from_errors(&errors, &[2.0, 4.0]);
    assert_eq!(scores.mi_signed, (2.0 * 5.0 - 4.0 * 5.0) / 2.0);
    assert_eq!(scores.mi_forward, (2.0 + 8.0) / 2.0);
    assert_eq!(scores.itm, -(2.0 + 3.0) / 2.0);
    assert_eq!(scores.itm_normalised, ((3.0 - 2.0) + (2.0 - 3.0)) / 2.0);
}

#[test]
fn scoring_stops_when_told_and_refuses_what_does_not_fit() {
    let device = Device::flex();
    let (_, latents) = world(&[1.0, 1.0, 1.0], 8, &device);
    let settings = ForwardScoreSettings::default();
    let (scorer, denoiser) = setting(PredictionType::Epsilon, &settings);
    let unconditional = GaussianDenoiser::unconditional(&device);
    let prompt = GaussianDenoiser::conditional(1.0, &device);
    let mut seen = 0;
    let mut stop = |progress: StepProgress| {
        seen = progress.done;
        assert_eq!(progress.total, 16);
        if progress.done == 5 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let run = |prompts: &Conditioning, on_step: &mut OnStep<'_>| {
        scorer.score(&denoiser, &latents, prompts, &unconditional, &KEY, on_step)
    };
    assert_eq!(run(&prompt, &mut stop), Err(ForwardScoreError::Cancelled));
    assert_eq!(seen, 5);
    let two = contexts(&[1.0, 1.0], &device);
    let refused = ForwardScoreError::Contexts {
        contexts: 2,
        latents: 3,
    };
    assert_eq!(run(&two, &mut go_on), Err(refused));
    let poisoned = GaussianDenoiser::conditional(f32::NAN, &device);
    assert_eq!(
        run(&poisoned, &mut go_on),
        Err(ForwardScoreError::NotFinite { row: 0 })
    );
    let config = SchedulerConfig::stable_diffusion();
    let none = ForwardScoreSettings {
        noises: 0,
        ..settings.clone()
    };
    assert_eq!(
        ForwardScorer::new(&config, &none).unwrap_err(),
        ForwardScoreError::NoNoise
    );
    let past = ForwardScoreSettings {
        last_timestep: 1000,
        ..settings
    };
    assert!(matches!(
        ForwardScorer::new(&config, &past),
        Err(ForwardScoreError::Schedule(_))
    ));
}
