//! DPOK's value network against PyTorch (`tools/goldens/export_policy_gradient.py`).

use std::collections::BTreeMap;

use burn::tensor::{Device, FloatDType, Tensor};
use serde::Deserialize;

use crate::nn::weights::golden::path;
use crate::nn::weights::{Dtype, NameTable, SeededTensors, load_module, seeded_input};
use crate::training::gradients::Gradients;
use crate::training::objectives::value_loss;
use crate::training::parameters::rewrite_trainable;
use crate::training::*;

#[derive(Deserialize)]
struct Golden {
    value: GoldenValue,
}

#[derive(Deserialize)]
struct GoldenValue {
    seed: u64,
    latent: usize,
    text: usize,
    steps_in_all: usize,
    steps: Vec<usize>,
    rewards: Vec<f32>,
    values: Vec<f32>,
    loss: f32,
    gradients: BTreeMap<String, Vec<f32>>,
}

fn network(golden: &GoldenValue, device: &Device) -> ValueNetwork {
    let shape = ValueNetworkShape {
        latent: golden.latent,
        text: golden.text,
        steps: golden.steps_in_all,
    };
    let network = ValueNetwork::shaped(shape, device);
    let names = NameTable::default();
    let tensors = SeededTensors::new(golden.seed, Dtype::F32, &network, &names);
    let network = load_module(network, &tensors, &names, FloatDType::F32).unwrap();
    // As the exporter does.
    rewrite_trainable(train_only(network, |_| true), |name, values| {
        if name.ends_with("embed.weight") {
            values.iter_mut().for_each(|value| *value *= 16.0);
        }
    })
}

#[test]
fn values_and_gradients_are_those_of_pytorch() {
    let text = std::fs::read(path("policy_gradient.json")).unwrap();
    let Golden { value: golden } = serde_json::from_slice(&text).unwrap();
    let network = network(&golden, &Device::flex());
    let device = Device::flex().autodiff();
    let rows = golden.steps.len();
    let latents = seeded_input(golden.seed, "latents", [rows, golden.latent], &device);
    let text = seeded_input(golden.seed, "text", [rows, golden.text], &device);
    let values = network.forward(latents, text, &golden.steps);
    let loss = value_loss(
        values.clone(),
        Tensor::from_floats(golden.rewards.as_slice(), &device),
    );
    let found: Vec<f32> = values.inner().try_into_vec_as().unwrap();
    for (found, expected) in found.iter().zip(&golden.values) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
    let mut gradients = Gradients::default();
    assert!(gradients.add(&network, loss.backward()).is_ok());
    let loss = loss.inner().into_scalar::<f32>();
    assert!((loss - golden.loss).abs() < 1e-5, "{loss} {}", golden.loss);
    for (name, expected) in &golden.gradients {
        let found = gradients.get(name).unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        let length = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>().sqrt();
        let apart = length(
            &mut found
                .iter()
                .zip(expected)
                .map(|(found, expected)| found - expected),
        );
        let size = length(&mut expected.iter().copied());
        assert!(apart < 1e-5 * size, "{name}: {apart:e} of {size:e}");
    }
}
