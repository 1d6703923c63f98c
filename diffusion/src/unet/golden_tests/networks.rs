//! Whole networks of each layout that is in use.

use std::collections::BTreeMap;

use safetensors::SafeTensors;

use super::super::{UNet2DConditionConfig, UNet2DConditionModel};
use super::{Case, path};
use crate::nn::weights::{HostTensor, TensorMap};

fn check_model(file: &str) {
    let mut case = Case::new(file, "");
    let bytes = std::fs::read(path(file)).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let config = &header.metadata().as_ref().unwrap()["config"];
    let config: UNet2DConditionConfig = serde_json::from_str(config).unwrap();
    let model = case.load(UNet2DConditionModel::new(&config, &case.device));

    let saved = model.stored_tensors(&config);
    let shapes = |tensors: &TensorMap| -> BTreeMap<String, Vec<usize>> {
        let shape = |(name, tensor): (&String, &HostTensor)| (name.clone(), tensor.shape.clone());
        tensors.iter().map(shape).collect()
    };
    assert_eq!(shapes(&saved), shapes(&case.weights));

    let mut layers = BTreeMap::new();
    let mut visited = model.clone();
    visited.named_layers_mut(&mut |name, layer| {
        layers.insert(format!("{name}.weight"), layer.shape().columns());
    });
    let weights = case.weights.iter().filter_map(|(name, tensor)| {
        let is_weight = tensor.shape.len() > 1 && name.ends_with(".weight");
        is_weight.then(|| (name.clone(), tensor.shape[1..].iter().product()))
    });
    assert_eq!(layers, weights.collect());

    let timesteps = case.fixed("timesteps");
    let output = model.forward(
        case.input("sample"),
        timesteps,
        match case.values.contains_key("grad.encoder_hidden_states") {
            true => case.input("encoder_hidden_states"),
            false => case.fixed("encoder_hidden_states"),
        },
    );
    case.check(model, output);
}

#[test]
fn stable_diffusion_1_layout() {
    check_model("sd1");
}

#[test]
fn stable_diffusion_2_layout() {
    check_model("sd2");
}

#[test]
fn three_levels_with_uneven_heads_and_sizes() {
    check_model("three_levels");
}

#[test]
fn no_attention_and_no_middle() {
    check_model("plain");
}
