//! What one run tells by several estimators, and what the parts that change the run do to it.

use super::*;
use crate::mutual_information::{MiReduction, MiTrajectory};
use crate::scheduler::StepVariance;

fn run(settings: &SamplerSettings) -> Vec<Candidate> {
    let kind = PredictionType::VPrediction;
    generate(&sampler(kind, settings), &denoiser(kind, 0.8), &[0, 3])
}

/// Both columns come from the squares of the run, and say what a run with that mode would say.
#[test]
fn one_run_has_the_scores_of_both_modes() {
    let with = |mode: MiMode| {
        run(&SamplerSettings {
            steps: 20,
            guidance: 2.0,
            estimator: mode.parts(),
            ..SamplerSettings::default()
        })
    };
    let (paper, reference) = (with(MiMode::Paper), with(MiMode::Reference));
    for (one, other) in paper.iter().zip(&reference) {
        assert_eq!((one.mi_paper, one.mi_reference), (Some(one.mi), Some(other.mi)));
        assert_eq!(
            (other.mi_paper, other.mi_reference),
            (Some(one.mi), Some(other.mi))
        );
        assert_eq!(one.latent, other.latent);
        assert!((one.mi / other.mi - 1.0).abs() > 0.01);
        for step in 0..20 {
            let square = |c: &Candidate| f64::from(c.mi_trace[step]) / f64::from(c.mi_weights[step]);
            assert!((square(one) / square(other) - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn a_mode_without_a_timestep_has_no_score() {
    let one = &run(&SamplerSettings {
        steps: 1,
        ..SamplerSettings::default()
    })[0];
    assert_eq!(
        (one.timesteps.as_slice(), one.mi_reference),
        ([1].as_slice(), None)
    );
    assert_eq!(one.mi_paper, Some(one.mi));
}

#[test]
fn parts_change_the_number_and_leave_the_run() {
    let settings = |estimator| SamplerSettings {
        steps: 10,
        estimator,
        ..SamplerSettings::default()
    };
    let paper = MiMode::Paper.parts();
    let plain = run(&settings(paper));
    let sum = run(&settings(EstimatorParts {
        reduction: MiReduction::Sum,
        ..paper
    }));
    let bare = run(&settings(EstimatorParts {
        weight: MiWeight::Unweighted,
        max_timestep: Some(1),
        ..paper
    }));
    for ((plain, sum), bare) in plain.iter().zip(&sum).zip(&bare) {
        assert_eq!((&plain.latent, &plain.latent), (&sum.latent, &bare.latent));
        assert!((sum.mi / plain.mi - 10.0).abs() < 1e-9);
        assert!((bare.mi / f64::from(bare.mi_trace[9]) - 1.0).abs() < 1e-6);
        assert_eq!(plain.mi_paper, bare.mi_paper);
    }
}

#[test]
fn a_conditional_trajectory_is_that_of_no_guidance() {
    let along = |trajectory, guidance| {
        run(&SamplerSettings {
            steps: 8,
            guidance,
            trajectory,
            ..SamplerSettings::default()
        })
    };
    let conditional = along(MiTrajectory::Conditional, 7.5);
    assert_eq!(conditional, along(MiTrajectory::Guided, 1.0));
    assert_ne!(conditional, along(MiTrajectory::Guided, 7.5));
}

/// With the variance `beta` the run of algorithm 2 ends without noise in its last step; schedulers
/// without a variance refuse one.
#[test]
fn a_variance_belongs_to_ancestral_steps() {
    let settings = SamplerSettings {
        steps: 8,
        variance: StepVariance::Beta,
        ..SamplerSettings::default()
    };
    let plain = SamplerSettings {
        variance: StepVariance::FixedSmall,
        ..settings.clone()
    };
    assert_ne!(run(&settings), run(&plain));
    let own = SamplerSettings {
        variance: StepVariance::Scheduler,
        ..settings.clone()
    };
    assert_eq!(run(&own), run(&plain));
    let ddim = SamplerSettings {
        scheduler: SchedulerKind::Ddim,
        ..settings
    };
    let refused = Sampler::new(&SchedulerConfig::stable_diffusion(), &ddim).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Scheduler `ddim` has no variance to choose; only `ddpm` has"
    );
}

/// A negative prompt guides, and the score still compares with the empty one: the images are those
/// of the negative prompt, the terms `kappa |e_c - e_empty|^2`.
#[test]
fn a_negative_prompt_guides_and_the_score_compares_with_the_empty_one() {
    let device = Device::flex();
    let kind = PredictionType::Epsilon;
    let denoiser = denoiser(kind, 0.7);
    let settings = SamplerSettings {
        steps: 6,
        guidance: 3.0,
        ..SamplerSettings::default()
    };
    let negative = GaussianDenoiser::conditional(-1.0, &device);
    let empty = GaussianDenoiser::unconditional(&device);
    let run = |sampler: &Sampler| {
        let counting = Counting {
            calls: Cell::new(0),
            poison: 1.0,
            inner: &denoiser,
        };
        let prompt = GaussianDenoiser::conditional(1.5, &device);
        let found = sampler
            .generate_candidates(
                &counting,
                &prompt,
                &negative,
                &PROMPT,
                &[2],
                [1, 2, 3],
                &mut go_on,
            )
            .unwrap();
        (found.into_iter().next().unwrap(), counting.calls.get())
    };
    let replaced = sampler(kind, &settings);
    let (kept, calls) = run(&replaced.clone().comparing_with(empty));
    let (replaced, fewer) = run(&replaced);
    assert_eq!((calls, fewer), (12, 6));
    assert_eq!(kept.latent, replaced.latent);
    // The first step sees the same latent, so its squares follow from the closed form.
    let left = denoiser.schedule.alphas_cumprod()[kept.timesteps[0] as usize];
    let mut noise = vec![0.0; 6];
    NoiseSource::sampling().normal(42, &PROMPT, 2, START, &mut noise);
    let answer = |z: f64, rho: f64, value: f64| {
        (1.0 - left).sqrt() * (z - left.sqrt() * rho * value) / (1.0 - left * rho * rho)
    };
    let square = |other: [f64; 2]| {
        let terms = noise.iter().map(|&z| {
            let z = f64::from(z);
            (answer(z, 0.7, 1.5) - answer(z, other[0], other[1])).powi(2)
        });
        terms.sum::<f64>() * f64::from(kept.mi_weights[0])
    };
    for (candidate, other) in [(&kept, [0.0, 0.0]), (&replaced, [0.7, -1.0])] {
        let (found, expected) = (f64::from(candidate.mi_trace[0]), square(other));
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
    }
}
