//! Comparison with diffusers, step by step; `tools/goldens/export_schedulers.py` made the numbers.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    spacings: Vec<Spacing>,
}

#[derive(Deserialize)]
struct Case {
    scheduler: String,
    eta: f64,
    config: SchedulerConfig,
    timesteps: Vec<usize>,
    alphas_cumprod: BTreeMap<usize, f64>,
    /// Sample, output, noise and previous sample of each step.
    steps: Vec<[[f64; 3]; 4]>,
}

#[derive(Deserialize)]
struct Spacing {
    spacing: TimestepSpacing,
    offset: usize,
    checksums: Vec<usize>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/schedulers.json")).unwrap()
}

fn reverse_steps(case: &Case) -> Vec<ReverseStep> {
    let schedule = case.config.schedule().unwrap();
    let timesteps = case.config.timesteps(case.timesteps.len()).unwrap();
    match case.scheduler.as_str() {
        "ddpm" => ddpm::reverse_steps(&schedule, &case.config, &timesteps).unwrap(),
        _ => ddim::reverse_steps(&schedule, &case.config, &timesteps, case.eta).unwrap(),
    }
}

#[test]
fn schedules_and_timesteps_are_those_of_diffusers() {
    for (number, case) in golden().cases.iter().enumerate() {
        let schedule = case.config.schedule().unwrap();
        for (&timestep, &expected) in &case.alphas_cumprod {
            let found = schedule.alpha_cumprod(timestep).unwrap();
            let allowed = 1e-4 * expected + 1e-7;
            assert!(
                (found - expected).abs() <= allowed,
                "{number} {timestep}: {found} {expected}"
            );
        }
        let timesteps = case.config.timesteps(case.timesteps.len()).unwrap();
        assert_eq!(timesteps, case.timesteps, "{number}");
    }
}

#[test]
fn steps_are_those_of_diffusers() {
    let golden = golden();
    assert!(golden.cases.len() >= 17);
    for (number, case) in golden.cases.iter().enumerate() {
        let steps = reverse_steps(case);
        assert_eq!(steps.len(), case.steps.len());
        for (step, [sample, output, noise, previous]) in steps.iter().zip(&case.steps) {
            let largest = previous.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
            // Rescaled betas are exact here and float32 there.
            let allowed = if case.config.rescale_betas_zero_snr {
                2e-4
            } else {
                1e-6
            };
            for i in 0..3 {
                let found = step.apply_scalar(sample[i], output[i], noise[i]);
                let error = (found - previous[i]).abs() / largest;
                let timestep = step.timestep;
                assert!(error < allowed, "{number} {timestep}: {found} {}", previous[i]);
            }
        }
    }
}

#[test]
fn tensors_step_as_numbers_do() {
    let device = Device::flex();
    for case in &golden().cases {
        for (step, [sample, output, noise, _]) in reverse_steps(case).iter().zip(&case.steps) {
            let tensor = |values: &[f64; 3]| Tensor::<1>::from_floats(values.map(|v| v as f32), &device);
            let drawn = (step.noise > 0.0).then(|| tensor(noise));
            let found: Vec<f32> = step
                .apply(tensor(sample), tensor(output), drawn)
                .try_into_vec_as()
                .unwrap();
            let size = 1.0 + step.original.abs() * (step.prediction.sample.abs() + 1.0);
            for i in 0..3 {
                let expected = step.apply_scalar(sample[i], output[i], noise[i]);
                let error = (f64::from(found[i]) - expected).abs() / (size + sample[i].abs());
                assert!(error < 1e-5, "{} {expected}", found[i]);
            }
        }
    }
}

#[test]
fn every_number_of_steps_is_spaced_as_in_diffusers() {
    for Spacing {
        spacing,
        offset,
        checksums,
    } in golden().spacings
    {
        for (index, expected) in checksums.into_iter().enumerate() {
            let steps = index + 1;
            let timesteps = spacing.timesteps(1000, steps, offset).unwrap();
            let sum: usize = timesteps.iter().enumerate().map(|(i, t)| (i + 1) * t).sum();
            assert_eq!(sum, expected, "{spacing:?} {steps}");
        }
    }
}
