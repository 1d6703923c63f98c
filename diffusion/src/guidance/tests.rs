use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor};

use super::*;
use crate::denoiser::{
    AttentionKind, AttentionMap, AttentionPlace, AttentionRequest, Denoiser, DenoiserError, DenoiserInput,
    DenoiserOutput, NoiseLevel,
};
use crate::gaussian::GaussianDenoiser;
use crate::noise::ContentKey;
use crate::prediction::{Parameterization, PredictionType};
use crate::sampler::{CandidateRequest, Sampler, SamplerSettings, SchedulerKind};
use crate::scheduler::SchedulerConfig;

const PROMPT: ContentKey = [5; 32];

fn denoiser(correlation: f64) -> GaussianDenoiser {
    GaussianDenoiser {
        schedule: SchedulerConfig::stable_diffusion().schedule().unwrap(),
        prediction: PredictionType::Epsilon,
        correlation,
    }
}

fn values(tensor: Tensor<4>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// The log-density of a label `y = x_0 + b e'` up to a constant: what a classifier says of the latent.
fn gain_of_label(label: f64, latents: &Tensor<4>) -> Tensor<1> {
    latents.clone().sub_scalar(label).square().sum().mul_scalar(-0.5)
}

#[test]
fn the_gradient_of_a_gain_moves_the_prediction_as_noise() {
    let device = Device::flex();
    let inner = denoiser(0.6);
    let prompt = GaussianDenoiser::conditional(0.5, &device);
    let alpha_cumprod = inner.schedule.alphas_cumprod()[400];
    let level = NoiseLevel::variance_preserving(400.0, alpha_cumprod);
    let latents = Tensor::<1>::from_floats([0.3, -1.0, 2.0, 0.0], &device).reshape([1, 1, 2, 2]);
    let kind = Parameterization::VariancePreserving(PredictionType::Epsilon);
    let plain = values(inner.predict(&latents, level, &prompt).unwrap());
    let on_latents = GradientGuidance::new(&inner, kind, 2.0, |guided: &Guided<'_>| {
        gain_of_label(1.0, guided.latents)
    });
    let found = values(on_latents.predict(&latents, level, &prompt).unwrap());
    let seen = values(latents.clone());
    for i in 0..4 {
        let expected = plain[i] - 2.0 * level.noise as f32 * (1.0 - seen[i]);
        assert!((found[i] - expected).abs() < 1e-5, "{} {expected}", found[i]);
    }
    // Through the denoiser: the predicted original is a line in the latent of this slope.
    let on_original = GradientGuidance::new(&inner, kind, 2.0, |guided: &Guided<'_>| {
        gain_of_label(1.0, guided.original)
    });
    let found = values(on_original.predict(&latents, level, &prompt).unwrap());
    let slope = (1.0 - level.noise * level.noise / (1.0 - alpha_cumprod * 0.36)) / level.signal;
    for i in 0..4 {
        let original = (f64::from(seen[i]) - level.noise * f64::from(plain[i])) / level.signal;
        let expected = f64::from(plain[i]) - 2.0 * level.noise * slope * (1.0 - original);
        assert!(
            (f64::from(found[i]) - expected).abs() < 1e-4,
            "{} {expected}",
            found[i]
        );
    }
}

/// Around classifier-free guidance the images move towards the gain, and what is compared is still the
/// denoiser's two answers.
#[test]
fn a_run_guided_by_a_gradient_ends_nearer_to_what_it_is_guided_to() {
    let device = Device::flex();
    let inner = denoiser(0.6);
    let prompt = GaussianDenoiser::conditional(0.5, &device);
    let settings = SamplerSettings {
        scheduler: SchedulerKind::Ddim,
        steps: 20,
        ..SamplerSettings::default()
    };
    let sampler = Sampler::new(&SchedulerConfig::stable_diffusion(), &settings).unwrap();
    let requests = [CandidateRequest {
        prompt: &PROMPT,
        seed_index: 0,
        conditioning: &prompt,
    }];
    let unconditional = GaussianDenoiser::unconditional(&device).autodiff();
    let kind = Parameterization::VariancePreserving(PredictionType::Epsilon);
    let run = |scale: f64| {
        let free = ClassifierFreeGuidance::new(&inner, unconditional.clone(), 1.0);
        let guided = GradientGuidance::new(&free, kind, scale, |guided: &Guided<'_>| {
            gain_of_label(2.0, guided.original)
        });
        let go_on = &mut |_| ControlFlow::Continue(());
        let made = sampler.generate_guided(&guided, &requests, [4, 4, 4], go_on);
        made.unwrap().remove(0)
    };
    let distance = |latent: &[f32]| latent.iter().map(|value| (value - 2.0).powi(2)).sum::<f32>();
    let (free, pulled) = (run(0.0), run(1.0));
    assert!(distance(&pulled.latent) < 0.8 * distance(&free.latent));
    assert_eq!(free.mi_trace[0], pulled.mi_trace[0]);
    assert!(pulled.mi > 0.0);
}

#[test]
fn a_gain_without_a_gradient_is_refused() {
    let device = Device::flex();
    let inner = denoiser(0.6);
    let prompt = GaussianDenoiser::conditional(0.5, &device);
    let latents = Tensor::<4>::ones([1, 1, 2, 2], &device);
    let kind = Parameterization::VariancePreserving(PredictionType::Epsilon);
    let constant = GradientGuidance::new(&inner, kind, 1.0, |_: &Guided<'_>| {
        Tensor::<1>::ones([1], &device)
    });
    let level = NoiseLevel::variance_preserving(10.0, 0.9);
    let refused = constant.predict(&latents, level, &prompt);
    assert_eq!(refused.err(), Some(DenoiserError::NoGradient));
}

/// A denoiser that does hand out attention.
struct Attending;

impl Denoiser for Attending {
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let batch = input.latents.dims()[0];
        let context = input.conditioning.context.clone().narrow(2, 1, 1);
        let map = AttentionMap {
            layer: "attn2".to_owned(),
            kind: AttentionKind::CrossAttention,
            place: AttentionPlace::Middle,
            size: [1, 1],
            probabilities: context.reshape([batch, 1, 1, 1]),
        };
        Ok(DenoiserOutput {
            attention_maps: input.attention_maps.map(|_| vec![map]),
            ..input.latents.clone().into()
        })
    }
}

#[test]
fn attention_is_that_of_the_prompt_and_a_denoiser_without_it_refuses() {
    let device = Device::flex();
    let prompt = GaussianDenoiser::conditional(0.25, &device);
    let unconditional = GaussianDenoiser::unconditional(&device);
    let latents = Tensor::<4>::ones([1, 1, 2, 2], &device);
    let request = AttentionRequest::of(&[AttentionKind::CrossAttention]);
    let input = DenoiserInput {
        attention_maps: Some(&request),
        ..DenoiserInput::new(&latents, NoiseLevel::variance_preserving(10.0, 0.9), &prompt)
    };
    let guided = ClassifierFreeGuidance::new(&Attending, unconditional.clone(), 3.0);
    let maps = guided.denoise(&input).unwrap().attention_maps.unwrap();
    assert_eq!((maps.len(), maps[0].layer.as_str()), (1, "attn2"));
    assert_eq!(values(maps[0].probabilities.clone()), [0.25]);
    let inner = denoiser(0.6);
    let refused = ClassifierFreeGuidance::new(&inner, unconditional, 3.0).denoise(&input);
    assert_eq!(refused.err(), Some(DenoiserError::NoAttentionMaps));
}

/// A denoiser whose attention of both kinds depends on the latents.
struct Reflecting;

impl Denoiser for Reflecting {
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let map = |kind, factor: f64| AttentionMap {
            layer: "attention".to_owned(),
            kind,
            place: AttentionPlace::Up,
            size: [1, 1],
            probabilities: input.latents.clone().mul_scalar(factor),
        };
        let maps = vec![
            map(AttentionKind::CrossAttention, 1.0),
            map(AttentionKind::SelfAttention, 2.0),
        ];
        Ok(DenoiserOutput {
            attention_maps: input.attention_maps.map(|request| request.choose(maps)),
            ..input.latents.clone().into()
        })
    }
}

#[test]
fn a_gain_and_whoever_asks_see_each_the_maps_they_asked_for() {
    let device = Device::flex();
    let prompt = GaussianDenoiser::conditional(0.25, &device);
    let latents = Tensor::<4>::ones([1, 1, 2, 2], &device);
    let kind = Parameterization::VariancePreserving(PredictionType::Epsilon);
    let guided = GradientGuidance::new(&Reflecting, kind, 1.0, |guided: &Guided<'_>| {
        let maps = guided.output.attention_maps.as_ref().unwrap();
        assert_eq!((maps.len(), maps[0].kind), (1, AttentionKind::SelfAttention));
        maps[0].probabilities.clone().sum()
    });
    let guided = guided.with_attention_maps(AttentionRequest::of(&[AttentionKind::SelfAttention]));
    let level = NoiseLevel::variance_preserving(10.0, 0.9);
    let request = AttentionRequest::of(&[AttentionKind::CrossAttention]);
    let plain = DenoiserInput::new(&latents, level, &prompt);
    let asked = guided.denoise(&DenoiserInput {
        attention_maps: Some(&request),
        ..plain
    });
    let asked = asked.unwrap();
    for value in values(asked.prediction) {
        assert!((value - (1.0 - 2.0 * level.noise as f32)).abs() < 1e-6);
    }
    let maps = asked.attention_maps.unwrap();
    assert_eq!((maps.len(), maps[0].kind), (1, AttentionKind::CrossAttention));
    assert!(!maps[0].probabilities.is_tracked());
    assert!(guided.denoise(&plain).unwrap().attention_maps.is_none());
}
