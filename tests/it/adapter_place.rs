//! A folder with a model and adapters of it, for tests of `mitune adapter`.

use std::fs;
use std::path::Path;

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::adapter::{AdapterConfig, AdapterMethod, AdapterTargets, SavedAdapter, attach};
use mitune_diffusion::model::ModelDirectory;
use mitune_diffusion::nn::weights::{Dtype, TensorMap, TensorSource, WeightsFolder};

use crate::program::{Ended, run_real};
use crate::trial_model;

/// A folder with `model`, `lora.safetensors` and `dora.safetensors`, which also change convolutions.
pub(crate) fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    trial_model::write(&model);
    let directory = ModelDirectory::open(&model).unwrap();
    let device = Device::flex();
    for (method, file) in [(AdapterMethod::Lora, "lora"), (AdapterMethod::Dora, "dora")] {
        let mut unet = directory.load_network(&device, FloatDType::F32).unwrap();
        let config = AdapterConfig {
            method,
            rank: 2,
            alpha: 3.0,
            targets: AdapterTargets {
                modules: vec!["conv1".to_owned(), "conv_in".to_owned()],
                ..AdapterTargets::default()
            },
            seed: 1,
        };
        attach(&mut unet, &config).unwrap();
        let mut saved = SavedAdapter::extract(&unet).unwrap();
        for layer in saved.layers.values_mut() {
            let values = layer.lora_b.iter_mut().enumerate();
            values.for_each(|(index, value)| *value = 0.05 * (index as f32).sin());
        }
        let bytes = saved.to_bytes("unet", Dtype::F32).unwrap();
        fs::write(folder.path().join(format!("{file}.safetensors")), bytes).unwrap();
    }
    folder
}

fn adapter(folder: &Path, words: &[&str]) -> Ended {
    run_real(folder, &[&["adapter"], words].concat())
}

pub(crate) fn succeed(folder: &Path, words: &[&str]) -> String {
    let ended = adapter(folder, words);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

pub(crate) fn refuse(folder: &Path, words: &[&str]) -> String {
    let ended = adapter(folder, words);
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    ended.stderr
}

pub(crate) fn read(path: &Path) -> SavedAdapter {
    SavedAdapter::from_bytes(&fs::read(path).unwrap(), "unet").unwrap()
}

pub(crate) fn weights(model: &Path) -> TensorMap {
    let folder = WeightsFolder::open(&model.join("unet"), "diffusion_pytorch_model").unwrap();
    folder.read_all().unwrap()
}

/// Root of the mean square of the difference, over that of the first.
pub(crate) fn distance(first: &TensorMap, second: &TensorMap) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    assert!(first.keys().eq(second.keys()));
    let (mut difference, mut length) = (0.0, 0.0);
    for (first, second) in first.values().zip(second.values()) {
        assert_eq!((first.dtype, &first.shape), (second.dtype, &second.shape));
        let (first, second) = (first.to_f32().unwrap(), second.to_f32().unwrap());
        let pairs = first.iter().zip(&second);
        difference += squares(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)));
        length += squares(&mut first.iter().map(|a| f64::from(*a)));
    }
    (difference / length).sqrt()
}
