//! A rectified flow through the sampler: a denoiser that is no diffusion needs nothing but one method.

use std::ops::ControlFlow;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::*;
use crate::conditioning::Conditioning;
use crate::denoiser::{Denoiser, DenoiserError, DenoiserInput, DenoiserOutput};
use crate::gaussian::GaussianDenoiser;
use crate::noise::ContentKey;
use crate::sampler::{Candidate, CandidateRequest, Sampler, SamplerError};

const PROMPT: ContentKey = [7; 32];
const STEPS: usize = 100;
const SHAPE: [usize; 3] = [4, 32, 32];

/// The exact velocity for a prompt of correlation `rho` with every element; both standard normal.
struct GaussianFlow {
    rho: f64,
}

impl Denoiser for GaussianFlow {
    /// Predicts from context rows of (1 with a prompt, else 0; the prompt's value), as
    /// [`GaussianDenoiser`] does.
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let (signal, noise) = (input.level.signal, input.level.noise);
        let batch = input.latents.dims()[0];
        let context = &input.conditioning.context;
        let column = |i| context.clone().narrow(2, i, 1).reshape([batch, 1, 1, 1]);
        let mean = column(0) * column(1).mul_scalar(self.rho);
        let variance = column(0).mul_scalar(-self.rho * self.rho).add_scalar(1.0);
        let seen = variance
            .clone()
            .mul_scalar(signal * signal)
            .add_scalar(noise * noise);
        let slope = variance.mul_scalar(-signal).add_scalar(noise) / seen;
        let distance = input.latents.clone() - mean.clone().mul_scalar(signal);
        Ok((distance * slope - mean).into())
    }
}

fn sampler(guidance: f64) -> Sampler {
    let schedule = FlowSchedule::default();
    let sigmas = schedule.sigmas(STEPS).unwrap();
    let measure = FlowMeasure::new(&sigmas, guidance).unwrap();
    Sampler::along(
        schedule.reverse_process(STEPS).unwrap(),
        Arc::new(measure),
        guidance,
        42,
    )
}

fn requests(conditioning: &Conditioning) -> Vec<CandidateRequest<'_>> {
    let request = |seed_index| CandidateRequest {
        prompt: &PROMPT,
        seed_index,
        conditioning,
    };
    (0..8).map(request).collect()
}

fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (
        mean,
        values.map(|value| (value - mean).powi(2)).sum::<f64>() / count,
    )
}

/// A prompt of value 1 has the mean square of all prompts, so that its images have the mutual
/// information of the whole, `-ln(1 - rho^2) / 2` for each element.
#[test]
fn a_flow_denoiser_runs_through_sampler_and_mutual_information() {
    let device = Device::flex();
    let rho = 0.9;
    let denoiser = GaussianFlow { rho };
    let prompt = GaussianDenoiser::conditional(1.0, &device);
    let unconditional = GaussianDenoiser::unconditional(&device);
    let made: Vec<Candidate> = sampler(1.0)
        .generate(&denoiser, &requests(&prompt), &unconditional, SHAPE, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
    let elements = made[0].latent.len() as f64;
    let (found, _) = moments(made.iter().map(|candidate| candidate.mi / elements));
    let exact = -0.5 * (1.0_f64 - rho * rho).ln();
    // Steps of this size are 0.6% off, the draws less.
    assert!((found / exact - 1.0).abs() < 0.02, "{found} {exact}");
    let latents = made.iter().flat_map(|candidate| &candidate.latent);
    let (mean, variance) = moments(latents.map(|&value| f64::from(value)));
    assert!((mean - rho).abs() < 0.01, "{mean}");
    assert!((variance / (1.0 - rho * rho) - 1.0).abs() < 0.06, "{variance}");
    for candidate in &made {
        assert_eq!(candidate.mi_paper, Some(candidate.mi));
        assert!(candidate.mi_reference.is_some());
        assert_eq!((candidate.timesteps[0], candidate.timesteps.len()), (1000, STEPS));
    }
}

/// What a sampler kept on the device is what the estimator gets from the velocities themselves.
#[test]
fn the_sums_of_a_run_are_those_of_its_velocities() {
    let device = Device::flex();
    let denoiser = GaussianFlow { rho: 0.6 };
    let prompt = GaussianDenoiser::conditional(0.5, &device);
    let unconditional = GaussianDenoiser::unconditional(&device);
    let sampler = sampler(2.0);
    let go_on = &mut |_| ControlFlow::Continue(());
    let made = sampler
        .generate_candidates(
            &denoiser,
            &prompt,
            &unconditional,
            &PROMPT,
            &[3],
            [1, 2, 2],
            go_on,
        )
        .unwrap();
    let sigmas = FlowSchedule::default().sigmas(STEPS).unwrap();
    let mut latents = vec![0.0; 4];
    crate::noise::NoiseSource::sampling().normal(42, &PROMPT, 3, crate::noise::START, &mut latents);
    let mut latents = Tensor::<1>::from_floats(latents.as_slice(), &device).reshape([1, 1, 2, 2]);
    let mut sums = Vec::new();
    for (step, &sigma) in sigmas.iter().enumerate() {
        let level = crate::denoiser::NoiseLevel::flow(1000.0 * sigma, sigma);
        let ask = |conditioning| denoiser.predict(&latents, level, conditioning).unwrap();
        let (with, without) = (ask(&prompt), ask(&unconditional));
        let read = |values: &Tensor<4>| values.clone().try_into_vec_as::<f32>().unwrap();
        sums.push(VelocitySums::of(&read(&without), &read(&with)));
        let guided = without.clone() + (with - without).mul_scalar(2.0);
        let next = sigmas.get(step + 1).copied().unwrap_or(0.0);
        latents = latents + guided.mul_scalar(next - sigma);
    }
    let near = |found: f64, expected: f64| (found - expected).abs() < 1e-4 * expected.abs().max(1.0);
    let integral = RectifiedFlowEstimator::integral(&sigmas).unwrap();
    assert!(near(made[0].mi, integral.estimate(&sums).unwrap()));
    let reference = RectifiedFlowEstimator::reference(&sigmas, 2.0).unwrap();
    assert!(near(
        made[0].mi_reference.unwrap(),
        reference.estimate(&sums).unwrap()
    ));
}

#[test]
fn a_denoiser_that_compares_nothing_has_no_score() {
    let device = Device::flex();
    let prompt = GaussianDenoiser::conditional(1.0, &device);
    let requests = requests(&prompt);
    let bare = GaussianFlow { rho: 0.5 };
    let go_on = &mut |_| ControlFlow::Continue(());
    let refused = sampler(1.0).generate_guided(&bare, &requests, [1, 2, 2], go_on);
    assert_eq!(refused, Err(SamplerError::Denoiser(DenoiserError::NoBranches)));
    let unscored = sampler(1.0).without_scores();
    let made = unscored
        .generate_guided(&bare, &requests, [1, 2, 2], go_on)
        .unwrap();
    assert!(
        made.iter()
            .all(|candidate| candidate.mi == 0.0 && candidate.mi_trace.is_empty())
    );
}
