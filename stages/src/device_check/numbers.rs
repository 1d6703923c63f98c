//! The numbers that a device computes for each part of a model.

use std::ops::ControlFlow;

use burn::tensor::{DType, Device, Tensor, TensorData};
use mitune_diffusion::adapter::{AdapterConfig, attach};
use mitune_diffusion::conditioning::{AddedConditioning, Conditioning};
use mitune_diffusion::denoiser::NoiseLevel;
use mitune_diffusion::nn::weights::{HostTensor, TensorMap};
use mitune_diffusion::noise::{NoiseSource, text_key};
use mitune_diffusion::sampler::{Sampler, SamplerSettings};
use mitune_diffusion::training::{
    AdamW, DenoisingBatch, LearningRate, Trainer, TrainerSettings, train_adapters, trainable_parameters,
};

use crate::contract::{Dtype, StageError};
use crate::models::latent_shape::latent_shape;
use crate::models::loaded_model::LoadedModel;

/// Images of a batch.
const BATCH: usize = 2;
/// Denoising steps of a candidate: enough for errors to grow as they do in a run.
const STEPS: usize = 8;
/// Updates of an adapter.
const UPDATES: usize = 3;
/// Timesteps at which the denoiser is asked: nearly noise, half of each, nearly an image.
const TIMESTEPS: [usize; 3] = [981, 500, 21];

/// Two prompts of unequal length.
const PROMPTS: [&str; BATCH] = ["a red circle and a blue square", "a cross"];

/// Computes every part, named.
pub(super) fn compute(loaded: &LoadedModel, dtype: Dtype) -> Result<TensorMap, StageError> {
    let inputs = Inputs::of(loaded)?;
    let mut found = TensorMap::new();
    text(loaded, &inputs, &mut found)?;
    denoiser(loaded, &inputs, &mut found)?;
    autoencoder(loaded, &inputs, &mut found)?;
    candidates(loaded, &inputs, &mut found)?;
    if dtype == Dtype::F32 {
        training(loaded, &inputs, &mut found)?;
    }
    Ok(found)
}

/// Inputs that are drawn on the host and therefore the same on every device.
pub(super) struct Inputs<'a> {
    device: &'a Device,
    pub(super) latent_shape: [usize; 3],
    /// What a prompt looks like to the denoiser, one row.
    like: Conditioning,
}

impl<'a> Inputs<'a> {
    pub(super) fn of(loaded: &'a LoadedModel) -> Result<Self, StageError> {
        let model = &loaded.model;
        let latent_shape = latent_shape(&model.denoiser_shape(), &model.vae_config, None, None)?;
        let like = model
            .encode_prompts(&PROMPTS[..1], model.image_size(latent_shape), &loaded.device)
            .map_err(StageError::failed)?
            .conditioning;
        Ok(Self {
            device: &loaded.device,
            latent_shape,
            like,
        })
    }

    /// Standard normal values that belong to a name.
    pub(super) fn normal<const D: usize>(&self, name: &str, shape: [usize; D]) -> Tensor<D> {
        let mut values = vec![0.0; shape.iter().product()];
        NoiseSource::forward().normal(0, &text_key(name), 0, 0, &mut values);
        Tensor::from_data(TensorData::new(values, shape), (self.device, DType::F32))
    }

    pub(super) fn latents(&self, name: &str, batch: usize) -> Tensor<4> {
        let [channels, height, width] = self.latent_shape;
        self.normal(name, [batch, channels, height, width])
    }

    /// Random prompts, so that the denoiser is judged apart from the text encoder.
    pub(super) fn conditioning(&self, batch: usize) -> Conditioning {
        let [_, tokens, width] = self.like.context.dims();
        let added = self.like.added.as_ref().map(|added| AddedConditioning {
            text_embeds: self.normal("text_embeds", [batch, added.text_embeds.dims()[1]]),
            time_ids: added.time_ids.clone().map(|sizes| sizes.repeat_dim(0, batch)),
        });
        Conditioning {
            context: self.normal("context", [batch, tokens, width]),
            value_context: None,
            key_contexts: None,
            added,
        }
    }
}

fn text(loaded: &LoadedModel, inputs: &Inputs<'_>, found: &mut TensorMap) -> Result<(), StageError> {
    let size = loaded.model.image_size(inputs.latent_shape);
    let encoded = loaded
        .model
        .encode_prompts(&PROMPTS, size, &loaded.device)
        .map_err(StageError::failed)?;
    keep(found, "text encoder", encoded.conditioning.context)
}

fn denoiser(loaded: &LoadedModel, inputs: &Inputs<'_>, found: &mut TensorMap) -> Result<(), StageError> {
    let (latents, prompts) = (inputs.latents("latents", BATCH), inputs.conditioning(BATCH));
    for timestep in TIMESTEPS {
        let level = level_of(loaded, timestep as f64)?;
        let output = loaded
            .model
            .denoiser()
            .predict(&latents, level, &prompts)
            .map_err(StageError::failed)?;
        keep(found, &format!("denoiser at timestep {timestep}"), output)?;
    }
    Ok(())
}

/// The noise level of a timestep in the model's schedule.
pub(super) fn level_of(loaded: &LoadedModel, timestep: f64) -> Result<NoiseLevel, StageError> {
    let schedule = loaded.model.scheduler_config.schedule();
    let schedule = schedule.map_err(StageError::configuration)?;
    let alpha_cumprod = schedule.alpha_cumprod_at(timestep);
    Ok(NoiseLevel::variance_preserving(timestep, alpha_cumprod))
}

fn autoencoder(loaded: &LoadedModel, inputs: &Inputs<'_>, found: &mut TensorMap) -> Result<(), StageError> {
    let size = loaded.model.image_size(inputs.latent_shape);
    let pixels = inputs.normal("pixels", [1, 3, size.height, size.width]);
    keep(found, "autoencoder, encoding", loaded.model.encode(pixels.tanh()))?;
    let image = loaded.model.decode(inputs.latents("decoded", 1));
    keep(found, "autoencoder, decoding", image)
}

/// The whole way from a prompt to latents and mutual information.
fn candidates(loaded: &LoadedModel, inputs: &Inputs<'_>, found: &mut TensorMap) -> Result<(), StageError> {
    let model = &loaded.model;
    let size = model.image_size(inputs.latent_shape);
    let failed = StageError::failed;
    let prompt = model
        .encode_prompts(&PROMPTS[..1], size, &loaded.device)
        .map_err(failed)?;
    let empty = model.encode_negative("", size, &loaded.device).map_err(failed)?;
    let settings = SamplerSettings {
        steps: STEPS,
        ..SamplerSettings::default()
    };
    let sampler = Sampler::new(&model.scheduler_config, &settings).map_err(StageError::configuration)?;
    let made = sampler
        .generate_candidates(
            model.denoiser(),
            &prompt.conditioning,
            &empty.conditioning,
            &text_key(PROMPTS[0]),
            &[0, 1],
            inputs.latent_shape,
            &mut |_| ControlFlow::Continue(()),
        )
        .map_err(StageError::failed)?;
    let latents: Vec<f32> = made.iter().flat_map(|one| one.latent.iter().copied()).collect();
    let scores: Vec<f32> = made.iter().map(|one| one.mi as f32).collect();
    keep_values(found, "candidates, latents", &latents);
    keep_values(found, "candidates, mutual information", &scores);
    Ok(())
}

/// A few updates of the paper's adapter.
fn training(loaded: &LoadedModel, inputs: &Inputs<'_>, found: &mut TensorMap) -> Result<(), StageError> {
    let model = &loaded.model;
    let schedule = model
        .scheduler_config
        .schedule()
        .map_err(StageError::configuration)?;
    let timesteps: Vec<usize> = (0..BATCH).map(|index| TIMESTEPS[index]).collect();
    let batch = DenoisingBatch::new(
        inputs.latents("trained", BATCH).autodiff(),
        inputs.latents("noise", BATCH).autodiff(),
        &timesteps,
        &schedule,
        model.scheduler_config.prediction_type,
    )
    .map_err(StageError::failed)?;
    let prompts = inputs.conditioning(BATCH).autodiff();
    let mut network = model.network.clone();
    attach(&mut network, &AdapterConfig::default()).map_err(StageError::failed)?;
    let network = train_adapters(network);
    let settings = TrainerSettings {
        optimizer: AdamW::default(),
        learning_rate: LearningRate::constant(1e-3),
        clip_norm: Some(1.0),
        average: None,
    };
    let mut trainer = Trainer::new(network, settings).map_err(StageError::failed)?;
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for _ in 0..UPDATES {
        let update = trainer
            .update([&batch], |network, batch| {
                let (noisy, timesteps) = (batch.noisy.clone(), batch.timesteps.clone());
                batch.loss(network.forward(noisy, timesteps, &prompts))
            })
            .map_err(StageError::failed)?;
        losses.push(update.loss as f32);
        norms.push(update.gradient_norm as f32);
    }
    keep_values(found, "training, losses", &losses);
    keep_values(found, "training, norms of gradients", &norms);
    let trained = trainable_parameters(trainer.module()).len();
    keep_values(found, "training, number of trained tensors", &[trained as f32]);
    Ok(())
}

fn keep<const D: usize>(found: &mut TensorMap, name: &str, tensor: Tensor<D>) -> Result<(), StageError> {
    let shape = tensor.dims().to_vec();
    let values: Vec<f32> = tensor
        .cast(DType::F32)
        .try_into_vec_as()
        .map_err(StageError::failed)?;
    found.insert(name.to_owned(), HostTensor::from_f32(&values, shape));
    Ok(())
}

fn keep_values(found: &mut TensorMap, name: &str, values: &[f32]) {
    found.insert(name.to_owned(), HostTensor::from_f32(values, vec![values.len()]));
}
