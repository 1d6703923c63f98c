//! What steers moves what the denoiser sees, and the run with it.

use burn::tensor::DType;

use super::*;
use crate::denoiser::NoiseLevel;
use crate::guidance::ClassifierFreeGuidance;
use crate::scheduler::Trajectory;

const SHAPE: [usize; 3] = [4, 2, 2];

/// Moves latents by a number at one evaluation.
struct Push {
    at: usize,
    by: f64,
}

impl LatentSteering for Push {
    fn steer(
        &self,
        step: StepPlace,
        latents: Tensor<4>,
        _level: NoiseLevel,
        conditioning: &Conditioning,
    ) -> Result<Tensor<4>, DenoiserError> {
        assert_eq!(conditioning.batch(), latents.dims()[0]);
        assert!(step.index < step.total);
        match step.index == self.at {
            true => Ok(latents.add_scalar(self.by)),
            false => Ok(latents),
        }
    }
}

fn steered(kind: SchedulerKind, denoiser: &dyn Denoiser, steering: Option<&dyn LatentSteering>) -> Candidate {
    let device = Device::flex();
    let settings = SamplerSettings {
        scheduler: kind,
        steps: 6,
        ..SamplerSettings::default()
    };
    let sampler = sampler(PredictionType::Epsilon, &settings);
    let conditioning = GaussianDenoiser::conditional(1.5, &device);
    let requests = [CandidateRequest {
        prompt: &PROMPT,
        seed_index: 0,
        conditioning: &conditioning,
    }];
    let guided = ClassifierFreeGuidance::new(denoiser, GaussianDenoiser::unconditional(&device), 2.0);
    let made = match steering {
        Some(_) => sampler.generate_guided_steered(&guided, steering, &requests, SHAPE, &mut go_on),
        None => sampler.generate_guided(&guided, &requests, SHAPE, &mut go_on),
    };
    made.unwrap().remove(0)
}

#[test]
fn steering_that_changes_nothing_leaves_every_run_as_it_is() {
    let denoiser = denoiser(PredictionType::Epsilon, 0.7);
    for kind in SchedulerKind::ALL {
        let still = Push { at: 99, by: 1.0 };
        let found = steered(kind, &denoiser, Some(&still));
        assert_eq!(found, steered(kind, &denoiser, None), "{kind:?}");
    }
}

/// Keeps the first number of what it is asked about, of each evaluation.
struct Seeing<'a> {
    inner: &'a GaussianDenoiser,
    seen: std::cell::RefCell<Vec<f32>>,
}

impl Denoiser for Seeing<'_> {
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let numbers: Vec<f32> = input.latents.clone().try_into_vec_as().unwrap();
        self.seen.borrow_mut().push(numbers[0]);
        self.inner.denoise(input)
    }
}

#[test]
fn the_denoiser_sees_latents_as_they_were_moved_and_the_run_goes_on_from_there() {
    let inner = denoiser(PredictionType::Epsilon, 0.7);
    let run = |kind, steering: Option<&dyn LatentSteering>| {
        let seeing = Seeing {
            inner: &inner,
            seen: std::cell::RefCell::default(),
        };
        let made = steered(kind, &seeing, steering);
        (seeing.seen.into_inner(), made.latent)
    };
    for kind in SchedulerKind::ALL {
        let (before, plain) = run(kind, None);
        for at in [0, 3] {
            let (after, pushed) = run(kind, Some(&Push { at, by: 0.5 }));
            assert_eq!(before[..at], after[..at], "{kind:?}");
            assert!((after[at] - before[at] - 0.5).abs() < 1e-5, "{kind:?}");
            assert!((after[at + 1] - before[at + 1]).abs() > 1e-3, "{kind:?}");
            assert!(distance(&plain, &pushed) > 1e-3, "{kind:?}");
        }
    }
}

#[test]
fn a_trajectory_is_replaced_in_the_scale_of_what_the_denoiser_sees() {
    let config = SchedulerConfig::stable_diffusion();
    for kind in SchedulerKind::ALL {
        let steps = kind.reverse_process(&config, 6, 0.0).unwrap().steps;
        for step in &steps {
            let mut trajectory = Trajectory::new(vec![3.0, -1.0], 0);
            let input = trajectory.input(step);
            trajectory.replace_input(step, &input, input.clone());
            assert_eq!(*trajectory.latent(), [3.0, -1.0], "{kind:?}");
            trajectory.replace_input(step, &input, vec![0.25, 0.5]);
            let found = trajectory.input(step);
            assert!(
                (found[0] - 0.25).abs() < 1e-12 && (found[1] - 0.5).abs() < 1e-12,
                "{kind:?}"
            );
        }
    }
}

#[test]
fn a_failure_to_steer_ends_the_run() {
    struct Failing;
    impl LatentSteering for Failing {
        fn steer(
            &self,
            _step: StepPlace,
            latents: Tensor<4>,
            _level: NoiseLevel,
            _conditioning: &Conditioning,
        ) -> Result<Tensor<4>, DenoiserError> {
            assert_eq!(latents.dtype(), DType::F32);
            Err(DenoiserError::NoGradient)
        }
    }
    let device = Device::flex();
    let inner = denoiser(PredictionType::Epsilon, 0.7);
    let sampler = sampler(PredictionType::Epsilon, &SamplerSettings::default());
    let conditioning = GaussianDenoiser::conditional(1.5, &device);
    let requests = [CandidateRequest {
        prompt: &PROMPT,
        seed_index: 0,
        conditioning: &conditioning,
    }];
    let made = sampler.generate_guided_steered(&inner, Some(&Failing), &requests, SHAPE, &mut go_on);
    assert_eq!(made, Err(SamplerError::Denoiser(DenoiserError::NoGradient)));
}
