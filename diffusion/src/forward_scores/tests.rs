use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::gaussian::GaussianDenoiser;
use crate::mutual_information::{EstimatorParts, MiMode, MiWeight};
use crate::noise::bank_key;
use crate::prediction::PredictionType;

const KEY: ContentKey = [9; 32];
const RHO: f64 = 0.8;

fn go_on(_: StepProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Timesteps 400 to 800, two noises at each.
fn middle(count: usize) -> ForwardScoreSettings {
    let spread = TimestepSpread {
        first: 400,
        last: 800,
        count,
    };
    ForwardScoreSettings {
        timesteps: ForwardTimesteps::Spread(spread),
        noises: 2,
        ..ForwardScoreSettings::default()
    }
}

/// The share of the schedule from 400 to 800.
const SHARE: f64 = 0.401;

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
        let settings = middle(3);
        let found = scores(kind, &settings, &latents, &contexts(&prompts, &device));
        let (scorer, denoiser) = setting(kind, &settings);
        assert_eq!(scorer.timesteps().collect::<Vec<_>>(), [400, 600, 800]);
        assert_eq!(scorer.evaluations(), 6);
        for (row, found) in found.iter().enumerate() {
            let [mut signed, mut forward, mut itm, mut normalised] = [0.0; 4];
            let [mut squared, mut squared_normalised] = [0.0; 2];
            for timestep in [400, 600, 800] {
                let left = denoiser.schedule.alphas_cumprod()[timestep];
                let weight = MiWeight::Kappa.at(&denoiser.schedule, timestep).unwrap();
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
                    signed += SHARE * weight * (without - with) / 6.0;
                    forward += SHARE * weight * between / 6.0;
                    itm -= with.sqrt() / 6.0;
                    normalised += (without.sqrt() - with.sqrt()) / 6.0;
                    squared -= with / 6.0;
                    squared_normalised += (without - with) / 6.0;
                }
            }
            for (found, expected) in [
                (found.mi_signed, signed),
                (found.mi_forward, forward),
                (found.itm, itm),
                (found.itm_normalised, normalised),
                (found.itm_squared, squared),
                (found.itm_squared_normalised, squared_normalised),
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
        ..middle(8)
    };
    let kind = PredictionType::Epsilon;
    let (scorer, denoiser) = setting(kind, &settings);
    let (mut expected, mut crossed) = (0.0, 0.0);
    for (timestep, weight) in scorer.timesteps().zip(scorer.weights()) {
        let left = denoiser.schedule.alphas_cumprod()[timestep];
        let explained = left * RHO * RHO;
        let scale = weight * (1.0 - left) * explained / (1.0 - explained) * SHARE / 8.0;
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
    let settings = middle(4);
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
    let settings = middle(8);
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
fn errors_join_by_the_formulas_of_the_scores() {
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
    let spread = TimestepSpread {
        first: 0,
        last: 999,
        count: 2,
    };
    let settings = ForwardScoreSettings {
        timesteps: ForwardTimesteps::Spread(spread),
        estimator: EstimatorParts {
            weight: MiWeight::Unweighted,
            ..EstimatorParts::default()
        },
        ..ForwardScoreSettings::default()
    };
    let (scorer, _) = setting(PredictionType::Epsilon, &settings);
    let scores = scorer.scores(&errors);
    assert_eq!(scores.mi_signed, 0.0);
    assert_eq!(scores.mi_forward, (1.0 + 2.0) / 2.0);
    assert_eq!(scores.itm, -(2.0 + 3.0) / 2.0);
    assert_eq!(scores.itm_normalised, ((3.0 - 2.0) + (2.0 - 3.0)) / 2.0);
    // The squared form less its value without the prompt is the gain that `mi_signed` weighs.
    assert_eq!((scores.itm_squared, scores.itm_squared_normalised), (-6.5, 0.0));
    let traces = scorer.traces(&errors);
    assert_eq!(traces.mi_signed, [5.0, -5.0]);
    assert_eq!(traces.mi_forward, [1.0, 2.0]);
    assert_eq!(
        (traces.itm, traces.itm_normalised),
        (vec![-2.0, -3.0], vec![1.0, -1.0])
    );
}

/// By default a score of given latents is the number that generation estimates: the same timesteps
/// and weights. On the Gaussian toy that is the exact `-ln(1 - rho^2) / 2` within what 50 timesteps
/// can do, and over a range what the range contributes.
#[test]
fn by_default_given_latents_score_in_nats_as_generation_does() {
    let config = SchedulerConfig::stable_diffusion();
    let schedule = config.schedule().unwrap();
    // The expected gain and difference of a timestep, by the closed form.
    let expected = |settings: &ForwardScoreSettings, rho: f64| {
        let scorer = ForwardScorer::new(&config, settings).unwrap();
        let errors: Vec<ForwardErrors> = scorer
            .timesteps()
            .map(|timestep| {
                let left = schedule.alphas_cumprod()[timestep];
                let explained = left * rho * rho;
                let difference = (1.0 - left) * explained / (1.0 - explained);
                ForwardErrors {
                    conditional: 1.0,
                    gain: difference,
                    difference,
                }
            })
            .collect();
        scorer.scores(&errors).mi_forward
    };
    let default = ForwardScoreSettings::default();
    assert_eq!(
        ForwardScorer::new(&config, &default)
            .unwrap()
            .timesteps()
            .collect::<Vec<_>>(),
        config.timesteps(50).unwrap()
    );
    for (rho, exact, error) in [
        (0.5, 0.143841, 0.001),
        (0.9, 0.830366, 0.013),
        (0.99, 1.958518, 0.18),
    ] {
        let found = expected(&default, rho);
        assert!((found - exact).abs() < error, "{rho}: {found} {exact}");
        let reference = ForwardScoreSettings {
            estimator: MiMode::Reference.parts(),
            ..default.clone()
        };
        assert!(expected(&reference, rho) < found);
    }
    let over = |first, last, count| ForwardScoreSettings {
        timesteps: ForwardTimesteps::Spread(TimestepSpread { first, last, count }),
        ..ForwardScoreSettings::default()
    };
    // The whole schedule, one by one: the sum that methods of quadrature approach.
    assert!((expected(&over(0, 999, 1000), 0.9) - 0.827365).abs() < 6e-7);
    assert!((expected(&over(0, 999, 50), 0.9) - 0.830366).abs() < 0.003);
    // A cut of it: its parts add up, and few timesteps tell a part as many do.
    let parts = [(0, 399, 400), (400, 800, 401), (801, 999, 199)];
    let sum: f64 = parts
        .iter()
        .map(|&(first, last, count)| expected(&over(first, last, count), 0.9))
        .sum();
    assert!((sum - 0.827365).abs() < 6e-7);
    let (few, many) = (
        expected(&over(400, 800, 8), 0.9),
        expected(&over(400, 800, 401), 0.9),
    );
    assert!(
        (many - 0.1964).abs() < 1e-4 && (few / many - 1.0).abs() < 0.03,
        "{few} {many}"
    );
}

/// Two captions of one image meet the same noise from a bank, and other noise from their own keys.
#[test]
fn a_bank_gives_every_caption_the_same_noise() {
    let device = Device::flex();
    let (_, latents) = world(&[0.4], 16, &device);
    let (scorer, denoiser) = setting(PredictionType::Epsilon, &middle(3));
    let prompt = GaussianDenoiser::conditional(0.4, &device);
    let unconditional = GaussianDenoiser::unconditional(&device);
    let with = |key: &ContentKey, seed| {
        let scorer = ForwardScorer {
            seed,
            ..scorer.clone()
        };
        scorer
            .score(&denoiser, &latents, &prompt, &unconditional, key, &mut go_on)
            .unwrap()[0]
    };
    let bank = with(&bank_key(), 42);
    assert_eq!(bank, with(&bank_key(), 42));
    assert_ne!(bank, with(&bank_key(), 43));
    assert_ne!(bank, with(&KEY, 42));
}

/// Latents that are drawn have the mean and deviation of the posterior, a new draw for every
/// evaluation and the same for every image.
#[test]
fn latents_are_drawn_from_their_posterior() {
    let device = Device::flex();
    let source = NoiseSource::forward();
    let shared = SharedNoise {
        source: &source,
        seed: 1,
        key: &KEY,
    };
    let mean = Tensor::<4>::full([2, 1, 50, 200], 3.0, &device);
    let plain = LatentPosterior::from(&mean);
    let values = |tensor: Tensor<4>| tensor.try_into_vec_as::<f32>().unwrap();
    assert!(
        values(shared.latents(&plain, 10, 0))
            .iter()
            .all(|&value| value == 3.0)
    );
    let drawn = LatentPosterior {
        deviation: Some(mean.clone() * 0.5),
        mean,
    };
    let one = values(shared.latents(&drawn, 10, 0));
    assert_eq!(one[..10_000], one[10_000..]);
    for other in [shared.latents(&drawn, 10, 1), shared.latents(&drawn, 11, 0)] {
        assert!(one.iter().zip(values(other)).all(|(a, b)| *a != b));
    }
    let average = one.iter().map(|&v| f64::from(v)).sum::<f64>() / 20_000.0;
    let spread = one.iter().map(|&v| (f64::from(v) - 3.0).powi(2)).sum::<f64>() / 20_000.0;
    assert!((average - 3.0).abs() < 0.07, "{average}");
    assert!((spread / 2.25 - 1.0).abs() < 0.07, "{spread}");
}

#[test]
fn scoring_stops_when_told_and_refuses_what_does_not_fit() {
    let device = Device::flex();
    let (_, latents) = world(&[1.0, 1.0, 1.0], 8, &device);
    let settings = middle(8);
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
        timesteps: ForwardTimesteps::Spread(TimestepSpread {
            first: 400,
            last: 1000,
            count: 8,
        }),
        ..settings
    };
    assert!(matches!(
        ForwardScorer::new(&config, &past),
        Err(ForwardScoreError::Schedule(_))
    ));
}
