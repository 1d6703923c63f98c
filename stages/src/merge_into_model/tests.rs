use std::collections::BTreeMap;

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::adapter::{AdapterConfig, SavedAdapter, attach, merge};
use mitune_diffusion::model::{DenoisingNetwork, ModelDirectory};
use mitune_diffusion::nn::weights::{NameTable, module_tensors};
use mitune_store::{Artifact, FileDigest, TensorBytes};
use serde_json::json;

use super::*;
use crate::testing::trial::Trial;
use crate::testing::trial_model;

fn trial() -> Trial {
    let mut trial = Trial::new();
    let model = trial.folder.path().join("model");
    trial_model::write(&model);
    trial.defaults.model = Some(model);
    trial
}

fn network(folder: &std::path::Path) -> DenoisingNetwork {
    let directory = ModelDirectory::open(folder).unwrap();
    directory.load_network(&Device::flex(), FloatDType::F32).unwrap()
}

/// An adapter that changes something, and its artifact.
fn adapter(trial: &Trial) -> (SavedAdapter, Artifact) {
    let mut unet = network(&trial.folder.path().join("model"));
    let config = AdapterConfig {
        rank: 2,
        alpha: 2.0,
        ..AdapterConfig::default()
    };
    attach(&mut unet, &config).unwrap();
    let mut saved = SavedAdapter::extract(&unet).unwrap();
    for layer in saved.layers.values_mut() {
        layer.lora_b.iter_mut().for_each(|value| *value = 0.25);
    }
    let (tensors, metadata) = saved.to_tensors("unet");
    let tensors = tensors.into_iter().map(|(name, tensor)| {
        let bytes = TensorBytes {
            dtype: tensor.dtype,
            shape: tensor.shape,
            data: tensor.data,
        };
        (name, bytes)
    });
    let put = trial.store.artifacts().put_tensors(&tensors.collect(), &metadata);
    (saved, put.unwrap())
}

fn merged(trial: &Trial, settings: serde_json::Value, adapters: &[&Artifact]) -> Artifact {
    let output = trial
        .run::<MergeIntoModelConfig>(settings, &[("adapter", adapters)])
        .unwrap();
    output.outputs["model"].clone()
}

fn files(trial: &Trial, model: &Artifact) -> BTreeMap<String, FileDigest> {
    let files = trial.store.artifacts().read_directory(model).unwrap();
    files.into_iter().map(|file| (file.name, file.file)).collect()
}

fn numbers(network: &DenoisingNetwork) -> Vec<f32> {
    let tensors = module_tensors(network, &NameTable::default());
    tensors
        .values()
        .flat_map(|tensor| tensor.to_f32().unwrap())
        .collect()
}

fn largest_difference(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter()
        .zip(other)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn weights_are_those_of_the_model_with_the_adapter_and_all_else_is_handed_on() {
    let trial = trial();
    let (saved, artifact) = adapter(&trial);
    let plain = merged(&trial, json!({"adapter": "previous.a"}), &[]);
    let model = merged(&trial, json!({"adapter": "a"}), &[&artifact]);
    let folder = trial.folder.path().join("merged");
    trial.store.artifacts().export(&model, &folder).unwrap();
    let base = network(&trial.folder.path().join("model"));
    let mut expected = base.clone();
    saved.attach(&mut expected).unwrap();
    merge(&mut expected);
    let (found, expected) = (numbers(&network(&folder)), numbers(&expected));
    assert!(largest_difference(&found, &expected) < 1e-6);
    assert!(largest_difference(&found, &numbers(&base)) > 1e-3);
    let (before, after) = (files(&trial, &plain), files(&trial, &model));
    assert!(before.keys().eq(after.keys()), "{before:?} {after:?}");
    let changed = before.iter().filter(|(name, file)| after[*name] != **file);
    let changed: Vec<&String> = changed.map(|(name, _)| name).collect();
    assert_eq!(changed, ["unet/diffusion_pytorch_model.safetensors"]);
}

#[test]
fn weights_that_no_key_has_are_not_handed_on() {
    let trial = trial();
    let settings = json!({"adapter": "previous.a"});
    let expected = merged(&trial, settings.clone(), &[]);
    for name in [
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.bin",
    ] {
        trial.write(format!("model/{name}"), b"others");
    }
    assert_eq!(merged(&trial, settings, &[]).content, expected.content);
}

#[test]
fn a_scale_of_its_own_counts_and_a_stored_model_is_merged_again() {
    let trial = trial();
    let (_, artifact) = adapter(&trial);
    let once = merged(&trial, json!({"adapter": "a"}), &[&artifact]);
    let half = merged(&trial, json!({"adapter": "a", "scale": 0.5}), &[&artifact]);
    assert_ne!(once.content, half.content);
    let settings = json!({"adapter": "a", "model_from": "base"});
    let inputs: [(&'static str, &[&Artifact]); 2] = [("adapter", &[&artifact]), ("model_from", &[&once])];
    let twice = trial
        .run::<MergeIntoModelConfig>(settings.clone(), &inputs)
        .unwrap();
    assert_ne!(twice.outputs["model"].content, once.content);
    let untouched = trial
        .run::<MergeIntoModelConfig>(settings, &[("adapter", &[]), ("model_from", &[&once])])
        .unwrap();
    assert_eq!(untouched.outputs["model"].content, once.content);
}
