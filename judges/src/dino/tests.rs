//! Tiny random networks against transformers and the code of DINOv2, made by `tools/goldens/export_judges_sets.py`.

use std::path::Path;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use mitune_diffusion::nn::weights::{
    Dtype, HostTensor, SafetensorsFile, SeededTensors, TensorMap, TensorSource as _, seeded_input_values,
};

use super::model::{NAMES, Network};
use super::{DinoConfig, DinoModel, DinoSettings, PositionInterpolation};

const SEED: u64 = 41;

fn golden() -> TensorMap {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sets/dino.safetensors");
    SafetensorsFile::open(&path).unwrap().read_all().unwrap()
}

fn config(use_swiglu_ffn: bool) -> DinoConfig {
    DinoConfig {
        hidden_size: 24,
        num_hidden_layers: 3,
        num_attention_heads: 3,
        image_size: 35,
        patch_size: 7,
        use_swiglu_ffn,
        ..DinoConfig::default()
    }
}

fn weights(config: &DinoConfig) -> SeededTensors {
    SeededTensors::new(SEED, Dtype::F32, &Network::new(config, &Device::flex()), &NAMES)
}

fn images(side: usize) -> Tensor<4> {
    let values = seeded_input_values(SEED, &format!("images {side}"), 2 * side * side * 3);
    Tensor::from_data(TensorData::new(values, [2, side, side, 3]), &Device::flex())
}

fn assert_close(found: Tensor<2>, expected: &HostTensor, tolerance: f64, what: &str) {
    assert_eq!(found.dims().to_vec(), expected.shape, "{what}");
    let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
    let (mut distance, mut length) = (0.0, 0.0);
    for (found, expected) in found.iter().zip(expected.to_f32().unwrap()) {
        distance += (f64::from(*found) - f64::from(expected)).powi(2);
        length += f64::from(expected).powi(2);
    }
    let error = (distance / length).sqrt();
    assert!(error < tolerance, "{what}: {error:.1e}");
}

#[test]
fn class_tokens_equal_those_of_transformers_and_of_the_hub() {
    let golden = golden();
    for (kind, gated) in [("mlp", false), ("swiglu", true)] {
        let config = config(gated);
        for side in [35, 21, 44] {
            for (name, positions) in [
                ("scale_factor", PositionInterpolation::ScaleFactor),
                ("size", PositionInterpolation::Size),
            ] {
                let settings = DinoSettings { side, positions };
                let model = DinoModel::load(
                    &weights(&config),
                    &config,
                    settings,
                    &Device::flex(),
                    FloatDType::F32,
                )
                .unwrap();
                assert_eq!((model.width(), model.settings()), (24, settings));
                let key = format!("{kind}.{side}.{name}");
                assert_close(model.forward(images(side)), &golden[&key], 1e-5, &key);
            }
        }
    }
}

#[test]
fn half_precision_stays_near() {
    let (golden, config) = (golden(), config(false));
    let settings = DinoSettings {
        side: 21,
        ..DinoSettings::default()
    };
    let model = DinoModel::load(
        &weights(&config),
        &config,
        settings,
        &Device::flex(),
        FloatDType::F16,
    )
    .unwrap();
    let found = model.forward(images(21).cast(FloatDType::F16));
    assert_close(found, &golden["mlp.21.scale_factor"], 1e-2, "f16");
}

#[test]
fn networks_of_another_shape_and_impossible_images_are_refused() {
    let (small, device) = (config(false), Device::flex());
    let load = |config: &DinoConfig, settings| {
        DinoModel::load(&weights(&small), config, settings, &device, FloatDType::F32)
            .unwrap_err()
            .to_string()
    };
    let error = load(&config(true), DinoSettings::default());
    assert!(error.contains("mlp.weights_in.weight"), "{error}");
    for side in [6, 7 * 257] {
        let settings = DinoSettings {
            side,
            ..DinoSettings::default()
        };
        let error = load(&small, settings);
        assert!(error.contains("patches of 7"), "{error}");
    }
}
