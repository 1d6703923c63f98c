//! An update on pairs against the reference, and one on as many images without it.

use burn::tensor::FloatDType;
use mitune_diffusion::adapter::{AdapterConfig, AdapterMethod, attach};
use mitune_diffusion::conditioning::Conditioning;
use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::prediction::PredictionType;
use mitune_diffusion::training::objectives::DiffusionDpo;
use mitune_diffusion::training::{
    ConditionedBatch, Denoising, DenoisingBatch, Objective, ObjectiveTrainer, PairBatch, TrainerSettings,
    train_adapters,
};

use super::measure::{Meter, TimedWork};
use super::parts::{Parts, Place};
use crate::contract::StageError;

/// A Diffusion-DPO update of a LoRA adapter on pairs, and a supervised one on as many images, in turn.
pub(super) fn preference(
    parts: Parts,
    shape: [usize; 3],
    pairs: usize,
    settings: &TrainerSettings,
    meter: &mut Meter<'_>,
) -> Result<(), StageError> {
    let (images, compared) = batches(&parts, shape, pairs)?;
    let mut network = parts.into_network();
    attach(
        &mut network,
        &AdapterConfig {
            method: AdapterMethod::Lora,
            ..AdapterConfig::default()
        },
    )
    .map_err(StageError::failed)?;
    let network = train_adapters(network);
    let mut supervised = trainer(network.clone(), Denoising, settings)?;
    let mut preferring = trainer(network, DiffusionDpo::default(), settings)?;
    meter.measure_in_turn(vec![
        TimedWork {
            name: "preference step, SFT on both images",
            batch: pairs,
            operations: None,
            warm_up: None,
            run: Box::new(|| update(&mut supervised, &images)),
        },
        TimedWork {
            name: "preference step, DPO",
            batch: pairs,
            operations: None,
            warm_up: None,
            run: Box::new(|| update(&mut preferring, &compared)),
        },
    ])
}

/// All images of the pairs, and the pairs.
fn batches(
    parts: &Parts,
    shape: [usize; 3],
    pairs: usize,
) -> Result<(ConditionedBatch<Conditioning>, PairBatch<Conditioning>), StageError> {
    let schedule = parts.scheduler.schedule().map_err(StageError::configuration)?;
    let [channels, height, width] = shape;
    let tracked = parts.device.clone().autodiff();
    let place = Place {
        device: &tracked,
        dtype: FloatDType::F32,
    };
    let latents = |batch| place.normal([batch, channels, height, width]);
    let images = DenoisingBatch::new(
        latents(2 * pairs),
        latents(2 * pairs),
        &vec![750; 2 * pairs],
        &schedule,
        PredictionType::Epsilon,
    );
    let images = ConditionedBatch {
        noised: images.map_err(StageError::failed)?,
        conditioning: parts.conditioning(2 * pairs, place),
    };
    let compared = PairBatch::new(
        [latents(pairs), latents(pairs)],
        latents(pairs),
        &vec![750; pairs],
        &schedule,
        PredictionType::Epsilon,
        parts.conditioning(pairs, place),
    );
    Ok((images, compared.map_err(StageError::failed)?))
}

fn trainer<O: Objective<DenoisingNetwork>>(
    network: DenoisingNetwork,
    objective: O,
    settings: &TrainerSettings,
) -> Result<ObjectiveTrainer<DenoisingNetwork, O>, StageError> {
    ObjectiveTrainer::new(network, objective, settings.clone()).map_err(StageError::failed)
}

fn update<O: Objective<DenoisingNetwork>>(
    trainer: &mut ObjectiveTrainer<DenoisingNetwork, O>,
    batch: &O::Batch,
) -> Result<(), StageError>
where
    O::Batch: Clone,
{
    trainer
        .step([batch.clone()])
        .map(drop)
        .map_err(StageError::failed)
}
