use std::num::NonZeroUsize;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};

use super::floats;
use crate::nn::layers::{Bias, Linear};
use crate::nn::weights::encode_safetensors;
use crate::training::*;

#[derive(Module, Debug)]
struct Network {
    first: Linear,
    second: Linear,
    frozen: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        let module = Self {
            first: Linear::new(5, 16, Bias::Present, device),
            second: Linear::new(16, 4, Bias::Present, device),
            frozen: Linear::new(4, 4, Bias::Absent, device),
        };
        train_only(module, |name| !name.starts_with("frozen"))
    }

    fn loss(&self, rows: Vec<f32>, device: &Device) -> Tensor<1> {
        let x = Tensor::<2>::from_data(TensorData::new(rows, [4, 5]), device);
        let target = x.clone().narrow(1, 0, 4);
        let y = self.second.forward(activation::tanh(self.first.forward(x)));
        mean_squared_error(self.frozen.forward(y), target)
    }
}

fn settings() -> TrainerSettings {
    TrainerSettings {
        optimizer: AdamW::default(),
        learning_rate: LearningRate {
            peak: 1e-2,
            warmup: 1,
            decay: Decay::Cosine { total: 20 },
        },
        clip_norm: Some(0.5),
        average: Some(WeightAverage { decay: 0.9 }),
    }
}

/// One update of two micro-batches, whose data follow from the number of updates.
fn one_update(trainer: &mut Trainer<Network>, device: &Device) -> UpdateReport {
    let draws = Draws::new(11);
    let first = trainer.updates() * 8;
    let micro_batches = [first..first + 4, first + 4..first + 8];
    trainer
        .update(micro_batches, |module, positions| {
            let items = draws.items(positions.clone(), NonZeroUsize::new(6).unwrap());
            let rows = items
                .iter()
                .zip(draws.noise(positions, 5).chunks(5))
                .flat_map(|(item, noise)| {
                    noise
                        .iter()
                        .map(|value| value + *item as f32 * 0.1)
                        .collect::<Vec<_>>()
                })
                .collect();
            module.loss(rows, device)
        })
        .unwrap()
}

fn bytes(checkpoint: &Checkpoint) -> Vec<u8> {
    encode_safetensors(&checkpoint.tensors, None).unwrap()
}

#[test]
fn a_resumed_training_ends_with_the_same_bytes() {
    let device = Device::flex().autodiff();
    let start = Network::new(&device);
    let mut whole = Trainer::new(start.clone(), settings()).unwrap();
    let reports: Vec<UpdateReport> = (0..7).map(|_| one_update(&mut whole, &device)).collect();
    assert!(reports[6].loss < reports[0].loss);

    let mut first = Trainer::new(start.clone(), settings()).unwrap();
    for _ in 0..3 {
        one_update(&mut first, &device);
    }
    let checkpoint = first.checkpoint().unwrap();
    let state = serde_json::to_string(&checkpoint.state).unwrap();
    drop(first);

    let mut other = Network::new(&device);
    other.frozen = start.frozen.clone();
    let mut second = Trainer::new(other, settings()).unwrap();
    let checkpoint = Checkpoint {
        state: serde_json::from_str(&state).unwrap(),
        tensors: checkpoint.tensors,
    };
    second.restore(&checkpoint).unwrap();
    assert_eq!(second.checkpoint().unwrap(), checkpoint);
    for report in &reports[3..] {
        assert_eq!(one_update(&mut second, &device), *report);
    }
    assert_eq!(
        bytes(&second.checkpoint().unwrap()),
        bytes(&whole.checkpoint().unwrap())
    );
    assert_eq!(second.updates(), 7);
}

#[test]
fn frozen_parameters_keep_their_bits_and_averages_reach_the_module() {
    let device = Device::flex().autodiff();
    let start = Network::new(&device);
    let frozen = start.frozen.weight.val().into_data();
    let mut trainer = Trainer::new(start, settings()).unwrap();
    for _ in 0..4 {
        one_update(&mut trainer, &device);
    }
    assert_eq!(trainer.module().frozen.weight.val().into_data(), frozen);
    let averaged = trainer.averaged_module();
    let found: Vec<f32> = averaged.first.weight.val().inner().try_into_vec_as().unwrap();
    let checkpoint = trainer.checkpoint().unwrap();
    assert_eq!(found, floats(&checkpoint.tensors, "averages.first.weight"));
    assert_ne!(found, floats(&checkpoint.tensors, "weights.first.weight"));
    assert!(!checkpoint.tensors.keys().any(|name| name.contains("frozen")));
}

#[test]
fn numbers_that_are_not_finite_leave_everything_as_it_was() {
    let device = Device::flex().autodiff();
    let mut trainer = Trainer::new(Network::new(&device), settings()).unwrap();
    one_update(&mut trainer, &device);
    let before = trainer.checkpoint().unwrap();
    let rows = |value: f32| {
        let mut rows = vec![0.5; 20];
        rows[7] = value;
        rows
    };
    let error = trainer
        .update([1.0, f32::NAN], |module, value| module.loss(rows(value), &device))
        .unwrap_err();
    assert!(
        matches!(error, TrainingError::NonFiniteLoss { update: 1, micro_batch: 1, value } if value.is_nan()),
        "{error}"
    );
    let error = trainer
        .update([0], |module, _| {
            // Finite loss, infinite slope: the square root at zero.
            module.loss(rows(1.0), &device) + (module.first.weight.val().sum() * 0.0).sqrt()
        })
        .unwrap_err();
    assert!(
        matches!(&error, TrainingError::NonFiniteGradient { update: 1, parameter } if parameter == "first.weight"),
        "{error}"
    );
    assert_eq!(trainer.checkpoint().unwrap(), before);
    let none: [i32; 0] = [];
    let error = trainer
        .update(none, |module, _| module.loss(rows(1.0), &device))
        .unwrap_err();
    assert!(matches!(error, TrainingError::NoMicroBatch));
    let error = trainer
        .update([0], |module, _| module.frozen.weight.val().sum())
        .unwrap_err();
    assert!(matches!(error, TrainingError::NothingToTrain { update: 1 }));
    one_update(&mut trainer, &device);
    assert_eq!(trainer.updates(), 2);
}

#[test]
fn a_parameter_without_gradient_stays_and_catches_up_after_resuming() {
    let device = Device::flex().autodiff();
    let mut trainer = Trainer::new(Network::new(&device), settings()).unwrap();
    one_update(&mut trainer, &device);
    let before = trainer.checkpoint().unwrap();
    trainer
        .update([0], |module: &Network, _| {
            module.first.weight.val().square().sum()
        })
        .unwrap();
    let after = trainer.checkpoint().unwrap();
    assert_eq!(
        after.tensors["weights.second.weight"],
        before.tensors["weights.second.weight"]
    );
    assert_ne!(
        after.tensors["weights.first.weight"],
        before.tensors["weights.first.weight"]
    );
    assert_eq!(after.state.partly_updated["second.weight"], 1);
    assert!(!after.state.partly_updated.contains_key("first.weight"));
    let mut resumed = Trainer::new(Network::new(&device), settings()).unwrap();
    resumed.restore(&after).unwrap();
    assert_eq!(resumed.checkpoint().unwrap(), after);
}

#[test]
fn a_checkpoint_of_something_else_is_refused_and_changes_nothing() {
    let device = Device::flex().autodiff();
    let mut trainer = Trainer::new(Network::new(&device), settings()).unwrap();
    let before = trainer.checkpoint().unwrap();
    let refuse = |trainer: &mut Trainer<Network>, change: &dyn Fn(&mut Checkpoint)| {
        let mut checkpoint = before.clone();
        checkpoint.state.updates = 9;
        change(&mut checkpoint);
        let message = trainer.restore(&checkpoint).unwrap_err().to_string();
        assert_eq!(trainer.checkpoint().unwrap(), before);
        message
    };
    let missing = refuse(&mut trainer, &|checkpoint| {
        checkpoint.tensors.remove("second_moments.second.bias");
    });
    assert!(missing.contains("second_moments.second.bias"), "{missing}");
    let unused = refuse(&mut trainer, &|checkpoint| {
        let tensor = checkpoint.tensors["weights.second.bias"].clone();
        checkpoint
            .tensors
            .insert("weights.frozen.weight".to_owned(), tensor);
    });
    assert!(unused.contains("weights.frozen.weight"), "{unused}");
    let shape = refuse(&mut trainer, &|checkpoint| {
        checkpoint.tensors.get_mut("averages.first.bias").unwrap().shape = vec![4, 4];
    });
    assert!(shape.contains("[4, 4]") && shape.contains("[16]"), "{shape}");
}

#[test]
fn what_is_trained_must_be_f32() {
    let device = Device::flex().autodiff();
    let mut module = Network::new(&device);
    let halves = module
        .first
        .weight
        .val()
        .inner()
        .cast(burn::tensor::FloatDType::F16);
    module.first.weight = Param::from_tensor(halves.autodiff());
    let error = Trainer::new(module, settings()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "Trainable parameter `first.weight` has dtype `f16`, expected `f32`"
    );
}
