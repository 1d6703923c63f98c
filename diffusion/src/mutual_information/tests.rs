use super::*;
use crate::prediction::PredictionType;
use crate::schedule::NoiseSchedule;
use crate::scheduler::{SchedulerConfig, StepVariance};

fn levels(schedule: &NoiseSchedule, timesteps: &[usize]) -> Vec<Level> {
    let level = |&t: &usize| Level {
        timestep: t as f64,
        alpha_cumprod: schedule.alphas_cumprod()[t],
        counts: true,
    };
    timesteps.iter().map(level).collect()
}

fn schedule() -> NoiseSchedule {
    SchedulerConfig::stable_diffusion().schedule().unwrap()
}

/// The expected squared difference for a prompt of correlation `rho` with one element.
fn expected_square(alpha_cumprod: f64, rho: f64) -> f64 {
    let explained = alpha_cumprod * rho * rho;
    (1.0 - alpha_cumprod) * explained / (1.0 - explained)
}

fn toy(mode: MiMode, timesteps: &[usize], min: Option<usize>, rho: f64, copies: f64) -> f64 {
    let parts = mode.parts();
    let min_timestep = min.unwrap_or(parts.min_timestep);
    let parts = EstimatorParts {
        min_timestep,
        ..parts
    };
    toy_of(&parts, timesteps, rho, copies)
}

fn toy_of(parts: &EstimatorParts, timesteps: &[usize], rho: f64, copies: f64) -> f64 {
    let schedule = schedule();
    let levels = levels(&schedule, timesteps);
    let estimator = Estimator::new(&schedule, PredictionType::Epsilon, parts, &levels).unwrap();
    let squares: Vec<f64> = timesteps
        .iter()
        .map(|&t| copies * expected_square(schedule.alphas_cumprod()[t], rho))
        .collect();
    estimator.estimate(&estimator.terms(&squares))
}

#[test]
fn gaussian_toy_gives_the_derived_values() {
    let all: Vec<usize> = (0..1000).rev().collect();
    let run = SchedulerConfig::stable_diffusion().timesteps(100).unwrap();
    for (rho, exact, code_all, paper_all, code_run, paper_run) in [
        (0.5, 0.143841, 0.142714, 0.143231, 0.142593, 0.143129),
        (0.9, 0.830366, 0.824959, 0.827365, 0.778564, 0.781010),
        (0.99, 1.958518, 1.939864, 1.944035, 1.445407, 1.449233),
    ] {
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 6e-7, "{rho}: {found} {expected}");
        };
        close(-0.5 * (1.0_f64 - rho * rho).ln(), exact);
        close(toy(MiMode::Reference, &all, Some(0), rho, 1.0), code_all);
        close(toy(MiMode::Paper, &all, None, rho, 1.0), paper_all);
        close(toy(MiMode::Reference, &run, None, rho, 1.0), code_run);
        close(toy(MiMode::Paper, &run, Some(51), rho, 1.0), paper_run);
        for copies in [2.0, 16384.0] {
            let sum = toy(MiMode::Reference, &run, None, rho, copies);
            let single = toy(MiMode::Reference, &run, None, rho, 1.0);
            assert!((sum / (copies * single) - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn weights_of_the_reference_code() {
    let schedule = schedule();
    for (timestep, expected) in [
        (51, 11.178663),
        (250, 3.721193),
        (500, 3.326773),
        (501, 3.328360),
        (750, 4.244185),
        (991, 5.960263),
        (0, 500.0),
    ] {
        let found = MiWeight::KappaWithoutAlpha.at(&schedule, timestep).unwrap();
        assert!((found - expected).abs() < 6e-7, "{timestep}: {found}");
    }
    for (timestep, expected) in [(51, 11.191042), (991, 6.031797)] {
        let found = MiWeight::Kappa.at(&schedule, timestep).unwrap();
        assert!((found - expected).abs() < 6e-7, "{timestep}: {found}");
    }
}

#[test]
fn velocity_and_noise_models_score_alike_and_raw_velocity_does_not() {
    let schedule = schedule();
    let timesteps = [991, 501, 51];
    let levels = levels(&schedule, &timesteps);
    let build = |kind, raw_outputs| {
        let parts = EstimatorParts {
            raw_outputs,
            ..MiMode::Reference.parts()
        };
        Estimator::new(&schedule, kind, &parts, &levels).unwrap()
    };
    let squares = [3.0, 5.0, 7.0];
    let of_velocity: Vec<f64> = timesteps
        .iter()
        .zip(squares)
        .map(|(&t, s)| s / schedule.alphas_cumprod()[t])
        .collect();
    let noise = build(PredictionType::Epsilon, false).terms(&squares);
    let velocity = build(PredictionType::VPrediction, false).terms(&of_velocity);
    let raw = build(PredictionType::VPrediction, true).terms(&of_velocity);
    for i in 0..3 {
        assert!((noise[i] / velocity[i] - 1.0).abs() < 1e-12);
    }
    assert!((raw[0] / noise[0] - 194.93).abs() < 0.01, "{}", raw[0] / noise[0]);
    assert!((raw[1] / noise[1] - 3.6364).abs() < 0.001);
}

#[test]
fn a_run_without_counted_timesteps_or_finite_weights_is_refused() {
    let schedule = schedule();
    let build = |schedule: &NoiseSchedule, kind, mode: MiMode, timesteps: &[usize]| {
        Estimator::new(schedule, kind, &mode.parts(), &levels(schedule, timesteps))
    };
    let (noise, velocity) = (PredictionType::Epsilon, PredictionType::VPrediction);
    let refused = build(&schedule, velocity, MiMode::Reference, &[50, 1]).unwrap_err();
    assert_eq!(
        refused,
        MutualInformationError::NoTimestep {
            min_timestep: 51,
            max_timestep: None,
        }
    );
    assert!(build(&schedule, velocity, MiMode::Paper, &[50, 1]).is_ok());
    let dark = schedule.with_zero_terminal_signal().unwrap();
    let refused = build(&dark, noise, MiMode::Paper, &[999, 1]).unwrap_err();
    assert_eq!(refused, MutualInformationError::Weight { timestep: 999.0 });
    assert!(build(&dark, noise, MiMode::Reference, &[999, 1]).is_ok());
}

/// A velocity says something about the noise where no signal is left, in the limit.
#[test]
fn the_weight_of_a_velocity_goes_on_to_the_end_of_the_signal() {
    let dark = schedule().with_zero_terminal_signal().unwrap();
    let timesteps = [999, 998];
    let found = Estimator::new(
        &dark,
        PredictionType::VPrediction,
        &MiMode::Paper.parts(),
        &levels(&dark, &timesteps),
    )
    .unwrap()
    .terms(&[1.0, 1.0]);
    for (found, t) in found.iter().zip(timesteps) {
        // kappa times alpha_cumprod, whose quotient by alpha is the product up to the timestep before.
        let (beta, now, before) = (
            dark.betas()[t],
            dark.alphas_cumprod()[t],
            dark.alphas_cumprod()[t - 1],
        );
        let expected = beta * 1000.0 / (2.0 * (1.0 - now)) * before;
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
    }
}

#[test]
fn an_evaluation_that_is_taken_back_does_not_count() {
    let schedule = schedule();
    let mut levels = levels(&schedule, &[981, 961, 961, 941]);
    levels[1].counts = false;
    let kind = PredictionType::Epsilon;
    let estimator = Estimator::new(&schedule, kind, &MiMode::Paper.parts(), &levels).unwrap();
    assert_eq!(estimator.estimate(&[1.0, 50.0, 2.0, 6.0]), 3.0);
}

#[test]
fn between_timesteps_the_weight_is_between_too() {
    let schedule = schedule();
    let whole = levels(&schedule, &[501, 500]);
    let between = Level {
        timestep: 500.5,
        alpha_cumprod: 0.2757,
        counts: true,
    };
    let kind = PredictionType::Epsilon;
    let build =
        |levels: &[Level]| Estimator::new(&schedule, kind, &MiMode::Reference.parts(), levels).unwrap();
    let ends = build(&whole).terms(&[1.0, 1.0]);
    let middle = build(&[between]).terms(&[1.0])[0];
    assert!(ends[1] < middle && middle < ends[0], "{middle} {ends:?}");
}

/// What the parts are when nothing else is said, as the documentation of [`MiMode`] has it.
#[test]
fn named_sets_are_those_of_the_table() {
    let set = |mode: MiMode| {
        let parts = mode.parts();
        assert_eq!((parts.max_timestep, parts.raw_outputs), (None, false));
        let along = (mode.trajectory(), mode.variance());
        (parts.weight, parts.min_timestep, along, parts.reduction)
    };
    let guided = (MiTrajectory::Guided, StepVariance::Scheduler);
    let to_the_letter = (MiTrajectory::Conditional, StepVariance::Beta);
    let (kappa, without) = (MiWeight::Kappa, MiWeight::KappaWithoutAlpha);
    assert_eq!(set(MiMode::Paper), (kappa, 0, guided, MiReduction::Mean));
    assert_eq!(
        set(MiMode::Algorithm2),
        (kappa, 0, to_the_letter, MiReduction::Sum)
    );
    assert_eq!(set(MiMode::Reference), (without, 51, guided, MiReduction::Mean));
    assert_eq!(EstimatorParts::default(), MiMode::Paper.parts());
}

/// Sums are as many times the mean; a covered range is its part of the whole, so that the ranges
/// of a cut add up to it.
#[test]
fn reductions_of_the_toy() {
    let run = SchedulerConfig::stable_diffusion().timesteps(50).unwrap();
    let of = |min_timestep, max_timestep, reduction| {
        let parts = EstimatorParts {
            min_timestep,
            max_timestep,
            reduction,
            ..MiMode::Paper.parts()
        };
        toy_of(&parts, &run, 0.9, 1.0)
    };
    let whole = of(0, None, MiReduction::Mean);
    // 50 timesteps 1, 21, ..., 981 estimate the exact 0.830366 with this error.
    assert!((whole - 0.842467).abs() < 6e-7, "{whole}");
    assert!((of(0, None, MiReduction::Sum) / whole - 50.0).abs() < 1e-12);
    assert!((of(0, None, MiReduction::Covered) - whole).abs() < 1e-12);
    let [low, high] = [(0, Some(500)), (501, None)].map(|(min, max)| of(min, max, MiReduction::Covered));
    assert!(low > 0.0 && high > 0.0 && (low + high - whole).abs() < 1e-12);
    assert!(of(501, None, MiReduction::Mean) > 1.9 * high);
}

/// In the last step of a run the paper's weight is most of all there is.
#[test]
fn the_last_step_holds_most_of_the_weight() {
    let config = SchedulerConfig::stable_diffusion();
    let schedule = config.schedule().unwrap();
    for (steps, share) in [(12, 0.8404389), (20, 0.7429280), (50, 0.5076249)] {
        let levels = levels(&schedule, &config.timesteps(steps).unwrap());
        let kind = PredictionType::Epsilon;
        let of = |parts: EstimatorParts| {
            let estimator = Estimator::new(&schedule, kind, &parts, &levels).unwrap();
            let whole: f64 = estimator.weights().iter().sum();
            estimator.weights()[steps - 1] / whole
        };
        assert!((of(MiMode::Paper.parts()) - share).abs() < 1e-6, "{steps}");
        let unweighted = EstimatorParts {
            weight: MiWeight::Unweighted,
            ..MiMode::Paper.parts()
        };
        assert!((of(unweighted) - 1.0 / steps as f64).abs() < 1e-12);
    }
}

#[test]
fn fractional_timesteps_count_as_they_round() {
    let schedule = schedule();
    let at = |timestep| Level {
        timestep,
        alpha_cumprod: 0.95,
        counts: true,
    };
    let parts = MiMode::Reference.parts();
    let kind = PredictionType::Epsilon;
    let build = |timestep| Estimator::new(&schedule, kind, &parts, &[at(timestep)]);
    assert!(build(50.5).is_ok() && build(50.4).is_err());
    let parts = EstimatorParts {
        min_timestep: 3,
        max_timestep: Some(9),
        ..parts
    };
    let refused = Estimator::new(&schedule, kind, &parts, &[at(20.0)]).unwrap_err();
    assert_eq!(refused.to_string(), "No timestep of the run is from `3` to `9`");
}
