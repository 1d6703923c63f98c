//! Comparison with diffusers, step by step; `tools/goldens/export_schedulers.py` made the numbers.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;

use super::*;
use crate::prediction::PredictionType;

const ELEMENTS: usize = 4;

/// Measured: 2e-10 at most, of which the eleven digits of the golden numbers are a part.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    #[serde(default)]
    spacings: Vec<Spacing>,
}

#[derive(Deserialize)]
struct Case {
    kind: SchedulerKind,
    config: SchedulerConfig,
    steps: usize,
    eta: f64,
    seed: u64,
    /// Why diffusers does not run it, or that what it gives is not finite.
    refused: Option<String>,
    #[serde(default)]
    start: f64,
    #[serde(default)]
    evaluations: usize,
    /// Which evaluations are written.
    #[serde(default)]
    places: Vec<usize>,
    #[serde(default)]
    timesteps: Vec<f64>,
    /// The first element that the network sees.
    #[serde(default)]
    inputs: Vec<f64>,
    /// The latent after the step.
    #[serde(default)]
    latents: Vec<[f64; ELEMENTS]>,
}

#[derive(Deserialize)]
struct Spacing {
    kind: SchedulerKind,
    spacing: TimestepSpacing,
    offset: usize,
    checksums: Vec<usize>,
}

fn table() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/schedulers.json")).unwrap()
}

fn random() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/schedulers_random.json")).unwrap()
}

/// The same numbers as `value` of the exporter: SplitMix64, top bits, in [-2, 2).
fn values(seed: u64, stream: u64) -> Vec<f64> {
    let value = |index: u64| {
        let z = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(stream.wrapping_mul(0xd1b5_4a32_d192_ed03))
            .wrapping_add(index.wrapping_mul(0x8cb9_2ba7_2f3d_8dd7));
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64 * 4.0 - 2.0
    };
    (0..ELEMENTS as u64).map(value).collect()
}

/// Runs a case on anything that latents can be, telling about each evaluation.
fn walk<T: Latents>(
    process: &ReverseProcess,
    seed: u64,
    of: impl Fn(Vec<f64>) -> T,
    mut tell: impl FnMut(usize, &ReverseStep, T, &T),
) {
    let start = of(values(seed, 0)).scaled(process.start);
    let mut trajectory = Trajectory::new(start, process.memory);
    for (index, step) in process.steps.iter().enumerate() {
        let input = trajectory.input(step);
        let draw = |stream: usize| of(values(seed, 2 * index as u64 + stream as u64));
        trajectory.advance(step, draw(1), step.draws.then(|| draw(2)));
        tell(index, step, input, trajectory.latent());
    }
}

/// Returns the largest error of a case, relative to its largest number; `None` where both refuse.
fn compare(case: &Case) -> Option<f64> {
    let name = format!("{:?} seed {} {:?}", case.kind, case.seed, case.config);
    let process = case.kind.reverse_process(&case.config, case.steps, case.eta);
    if case.refused.is_some() {
        assert!(process.is_err(), "{name}: {:?}", case.refused);
        return None;
    }
    // diffusers divides by zero here and clamps the infinities; a guess is not a prediction.
    let blind = case.config.rescale_betas_zero_snr && case.config.prediction_type == PredictionType::Epsilon;
    if blind && matches!(process, Err(StepError::Singular { .. })) {
        return None;
    }
    let process = process.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    assert_eq!(process.steps.len(), case.evaluations, "{name}");
    let mut worst: f64 = (process.start / case.start - 1.0).abs();
    let mut largest = case.start;
    walk(
        &process,
        case.seed,
        |values| values,
        |index, step, input, latent| {
            largest = latent.iter().fold(largest, |a, b| a.max(b.abs()));
            let Some(place) = case.places.iter().position(|&place| place == index) else {
                return;
            };
            let found = std::iter::once((input[0], case.inputs[place]))
                .chain(std::iter::once((step.timestep, case.timesteps[place])))
                .chain(latent.iter().copied().zip(case.latents[place]));
            for (found, expected) in found {
                worst = worst.max((found - expected).abs() / expected.abs().max(largest));
            }
        },
    );
    Some(worst)
}

#[test]
fn every_step_of_the_table_is_that_of_diffusers() {
    let compared = compare_all(&table().cases);
    assert!(compared.values().all(|&(count, _)| count >= 6), "{compared:?}");
}

/// Seeds are those of the exporter; 60 configurations of each scheduler, some of them refused by
/// both sides.
#[test]
fn random_configurations_run_as_in_diffusers() {
    let compared = compare_all(&random().cases);
    assert!(compared.values().all(|&(count, _)| count >= 50), "{compared:?}");
}

/// Counts runs that were compared and finds the largest error of each scheduler.
fn compare_all(cases: &[Case]) -> BTreeMap<&'static str, (usize, f64)> {
    let mut compared = BTreeMap::<_, (usize, f64)>::new();
    for case in cases {
        if let Some(error) = compare(case) {
            let (count, worst) = compared.entry(case.kind.name()).or_default();
            (*count, *worst) = (*count + 1, worst.max(error));
            assert!(
                error < TOLERANCE,
                "{:?} seed {} {:?}: {error:e}",
                case.kind,
                case.seed,
                case.config
            );
        }
    }
    println!("schedulers: runs and largest relative error {compared:?}");
    assert_eq!(compared.len(), 6);
    compared
}

/// Tensors hold `f32`; their trajectory stays with that of `f64` within what the factors amplify.
#[test]
fn tensors_step_as_numbers_do() {
    let device = Device::flex();
    let mut worst: f64 = 0.0;
    for case in table()
        .cases
        .iter()
        .filter(|case| case.refused.is_none() && case.steps <= 50)
    {
        let process = case
            .kind
            .reverse_process(&case.config, case.steps, case.eta)
            .unwrap();
        let mut expected = Vec::new();
        walk(
            &process,
            case.seed,
            |values| values,
            |_, _, _, latent| expected.push(latent.clone()),
        );
        let tensor = |values: Vec<f64>| {
            let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            Tensor::<4>::from_data(TensorData::new(values, [1, 1, 2, 2]), &device)
        };
        let mut largest: f64 = 1.0;
        walk(&process, case.seed, tensor, |index, _, _, latent| {
            let found: Vec<f32> = latent.clone().try_into_vec_as().unwrap();
            for (found, expected) in found.into_iter().zip(&expected[index]) {
                largest = largest.max(expected.abs());
                worst = worst.max((f64::from(found) - expected).abs() / largest);
            }
        });
    }
    // Measured 2e-6, at the end of schedules without signal.
    assert!(worst < 1e-5, "{worst:e}");
}

#[test]
fn every_number_of_steps_is_spaced_as_in_diffusers() {
    for rule in table().spacings {
        let config = SchedulerConfig {
            timestep_spacing: Some(rule.spacing),
            steps_offset: rule.offset,
            ..SchedulerConfig::stable_diffusion()
        };
        for (index, expected) in rule.checksums.into_iter().enumerate() {
            let timesteps = match rule.kind {
                SchedulerKind::Ddpm => config.timesteps(index + 1).unwrap(),
                _ => dpm_solver::timesteps(&config, index + 1).unwrap(),
            };
            let sum: usize = timesteps.iter().enumerate().map(|(i, t)| (i + 1) * t).sum();
            assert_eq!(sum, expected, "{:?} {:?} {}", rule.kind, rule.spacing, index + 1);
        }
    }
}
