//! Adafactor against transformers, whose results are in f64 (`tools/goldens/export_adafactor.py`).

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::floats;
use crate::nn::weights::{TensorMap, golden, seeded_input, seeded_values};
use crate::training::*;

const SEED: u64 = 43;
const UPDATES: usize = 8;

#[derive(Module, Debug)]
struct Parameters {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
    convolution: Param<Tensor<4>>,
    /// A convolution of one pixel in the file.
    projection: Param<Tensor<2>>,
}

fn start<const D: usize>(name: &str, stored: &[usize], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(
        TensorData::new(seeded_values(SEED, name, stored), shape),
        &Device::flex(),
    )
}

fn module() -> Parameters {
    let kernel = [3, 2, 3, 3];
    // Channels innermost in memory, as loading leaves kernels.
    let innermost = start("convolution", &kernel, kernel).permute([0, 2, 3, 1]);
    let innermost = Tensor::<4>::from_data(innermost.into_data(), &Device::flex());
    let module = Parameters {
        matrix: Param::from_tensor(start("matrix", &[5, 4], [5, 4])),
        vector: Param::from_tensor(start("vector", &[7], [7])),
        convolution: Param::from_tensor(innermost.permute([0, 3, 1, 2])),
        projection: Param::from_tensor(start("projection", &[4, 3, 1, 1], [4, 3])),
    };
    train_only(module, |_| true)
}

/// A loss whose gradients are those of the exporter.
fn loss(module: &Parameters, update: usize, device: &Device) -> Tensor<1> {
    fn product<const D: usize>(parameter: &Param<Tensor<D>>, gradient: Tensor<D>) -> Tensor<1> {
        (parameter.val() * gradient).sum()
    }
    let size = 10.0_f64.powf(update as f64 / 4.0 - 1.0);
    let named = |name: &str| format!("{name} {update}");
    let matrix = seeded_input(SEED, &named("matrix"), [5, 4], device) * size;
    let vector = seeded_input(SEED, &named("vector"), [7], device) * size;
    let convolution = seeded_input(SEED, &named("convolution"), [3, 2, 3, 3], device) * size;
    let projection = seeded_input(SEED, &named("projection"), [4, 3], device) * size;
    product(&module.matrix, matrix)
        + product(&module.vector, vector)
        + product(&module.convolution, convolution)
        + product(&module.projection, projection)
}

fn trainer(optimizer: Adafactor) -> Trainer<Parameters> {
    let settings = TrainerSettings {
        optimizer,
        learning_rate: LearningRate::constant(2e-2),
        clip_norm: None,
        average: None,
    };
    let stored = |name: &str, shape: &[usize]| match name {
        "projection" => [shape, &[1, 1]].concat(),
        _ => shape.to_vec(),
    };
    Trainer::new(module(), settings)
        .unwrap()
        .with_stored_shapes(stored)
}

fn update(trainer: &mut Trainer<Parameters>, device: &Device) {
    let at = trainer.updates() as usize;
    trainer
        .update([at], |module, at| loss(module, at, device))
        .unwrap();
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= 2e-6 + 1e-5 * expected.abs(),
            "{what}: {found} {expected}"
        );
    }
}

fn decayed() -> Adafactor {
    Adafactor {
        epsilon: 1e-6,
        clip_threshold: 0.5,
        decay_rate: -0.5,
        weight_decay: 0.1,
    }
}

fn check(case: &str, optimizer: Adafactor, tensors: &TensorMap) {
    let device = Device::flex().autodiff();
    let mut trainer = trainer(optimizer);
    for at in 0..UPDATES {
        update(&mut trainer, &device);
        let checkpoint = trainer.checkpoint().unwrap();
        for (name, count) in [
            ("matrix", 20),
            ("vector", 7),
            ("convolution", 54),
            ("projection", 12),
        ] {
            let found = floats(&checkpoint.tensors, &format!("weights.{name}"));
            let expected = &floats(tensors, &format!("{case}.{name}.after"))[at * count..][..count];
            assert_close(&found, expected, &format!("{case} {name} {at}"));
        }
    }
    let held = trainer.checkpoint().unwrap().tensors;
    for name in ["matrix", "convolution", "projection"] {
        for (kind, key) in [
            ("second_moment_rows", "rows"),
            ("second_moment_columns", "columns"),
        ] {
            let (found, expected) = (
                &held[&format!("{kind}.{name}")],
                &tensors[&format!("{case}.{name}.{key}")],
            );
            assert_eq!(found.shape, expected.shape, "{case} {name} {key}");
            assert_close(&found.to_f32().unwrap(), &expected.to_f32().unwrap(), name);
        }
    }
    let whole = floats(&held, "second_moments.vector");
    assert_close(
        &whole,
        &floats(tensors, &format!("{case}.vector.whole")),
        "vector",
    );
    assert!(!held.keys().any(|name| name.starts_with("first_moments")));
}

#[test]
fn eight_updates_agree_with_transformers() {
    let tensors = golden::tensors("training/adafactor.safetensors");
    check("plain", Adafactor::default(), &tensors);
    check("decayed", decayed(), &tensors);
}

#[test]
fn a_resumed_training_ends_with_the_same_numbers() {
    let device = Device::flex().autodiff();
    let mut whole = trainer(decayed());
    for _ in 0..3 {
        update(&mut whole, &device);
    }
    let checkpoint = whole.checkpoint().unwrap();
    for _ in 0..3 {
        update(&mut whole, &device);
    }
    let mut resumed = trainer(decayed());
    resumed.restore(&checkpoint).unwrap();
    assert_eq!(resumed.checkpoint().unwrap(), checkpoint);
    for _ in 0..3 {
        update(&mut resumed, &device);
    }
    assert_eq!(resumed.checkpoint().unwrap(), whole.checkpoint().unwrap());
}

#[test]
fn a_checkpoint_of_another_optimizer_is_refused() {
    let adafactor = trainer(Adafactor::default());
    let checkpoint = adafactor.checkpoint().unwrap();
    let settings = TrainerSettings {
        optimizer: AdamW::default(),
        learning_rate: LearningRate::constant(1e-3),
        clip_norm: None,
        average: None,
    };
    let mut adamw = Trainer::new(module(), settings).unwrap();
    let message = adamw.restore(&checkpoint).unwrap_err().to_string();
    assert!(message.contains("first_moments"), "{message}");
}

#[test]
fn a_parameter_learns_at_a_rate_of_its_own() {
    let device = Device::flex().autodiff();
    let rates = |name: &str| match name {
        "vector" => 0.5,
        "matrix" => 0.0,
        _ => 1.0,
    };
    let mut plain = trainer(Adafactor::default());
    let mut other = trainer(Adafactor::default()).with_rate_factors(rates);
    let before = plain.checkpoint().unwrap().tensors;
    update(&mut plain, &device);
    update(&mut other, &device);
    let (plain, other) = (
        plain.checkpoint().unwrap().tensors,
        other.checkpoint().unwrap().tensors,
    );
    let value = |tensors: &TensorMap, name: &str| floats(tensors, &format!("weights.{name}"));
    assert_eq!(value(&other, "matrix"), value(&before, "matrix"));
    assert_eq!(value(&other, "convolution"), value(&plain, "convolution"));
    let start = value(&before, "vector");
    for ((half, whole), start) in value(&other, "vector")
        .iter()
        .zip(value(&plain, "vector"))
        .zip(start)
    {
        assert!(((half - start) / (whole - start) - 0.5).abs() < 1e-3);
    }
}
