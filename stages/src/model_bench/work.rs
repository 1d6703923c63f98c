//! The pieces of work.

use std::ops::ControlFlow;

use burn::tensor::{DType, FloatDType, Tensor};
use mitune_diffusion::adapter::{AdapterConfig, AdapterMethod, attach, detach};
use mitune_diffusion::noise::text_key;
use mitune_diffusion::prediction::PredictionType;
use mitune_diffusion::sampler::{CandidateRequest, Sampler, SamplerSettings};
use mitune_diffusion::training::{
    AdamW, DenoisingBatch, LearningRate, Trainer, TrainerSettings, train_adapters,
};

use super::measure::{Meter, TimedWork, available_bytes, resident_bytes};
use super::parts::{Parts, Place};
use crate::contract::StageError;

/// The denoiser with batches of 2 and doubling from there, as long as memory lasts.
pub(super) fn forward(
    parts: &Parts,
    shape: [usize; 3],
    largest: usize,
    meter: &mut Meter<'_>,
) -> Result<(), StageError> {
    let mut batch = 2;
    let weights = resident_bytes();
    while batch <= largest.max(2) {
        let [channels, height, width] = shape;
        let conditioning = parts.conditioning(batch, parts.place());
        let latents: Tensor<4> = parts.place().normal([batch, channels, height, width]);
        let timesteps = Tensor::full([batch], 500.0, (&parts.device, DType::F32));
        let operations = parts
            .network
            .forward_operations(batch, [height, width], parts.tokens);
        let work = TimedWork {
            name: "unet forward",
            batch,
            operations: Some(operations),
            warm_up: None,
            run: Box::new(|| {
                let output = parts
                    .network
                    .forward(latents.clone(), timesteps.clone(), &conditioning);
                read(output)
            }),
        };
        meter.measure(work)?;
        if let (Some(weights), Some(peak), Some(available)) = (weights, meter.last_peak(), available_bytes())
            && 2 * peak.saturating_sub(weights) > available
        {
            return Ok(());
        }
        batch *= 2;
    }
    Ok(())
}

/// The decoder on one latent.
pub(super) fn decode(parts: &Parts, shape: [usize; 3], meter: &mut Meter<'_>) -> Result<(), StageError> {
    let [channels, height, width] = shape;
    let latent: Tensor<4> = parts.place().normal([1, channels, height, width]);
    meter.measure(TimedWork {
        name: "vae decode",
        batch: 1,
        operations: Some(parts.vae_config.decode_operations(1, [height, width])),
        warm_up: None,
        run: Box::new(|| read(parts.vae.decode(latent.clone()))),
    })
}

/// Steps of the run that warms up candidates; every kernel runs in each of them.
const WARM_UP_STEPS: usize = 2;

/// One prompt's candidates, with and without mutual information as far as wanted, in turn.
pub(super) fn candidates(
    parts: &Parts,
    shape: [usize; 3],
    [count, steps]: [usize; 2],
    [with, without]: [bool; 2],
    meter: &mut Meter<'_>,
) -> Result<(), StageError> {
    let sampler = |steps| {
        let settings = SamplerSettings {
            steps,
            ..SamplerSettings::default()
        };
        Sampler::new(&parts.scheduler, &settings).map_err(StageError::configuration)
    };
    let (long, short) = (sampler(steps)?, sampler(steps.min(WARM_UP_STEPS))?);
    let [_, height, width] = shape;
    let (conditional, unconditional) = (
        parts.conditioning(1, parts.place()),
        parts.conditioning(1, parts.place()),
    );
    let key = text_key("");
    let requests: Vec<CandidateRequest<'_>> = (0..count as u32)
        .map(|seed_index| CandidateRequest {
            prompt: &key,
            seed_index,
            conditioning: &conditional,
        })
        .collect();
    let once = parts
        .network
        .forward_operations(2 * count, [height, width], parts.tokens);
    let generate = |sampler: &Sampler| {
        let go_on = &mut |_| ControlFlow::Continue(());
        let made = sampler.generate(&parts.network, &requests, &unconditional, shape, go_on);
        made.map(drop).map_err(StageError::failed)
    };
    let work = |name, long: Sampler, short: Sampler| TimedWork {
        name,
        batch: count,
        operations: Some(once * long.evaluations() as u64),
        warm_up: Some(Box::new(move || generate(&short))),
        run: Box::new(move || generate(&long)),
    };
    let mut works = Vec::new();
    if with {
        works.push(work(
            "candidates with mutual information",
            long.clone(),
            short.clone(),
        ));
    }
    if without {
        let (long, short) = (long.without_scores(), short.without_scores());
        works.push(work("candidates without", long, short));
    }
    meter.measure_in_turn(works)
}

/// An update of a LoRA and of a DoRA adapter of the paper's shape.
pub(super) fn training(
    parts: Parts,
    shape: [usize; 3],
    batch: usize,
    meter: &mut Meter<'_>,
) -> Result<(), StageError> {
    let schedule = parts.scheduler.schedule().map_err(StageError::configuration)?;
    let [channels, height, width] = shape;
    let tracked = parts.device.clone().autodiff();
    let place = Place {
        device: &tracked,
        dtype: FloatDType::F32,
    };
    let latents = place.normal([batch, channels, height, width]);
    let noise = place.normal([batch, channels, height, width]);
    let conditioning = parts.conditioning(batch, place);
    let examples = DenoisingBatch::new(
        latents,
        noise,
        &vec![750; batch],
        &schedule,
        PredictionType::Epsilon,
    )
    .map_err(StageError::failed)?;
    let mut network = parts.into_network();
    for (name, method) in [
        ("training step, LoRA", AdapterMethod::Lora),
        ("training step, DoRA", AdapterMethod::Dora),
    ] {
        let config = AdapterConfig {
            method,
            ..AdapterConfig::default()
        };
        let mut adapted = network.clone();
        detach(&mut adapted);
        attach(&mut adapted, &config).map_err(StageError::failed)?;
        let adapted = train_adapters(adapted);
        let mut trainer = Trainer::new(adapted, settings()).map_err(StageError::failed)?;
        meter.measure(TimedWork {
            name,
            batch,
            operations: None,
            warm_up: None,
            run: Box::new(|| {
                trainer
                    .update([&examples], |network, examples| {
                        let (noisy, timesteps) = (examples.noisy.clone(), examples.timesteps.clone());
                        examples.loss(network.forward(noisy, timesteps, &conditioning))
                    })
                    .map(drop)
                    .map_err(StageError::failed)
            }),
        })?;
        drop(trainer);
        detach(&mut network);
    }
    Ok(())
}

/// The paper's (table 8).
pub(super) fn settings() -> TrainerSettings {
    TrainerSettings {
        optimizer: AdamW::default(),
        learning_rate: LearningRate::constant(1e-4),
        clip_norm: Some(1.0),
        average: None,
    }
}

/// Waits for the device.
pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> Result<(), StageError> {
    tensor.try_into_data().map(drop).map_err(StageError::failed)
}
