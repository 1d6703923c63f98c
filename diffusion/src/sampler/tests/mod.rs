mod estimates;
mod images;
mod reference_mi;
mod schedulers;
mod steering;

use std::cell::Cell;
use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::denoiser::{DenoiserError, DenoiserInput, DenoiserOutput};
use crate::gaussian::GaussianDenoiser;
use crate::mutual_information::{EstimatorParts, MiMode, MiWeight};
use crate::noise::START;
use crate::prediction::PredictionType;

const PROMPT: ContentKey = [3; 32];

fn go_on(_: StepProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn denoiser(prediction: PredictionType, correlation: f64) -> GaussianDenoiser {
    let schedule = SchedulerConfig::stable_diffusion().schedule().unwrap();
    GaussianDenoiser {
        schedule,
        prediction,
        correlation,
    }
}

fn sampler(prediction_type: PredictionType, settings: &SamplerSettings) -> Sampler {
    let config = SchedulerConfig {
        prediction_type,
        ..SchedulerConfig::stable_diffusion()
    };
    Sampler::new(&config, settings).unwrap()
}

fn generate(sampler: &Sampler, denoiser: &dyn Denoiser, seed_indices: &[u32]) -> Vec<Candidate> {
    let device = Device::flex();
    let conditional = GaussianDenoiser::conditional(1.5, &device);
    let unconditional = GaussianDenoiser::unconditional(&device);
    let shape = [4, 3, 5];
    sampler
        .generate_candidates(
            denoiser,
            &conditional,
            &unconditional,
            &PROMPT,
            seed_indices,
            shape,
            &mut go_on,
        )
        .unwrap()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_candidate_does_not_depend_on_its_company() {
    let denoiser = denoiser(PredictionType::Epsilon, 0.8);
    let settings = SamplerSettings {
        steps: 12,
        guidance: 3.0,
        ..SamplerSettings::default()
    };
    let sampler = sampler(PredictionType::Epsilon, &settings);
    let together = generate(&sampler, &denoiser, &[0, 1, 2, 7, 1000]);
    let reversed = generate(&sampler, &denoiser, &[1000, 7, 2, 1, 0]);
    for (i, candidate) in together.iter().enumerate() {
        let alone = &generate(&sampler, &denoiser, &[candidate.seed_index])[0];
        for other in [alone, &reversed[4 - i]] {
            assert_eq!(other.seed_index, candidate.seed_index);
            assert!(distance(&other.latent, &candidate.latent) < 1e-5);
            assert!((other.mi / candidate.mi - 1.0).abs() < 1e-5);
            assert!(distance(&other.mi_trace, &candidate.mi_trace) < 1e-3);
        }
    }
    assert!(distance(&together[0].latent, &together[1].latent) > 0.1);
}

/// Repeats a guided run element by element in `f64` from the same noise, both schedulers.
#[test]
fn the_loop_is_the_scalar_recursion() {
    let kind = PredictionType::VPrediction;
    let denoiser = denoiser(kind, 0.7);
    let guidance = 2.5;
    for (scheduler, eta) in [
        (SchedulerKind::Ddpm, 0.0),
        (SchedulerKind::Ddim, 0.0),
        (SchedulerKind::Ddim, 0.6),
    ] {
        let settings = SamplerSettings {
            scheduler,
            eta,
            guidance,
            steps: 25,
            ..SamplerSettings::default()
        };
        let sampler = sampler(kind, &settings);
        let found = &generate(&sampler, &denoiser, &[5])[0];
        let size = found.latent.len();
        let mut latent = vec![0.0_f32; size];
        let mut noise = vec![0.0_f32; size];
        NoiseSource::sampling().normal(42, &PROMPT, 5, START, &mut latent);
        let mut latent: Vec<f64> = latent.into_iter().map(f64::from).collect();
        for (index, step) in sampler.process.steps.iter().enumerate() {
            let left = step.alpha_cumprod;
            let answer = |z: f64, rho: f64| {
                let distance = z - left.sqrt() * rho * 1.5;
                let epsilon = (1.0 - left).sqrt() * distance / (1.0 - left * rho * rho);
                (epsilon - (1.0 - left).sqrt() * z) / left.sqrt()
            };
            NoiseSource::sampling().normal(42, &PROMPT, 5, index as u32, &mut noise);
            let mut square = 0.0;
            for (z, e) in latent.iter_mut().zip(&noise) {
                let (with, without) = (answer(*z, 0.7), answer(*z, 0.0));
                square += left * (with - without).powi(2);
                *z = step.apply_scalar(*z, without + guidance * (with - without), f64::from(*e));
            }
            let term = MiWeight::Kappa
                .at(&denoiser.schedule, step.timestep as usize)
                .unwrap()
                * square;
            let traced = f64::from(found.mi_trace[index]);
            assert!(
                (traced / term - 1.0).abs() < 1e-3,
                "{scheduler:?} {index}: {traced} {term}"
            );
            assert_eq!(found.timesteps[index], step.timestep as i32);
        }
        let latent: Vec<f32> = latent.into_iter().map(|z| z as f32).collect();
        assert!(distance(&latent, &found.latent) < 2e-4, "{scheduler:?} {eta}");
        let mean = found.mi_trace.iter().map(|&t| f64::from(t)).sum::<f64>() / 25.0;
        assert!((mean / found.mi - 1.0).abs() < 1e-6);
    }
}

#[test]
fn noise_velocity_and_original_models_give_equal_candidates_and_scores() {
    let settings = SamplerSettings {
        steps: 20,
        guidance: 4.0,
        estimator: MiMode::Reference.parts(),
        ..SamplerSettings::default()
    };
    let run = |kind| generate(&sampler(kind, &settings), &denoiser(kind, 0.6), &[0, 1]);
    let noise = run(PredictionType::Epsilon);
    for kind in [PredictionType::VPrediction, PredictionType::Sample] {
        for (a, b) in noise.iter().zip(&run(kind)) {
            assert!(distance(&a.latent, &b.latent) < 1e-3, "{kind:?}");
            assert!((a.mi / b.mi - 1.0).abs() < 1e-3, "{kind:?} {} {}", a.mi, b.mi);
        }
    }
    let raw = SamplerSettings {
        estimator: EstimatorParts {
            raw_outputs: true,
            ..settings.estimator
        },
        ..settings.clone()
    };
    let kind = PredictionType::VPrediction;
    let raw = generate(&sampler(kind, &raw), &denoiser(kind, 0.6), &[0, 1]);
    assert!(raw[0].mi > 1.5 * noise[0].mi);
}

/// Along ideal ancestral sampling the score averages to the Gaussian toy's value; the difference
/// is linear in latent and prompt, so prompts of plus and minus one stand for all of them.
#[test]
fn mutual_information_averages_to_the_closed_form() {
    let device = Device::flex();
    let denoiser = denoiser(PredictionType::Epsilon, 0.9);
    let settings = SamplerSettings {
        steps: 250,
        guidance: 1.0,
        estimator: EstimatorParts {
            min_timestep: 0,
            ..MiMode::Reference.parts()
        },
        ..SamplerSettings::default()
    };
    let sampler = sampler(PredictionType::Epsilon, &settings);
    let contexts = [1.0, -1.0].map(|value| GaussianDenoiser::conditional(value, &device));
    let requests: Vec<CandidateRequest<'_>> = (0..40)
        .map(|i| CandidateRequest {
            prompt: &PROMPT,
            seed_index: i,
            conditioning: &contexts[i as usize % 2],
        })
        .collect();
    let unconditional = GaussianDenoiser::unconditional(&device);
    let shape = [4, 8, 8];
    let found = sampler
        .generate(&denoiser, &requests, &unconditional, shape, &mut go_on)
        .unwrap();
    let mean = found.iter().map(|c| c.mi).sum::<f64>() / (40.0 * 256.0);
    let (mut sum, mut count) = (0.0, 0.0);
    for timestep in sampler.timesteps().map(|timestep| timestep as usize) {
        let left = denoiser.schedule.alphas_cumprod()[timestep];
        let square = (1.0 - left) * left * 0.81 / (1.0 - left * 0.81);
        sum += MiWeight::KappaWithoutAlpha
            .at(&denoiser.schedule, timestep)
            .unwrap()
            * square;
        count += 1.0;
    }
    let expected: f64 = sum / count;
    assert!((expected - 0.82).abs() < 0.02);
    assert!((mean / expected - 1.0).abs() < 0.02, "{mean} {expected}");
    let data: Vec<f32> = found.into_iter().step_by(2).flat_map(|c| c.latent).collect();
    let average = data.iter().map(|&x| f64::from(x)).sum::<f64>() / data.len() as f64;
    let spread = data.iter().map(|&x| (f64::from(x) - 0.9).powi(2)).sum::<f64>() / data.len() as f64;
    assert!((average - 0.9).abs() < 0.03, "{average}");
    assert!((spread / 0.19 - 1.0).abs() < 0.06, "{spread}");
}

#[test]
fn guidance_is_outside_the_score() {
    let denoiser = denoiser(PredictionType::Epsilon, 0.7);
    let run = |guidance| {
        let settings = SamplerSettings {
            steps: 5,
            guidance,
            ..SamplerSettings::default()
        };
        generate(&sampler(PredictionType::Epsilon, &settings), &denoiser, &[0]).remove(0)
    };
    let (plain, guided) = (run(1.0), run(7.5));
    assert_eq!(plain.mi_trace[0], guided.mi_trace[0]);
    assert!(plain.mi_trace[4] != guided.mi_trace[4]);
}

struct Counting<'a> {
    calls: Cell<usize>,
    poison: f64,
    inner: &'a GaussianDenoiser,
}

impl Denoiser for Counting<'_> {
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        self.calls.set(self.calls.get() + 1);
        let output = self.inner.denoise(input)?;
        Ok(output.prediction.mul_scalar(self.poison).into())
    }
}

#[test]
fn a_run_stops_when_told_and_reports_values_that_are_not_numbers() {
    let device = Device::flex();
    let inner = denoiser(PredictionType::Epsilon, 0.7);
    let settings = SamplerSettings {
        steps: 9,
        ..SamplerSettings::default()
    };
    let sampler = sampler(PredictionType::Epsilon, &settings);
    let conditional = GaussianDenoiser::conditional(1.0, &device);
    let unconditional = GaussianDenoiser::unconditional(&device);
    let run = |poison: f64, last: usize| {
        let counting = Counting {
            calls: Cell::new(0),
            poison,
            inner: &inner,
        };
        let mut on_step = |progress: StepProgress| {
            assert_eq!((progress.done, progress.total), (counting.calls.get(), 9));
            match progress.done == last {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let (u, c) = (&unconditional, &conditional);
        let shape = [1, 2, 2];
        let result = sampler.generate_candidates(&counting, c, u, &PROMPT, &[4], shape, &mut on_step);
        (result, counting.calls.get())
    };
    assert_eq!(run(1.0, 3), (Err(SamplerError::Cancelled), 3));
    assert_eq!(
        run(f64::NAN, 99).0,
        Err(SamplerError::NotFinite { seed_index: 4 })
    );
    assert!(run(1.0, 99).0.is_ok());
}

#[test]
fn settings_out_of_range_are_named() {
    let config = SchedulerConfig::stable_diffusion();
    let base = SamplerSettings::default;
    for (settings, name) in [
        (
            SamplerSettings {
                guidance: f64::NAN,
                ..base()
            },
            "guidance",
        ),
        (SamplerSettings { eta: -0.1, ..base() }, "eta"),
        (SamplerSettings { eta: 1.5, ..base() }, "eta"),
    ] {
        let error = Sampler::new(&config, &settings).unwrap_err();
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
    let none = SamplerSettings { steps: 0, ..base() };
    assert!(matches!(
        Sampler::new(&config, &none),
        Err(SamplerError::Step(crate::scheduler::StepError::Schedule(_)))
    ));
    let dark = SchedulerConfig {
        rescale_betas_zero_snr: true,
        timestep_spacing: Some(crate::scheduler::TimestepSpacing::Trailing),
        ..config
    };
    assert!(matches!(Sampler::new(&dark, &base()), Err(SamplerError::Step(_))));
}

#[test]
fn contexts_of_different_shape_are_refused() {
    let device = Device::flex();
    let denoiser = denoiser(PredictionType::Epsilon, 0.7);
    let sampler = sampler(PredictionType::Epsilon, &SamplerSettings::default());
    let wide = Tensor::<3>::zeros([1, 2, 2], &device).into();
    let unconditional = GaussianDenoiser::unconditional(&device);
    let shape = [1, 2, 2];
    let refused =
        sampler.generate_candidates(&denoiser, &wide, &unconditional, &PROMPT, &[0], shape, &mut go_on);
    let expected = SamplerError::Context {
        expected: [1, 1, 2],
        found: [1, 2, 2],
    };
    assert_eq!(refused, Err(expected));
}

/// With a stateful generator the batch is one draw, and a run of one candidate is the first rows.
#[test]
fn noise_of_another_source_takes_the_place_of_the_counter() {
    let device = Device::flex();
    let denoiser = denoiser(PredictionType::Epsilon, 0.7);
    let sampler = sampler(
        PredictionType::Epsilon,
        &SamplerSettings {
            steps: 6,
            scheduler: SchedulerKind::Ddim,
            guidance: 1.0,
            ..SamplerSettings::default()
        },
    );
    let context = GaussianDenoiser::conditional(1.0, &device);
    let unconditional = GaussianDenoiser::unconditional(&device);
    let run = |count: u32, seed| {
        let requests: Vec<CandidateRequest<'_>> = (0..count)
            .map(|seed_index| CandidateRequest {
                prompt: &PROMPT,
                seed_index,
                conditioning: &context,
            })
            .collect();
        let mut noise = crate::torch_noise::TorchNoise::new(seed);
        let shape = [4, 2, 2];
        sampler
            .generate_with(
                &denoiser,
                &requests,
                &unconditional,
                shape,
                &mut noise,
                &mut go_on,
            )
            .unwrap()
    };
    let (one, two) = (run(1, 5), run(2, 5));
    assert!(distance(&one[0].latent, &two[0].latent) < 1e-5);
    assert!(distance(&two[0].latent, &two[1].latent) > 0.1);
    assert!(distance(&run(1, 6)[0].latent, &one[0].latent) > 0.1);
}

struct Network(crate::unet::UNet2DConditionModel);

impl Denoiser for Network {
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let latents = input.latents;
        let timesteps = Tensor::full([latents.dims()[0]], input.level.timestep, &latents.device());
        Ok(self
            .0
            .forward(latents.clone(), timesteps, input.conditioning)
            .into())
    }
}

/// The same with a network, whose matrix products may add in another order for another batch.
#[test]
fn a_candidate_of_a_network_does_not_depend_on_its_company() {
    let device = Device::flex();
    let config = r#"{"sample_size": 8, "block_out_channels": [32, 32], "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "cross_attention_dim": 16, "attention_head_dim": 4, "norm_num_groups": 8}"#;
    let config = serde_json::from_str(config).unwrap();
    let network = Network(crate::unet::UNet2DConditionModel::new(&config, &device));
    let settings = SamplerSettings {
        steps: 6,
        guidance: 3.0,
        ..SamplerSettings::default()
    };
    let sampler = sampler(PredictionType::Epsilon, &settings);
    let mut values = vec![0.0; 2 * 5 * 16];
    NoiseSource::forward().normal(0, &PROMPT, 0, 0, &mut values);
    let contexts = Tensor::<3>::from_data(TensorData::new(values, [2, 5, 16]), &device);
    let contexts = Conditioning::from(contexts);
    let (with, without) = (contexts.clone().narrow(0, 1), contexts.narrow(1, 1));
    let run = |indices: &[u32]| {
        let shape = [4, 8, 8];
        sampler
            .generate_candidates(&network, &with, &without, &PROMPT, indices, shape, &mut go_on)
            .unwrap()
    };
    let together = run(&[3, 1, 4]);
    for candidate in &together {
        let alone = &run(&[candidate.seed_index])[0];
        let largest = candidate.latent.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
        let apart = distance(&alone.latent, &candidate.latent) / largest;
        assert!(apart < 1e-5, "{apart}");
        assert!((alone.mi / candidate.mi - 1.0).abs() < 1e-3);
    }
}
