//! Trainings of a denoiser together with its text encoder, against PyTorch and PEFT
//! (`tools/goldens/export_objective_training.py`), and what they promise.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

use super::floats;
use crate::adapter::{
    AdapterConfig, AdapterContents, AdapterMethod, AdapterTargets, SavedAdapter, SavedLayer, TEXT_ENCODER,
    UNET, attach, encode_peft,
};
use crate::model::ModelDirectory;
use crate::nn::layers::AdaptTarget;
use crate::nn::weights::{Dtype, TensorMap, golden, seeded_input, seeded_values};
use crate::prediction::PredictionType;
use crate::training::objectives::{DiffusionDpo, Gors};
use crate::training::*;
use crate::unet::UNet2DConditionModel;

type Networks = DenoiserWithTextEncoder<UNet2DConditionModel>;

/// Seed of the adapters that trainings start from, and of everything else.
const START_SEED: u64 = 40;
const SEED: u64 = 44;
const UPDATES: usize = 10;
const BATCH: usize = 2;
const TOKENS: usize = 7;
/// The text encoder's learning rate over the denoiser's.
const SHARE: f64 = 2.0;

fn directory() -> ModelDirectory {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models/sd15");
    ModelDirectory::open(&folder).unwrap()
}

fn networks() -> Networks {
    let (directory, device) = (directory(), Device::flex());
    DenoiserWithTextEncoder {
        denoiser: directory.load_unet(&device, FloatDType::F32).unwrap(),
        text_encoder: directory.load_text_encoder(&device, FloatDType::F32).unwrap(),
    }
}

/// The adapter of one network that every training starts from.
fn start<T: AdaptTarget>(network: &mut T, method: AdapterMethod, targets: &AdapterTargets) -> SavedAdapter {
    let mut layers = BTreeMap::new();
    network.layers_mut(&mut |name, layer| {
        if !targets.contains(name) {
            return;
        }
        let shape = layer.shape();
        let drawn =
            |part: &str, shape: &[usize]| seeded_values(START_SEED, &format!("{name}.{part}.weight"), shape);
        let lora_b = drawn("lora_B", &[shape.outputs, 2]);
        let saved = SavedLayer {
            lora_a: drawn("lora_A", &[2, shape.columns()]),
            lora_b: lora_b.into_iter().map(|value| value * 0.25).collect(),
            magnitude: (method == AdapterMethod::Dora)
                .then(|| drawn("lora_magnitude_vector", &[shape.outputs])),
            rank: 2,
            alpha: 3.0,
            shape,
        };
        layers.insert(name.to_owned(), saved);
    });
    let saved = SavedAdapter::of_layers(layers).unwrap();
    saved.attach(network).unwrap();
    saved
}

fn adapted(method: AdapterMethod) -> (Networks, [SavedAdapter; 2]) {
    let mut networks = networks();
    let starts = [
        start(&mut networks.denoiser, method, &AdapterTargets::default()),
        start(
            &mut networks.text_encoder,
            method,
            &AdapterTargets::of_text_encoder(),
        ),
    ];
    (train_adapters(networks), starts)
}

fn integers(tensors: &TensorMap, name: &str) -> Vec<i32> {
    let (numbers, _) = tensors[name].data.as_chunks::<4>();
    numbers.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect()
}

fn batch(tensors: &TensorMap, at: usize) -> PairBatch<Tensor<2, Int>> {
    let device = Device::flex().autodiff();
    let image = |name: &str| seeded_input(SEED, &format!("{name} {at}"), [BATCH, 4, 8, 8], &device);
    let timesteps = &integers(tensors, "timesteps")[at * BATCH..][..BATCH];
    let timesteps: Vec<usize> = timesteps.iter().map(|timestep| *timestep as usize).collect();
    let ids = integers(tensors, "with_text_encoder.ids")[at * BATCH * TOKENS..][..BATCH * TOKENS].to_vec();
    PairBatch::new(
        [image("preferred"), image("rejected")],
        image("noise"),
        &timesteps,
        &directory().scheduler_config().schedule().unwrap(),
        PredictionType::Epsilon,
        Tensor::from_data(TensorData::new(ids, [BATCH, TOKENS]), (&device, DType::I32)),
    )
    .unwrap()
}

fn trainer<O: Objective<Networks>>(networks: Networks, objective: O) -> ObjectiveTrainer<Networks, O> {
    let settings = TrainerSettings {
        optimizer: AdamW {
            epsilon: 1e-5,
            ..AdamW::default()
        },
        learning_rate: LearningRate::constant(1e-3),
        clip_norm: Some(0.3),
        average: None,
    };
    let share = |name: &str| if is_of_text_encoder(name) { SHARE } else { 1.0 };
    ObjectiveTrainer::new(networks, objective, settings)
        .unwrap()
        .map_trainer(|trainer| trainer.with_rate_factors(share))
}

fn flat(adapter: &SavedAdapter) -> Vec<f32> {
    let parts = |layer: &SavedLayer| {
        let magnitude = layer.magnitude.clone().unwrap_or_default();
        [layer.lora_a.clone(), layer.lora_b.clone(), magnitude].concat()
    };
    adapter.layers.values().flat_map(parts).collect()
}

fn moved<T: AdaptTarget + Clone>(network: &T, start: &SavedAdapter) -> Vec<f32> {
    let end = flat(&SavedAdapter::extract(network).unwrap());
    end.iter()
        .zip(flat(start))
        .map(|(end, start)| end - start)
        .collect()
}

fn relative_distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |value: f64| value * value;
    let pairs = found.iter().zip(expected);
    let difference: f64 = pairs.map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let length: f64 = expected.iter().map(|value| square(f64::from(*value))).sum();
    (difference / length).sqrt()
}

#[test]
fn ten_updates_of_both_networks_agree_with_pytorch() {
    let tensors = golden::tensors("objective_training/sd15.safetensors");
    for (method, word) in [(AdapterMethod::Lora, "lora"), (AdapterMethod::Dora, "dora")] {
        let (networks, [denoiser_start, text_start]) = adapted(method);
        let mut training = trainer(networks, Gors);
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for at in 0..UPDATES {
            let rewards = TensorData::from([0.95_f32, 0.4]);
            let report = training.step([WeightedBatch {
                items: batch(&tensors, at).preferred,
                weights: Tensor::from_data(rewards, &Device::flex().autodiff()),
            }]);
            let report = report.unwrap();
            losses.push(report.update.loss as f32);
            norms.push(report.update.gradient_norm as f32);
        }
        let trained = training.trainer().module();
        for (found, key) in [
            (losses, "losses"),
            (norms, "norms"),
            (moved(&trained.denoiser, &denoiser_start), "moved"),
            (moved(&trained.text_encoder, &text_start), "text_moved"),
        ] {
            let expected = floats(&tensors, &format!("with_text_encoder.{word}.{key}"));
            let error = relative_distance(&found, &expected);
            assert!(error < 1e-4, "{word} {key}: {error:e}");
        }
    }
}

#[test]
fn parameters_say_whose_they_are_and_the_reference_loses_both_adapters() {
    let tensors = golden::tensors("objective_training/sd15.safetensors");
    let (networks, _) = adapted(AdapterMethod::Dora);
    let names: Vec<String> = trainable_parameters(&networks)
        .into_iter()
        .map(|parameter| parameter.name)
        .collect();
    let text = names.iter().filter(|name| is_of_text_encoder(name)).count();
    // Two layers of four projections of three parameters each.
    assert_eq!(text, 24);
    assert!(names.iter().all(|name| name.contains(".adapter.")));
    assert!(names.iter().any(|name| name.starts_with("denoiser.")));
    assert!(!is_of_text_encoder("text_encoder_2.x") && !is_of_text_encoder("denoiser.x"));
    assert_eq!(
        networks.num_params(),
        networks.denoiser.num_params() + networks.text_encoder.num_params()
    );
    let pairs = batch(&tensors, 0);
    let predicted = |networks: &Networks| pairs.preferred.predict(networks).inner().into_data();
    let never_adapted = train_only(self::networks(), |_| false);
    let training = trainer(networks, DiffusionDpo { beta: 40.0 });
    assert_eq!(
        predicted(training.reference().network()),
        predicted(&never_adapted)
    );
    assert_ne!(predicted(training.trainer().module()), predicted(&never_adapted));
}

#[test]
fn a_resumed_training_ends_with_the_same_numbers_and_fresh_adapters_change_nothing() {
    let tensors = golden::tensors("objective_training/sd15.safetensors");
    let fresh = || {
        let mut networks = networks();
        let config = AdapterConfig {
            rank: 2,
            alpha: 2.0,
            ..AdapterConfig::default()
        };
        attach(&mut networks.denoiser, &config).unwrap();
        let config = AdapterConfig {
            targets: AdapterTargets::of_text_encoder(),
            ..config
        };
        let layers = attach(&mut networks.text_encoder, &config).unwrap();
        assert_eq!(layers.len(), 8);
        assert!(layers[0].starts_with("text_model.encoder.layers.0.self_attn."));
        trainer(train_adapters(networks), DiffusionDpo { beta: 40.0 })
    };
    let mut whole = fresh();
    let first = whole.step([batch(&tensors, 0)]).unwrap();
    assert!(
        (first.update.loss - std::f64::consts::LN_2).abs() < 1e-4,
        "{first:?}"
    );
    whole.step([batch(&tensors, 1)]).unwrap();
    let checkpoint = whole.checkpoint().unwrap();
    let last = whole.step([batch(&tensors, 2)]).unwrap();
    let mut resumed = fresh();
    resumed.restore(checkpoint).unwrap();
    assert_eq!(resumed.step([batch(&tensors, 2)]).unwrap(), last);
    assert_eq!(resumed.checkpoint().unwrap(), whole.checkpoint().unwrap());
    let prefix = format!("weights.{TEXT_ENCODER}.");
    let tensors = whole.checkpoint().unwrap().tensors;
    assert!(tensors.keys().any(|name| name.starts_with(&prefix)));
}

#[test]
fn one_file_holds_both_adapters() {
    let (_, [denoiser, text]) = adapted(AdapterMethod::Dora);
    let both = BTreeMap::from([(UNET, denoiser.clone()), (TEXT_ENCODER, text.clone())]);
    let bytes = encode_peft(&both, Dtype::F32).unwrap();
    let contents = AdapterContents::read(&bytes, None).unwrap();
    assert_eq!(contents.adapters[TEXT_ENCODER], text);
    let joined = contents.joined().unwrap();
    assert_eq!(joined.layers.len(), denoiser.layers.len() + text.layers.len());
    let layer = "text_model.encoder.layers.0.self_attn.q_proj";
    assert_eq!(
        joined.layers[&format!("{TEXT_ENCODER}.{layer}")],
        text.layers[layer]
    );
}
