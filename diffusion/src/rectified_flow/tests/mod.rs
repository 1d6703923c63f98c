mod sampling;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const STABLE_DIFFUSION_3: FlowSchedule = FlowSchedule {
    num_train_timesteps: 1000,
    shift: 3.0,
};

/// The expected sums per element for `p` and `x` standard normal with correlation `rho`.
///
/// With `z = (1 - s) x + s e`, both velocities are lines in `z` and `p`:
/// `u_0 = a_0 z` and `u_c = a_c z - k p`.
fn toy(rho: f64, sigma: f64) -> VelocitySums {
    let signal = 1.0 - sigma;
    let slope = |variance: f64| (sigma - signal * variance) / (signal * signal * variance + sigma * sigma);
    let (without, with_prompt) = (slope(1.0), slope(1.0 - rho * rho));
    let k = rho * (1.0 + with_prompt * signal);
    let variance = signal * signal + sigma * sigma;
    let covariance = signal * rho;
    let difference = with_prompt - without;
    VelocitySums {
        cross: without * (difference * variance - k * covariance),
        square: difference * difference * variance - 2.0 * difference * k * covariance + k * k,
    }
}

fn sums(rho: f64, sigmas: &[f64]) -> Vec<VelocitySums> {
    sigmas.iter().map(|&sigma| toy(rho, sigma)).collect()
}

#[test]
fn gaussian_toy_gives_the_derived_values() {
    let uniform: Vec<f64> = (0..20_000)
        .map(|i| 1.0 - (f64::from(i) + 0.5) / 20_000.0)
        .collect();
    let run = STABLE_DIFFUSION_3.sigmas(100).unwrap();
    for (rho, exact, mean) in [(0.9, 0.830366, 0.599235), (0.5, 0.143841, 0.120122)] {
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 6e-7, "{rho}: {found} {expected}");
        };
        close(-0.5 * (1.0_f64 - rho * rho).ln(), exact);
        let integral = RectifiedFlowEstimator::integral(&uniform).unwrap();
        close(integral.estimate(&sums(rho, &uniform)).unwrap(), exact);
        let reference = RectifiedFlowEstimator::reference(&run, 1.0).unwrap();
        close(reference.estimate(&sums(rho, &run)).unwrap(), mean);
        // The steps of a sampler do for the integral as well, once each counts for its share.
        let integral = RectifiedFlowEstimator::integral(&run).unwrap();
        let found = integral.estimate(&sums(rho, &run)).unwrap();
        assert!((found / exact - 1.0).abs() < 2e-3, "{rho}: {found} {exact}");
    }
}

#[test]
fn the_product_averages_to_the_square() {
    for sigma in [0.01, 0.3, 0.7, 0.99] {
        let found = toy(0.8, sigma);
        assert!((found.product(1.0) - found.square).abs() < 1e-12);
    }
}

#[test]
fn the_last_level_of_stable_diffusion_3_is_shifted_twice() {
    let sigmas = STABLE_DIFFUSION_3.sigmas(100).unwrap();
    assert_eq!(sigmas[0], 1.0);
    assert!((sigmas[99] - 0.00893).abs() < 5e-6, "{}", sigmas[99]);
    let kept = sigmas
        .iter()
        .filter(|&&sigma| sigma != 1.0 && sigma > REFERENCE_CUT);
    assert_eq!(kept.count(), 97);
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    reference: Reference,
}

#[derive(Deserialize)]
struct Case {
    num_train_timesteps: usize,
    shift: f64,
    steps: usize,
    /// First, second, middle and last timestep.
    timesteps: [f64; 4],
    sum: f64,
}

/// The lines of the authors' code on random velocities, in PyTorch's `f32`.
#[derive(Deserialize)]
struct Reference {
    sigmas: Vec<f64>,
    guidance: f64,
    unconditional: Vec<Vec<f32>>,
    conditional: Vec<Vec<f32>>,
    guided: f64,
    unguided: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/golden/rectified_flow.json")).unwrap()
}

#[test]
fn levels_are_those_of_diffusers() {
    let cases = golden().cases;
    assert!(cases.len() >= 50);
    for case in cases {
        let schedule = FlowSchedule {
            num_train_timesteps: case.num_train_timesteps,
            shift: case.shift,
        };
        let found = schedule.timesteps(case.steps).unwrap();
        let last = found.len() - 1;
        for (place, expected) in [0, 1.min(last), last / 2, last].into_iter().zip(case.timesteps) {
            // diffusers computes in `f32`; measured 2e-7.
            let error = (found[place] - expected).abs() / expected.abs().max(1.0);
            assert!(error < 1e-6, "{schedule:?} {place}: {} {expected}", found[place]);
        }
        let sum: f64 = found.iter().sum();
        assert!((sum / case.sum - 1.0).abs() < 1e-6, "{schedule:?}: {sum}");
    }
}

#[test]
fn the_authors_lines_give_the_same_number() {
    let Reference {
        sigmas,
        guidance,
        unconditional,
        conditional,
        guided,
        unguided,
    } = golden().reference;
    let sums: Vec<VelocitySums> = unconditional
        .iter()
        .zip(&conditional)
        .map(|(u, c)| VelocitySums::of(u, c))
        .collect();
    for (guidance, expected) in [(guidance, guided), (1.0, unguided)] {
        let estimator = RectifiedFlowEstimator::reference(&sigmas, guidance).unwrap();
        let found = estimator.estimate(&sums).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn what_cannot_be_estimated_is_refused() {
    let refused = |sigmas: &[f64]| RectifiedFlowEstimator::integral(sigmas).unwrap_err();
    assert_eq!(refused(&[]), RectifiedFlowError::NoLevel);
    for (sigmas, step) in [(&[1.1, 0.5], 0), (&[0.5, 0.5], 1), (&[0.5, 0.0], 1)] {
        let sigma = sigmas[step];
        assert_eq!(refused(sigmas), RectifiedFlowError::Level { step, sigma });
    }
    let late = RectifiedFlowEstimator::reference(&[1.0, 0.04], 7.5);
    assert_eq!(late, Err(RectifiedFlowError::NoLevel));
    assert!(RectifiedFlowEstimator::reference(&[0.9], f64::NAN).is_err());
    let estimator = RectifiedFlowEstimator::integral(&[0.5]).unwrap();
    let refused = RectifiedFlowError::Count {
        expected: 1,
        found: 0,
    };
    assert_eq!(estimator.estimate(&[]), Err(refused));
    for steps in [0, 1001] {
        assert!(STABLE_DIFFUSION_3.sigmas(steps).is_err());
    }
}

proptest! {
    #[test]
    fn shares_of_the_integral_fill_the_whole_range(
        shift in 0.3_f64..8.0, steps in 1usize..300, rho in 0.05_f64..0.95,
    ) {
        let schedule = FlowSchedule { shift, ..FlowSchedule::default() };
        let sigmas = schedule.sigmas(steps).unwrap();
        prop_assert!(sigmas.windows(2).all(|pair| pair[1] < pair[0]));
        let estimator = RectifiedFlowEstimator::integral(&sigmas).unwrap();
        prop_assert!((estimator.shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let found = estimator.estimate(&sums(rho, &sigmas)).unwrap();
        prop_assert!(found.is_finite() && found >= 0.0);
    }
}
