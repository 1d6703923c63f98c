use std::path::PathBuf;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::floats;
use crate::nn::weights::{SafetensorsFile, TensorMap, TensorSource};
use crate::training::*;

#[derive(Module, Debug)]
struct TwoParameters {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

fn golden() -> TensorMap {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/training/optimizer.safetensors");
    SafetensorsFile::open(&path).unwrap().read_all().unwrap()
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

#[test]
fn ten_accumulated_clipped_updates_agree_with_pytorch() {
    let device = Device::flex().autodiff();
    let tensors = golden();
    let start = |name: &str, shape: &[usize]| TensorData::new(floats(&tensors, name), shape.to_vec());
    let module = TwoParameters {
        weight: Param::from_tensor(Tensor::from_data(start("weight.start", &[5, 4]), &device)),
        bias: Param::from_tensor(Tensor::from_data(start("bias.start", &[7]), &device)),
    };
    let settings = TrainerSettings {
        optimizer: AdamW {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-6,
            weight_decay: 0.1,
        },
        learning_rate: LearningRate {
            peak: 3e-2,
            warmup: 2,
            decay: Decay::Cosine { total: 12 },
        },
        clip_norm: Some(1.0),
        average: None,
    };
    let mut trainer = Trainer::new(module, settings).unwrap();
    let weight_gradients = floats(&tensors, "weight.gradients");
    let bias_gradients = floats(&tensors, "bias.gradients");
    let (norms, rates) = (floats(&tensors, "norms"), floats(&tensors, "rates"));
    for update in 0..10 {
        let report = trainer
            .update(0..3, |module: &TwoParameters, micro_batch| {
                let at = update * 3 + micro_batch;
                let weight = weight_gradients[at * 20..][..20].to_vec();
                let bias = bias_gradients[at * 7..][..7].to_vec();
                let weight = Tensor::<2>::from_data(TensorData::new(weight, [5, 4]), &device);
                let bias = Tensor::<1>::from_data(TensorData::new(bias, [7]), &device);
                (module.weight.val() * weight).sum() + (module.bias.val() * bias).sum()
            })
            .unwrap();
        assert!((report.gradient_norm / f64::from(norms[update]) - 1.0).abs() < 1e-5);
        assert!((report.learning_rate - f64::from(rates[update])).abs() < 1e-9);
        let module = trainer.module();
        let weight: Vec<f32> = module.weight.val().inner().try_into_vec_as().unwrap();
        let bias: Vec<f32> = module.bias.val().inner().try_into_vec_as().unwrap();
        let what = format!("update {update}");
        assert_close(
            &weight,
            &floats(&tensors, "weight.after")[update * 20..][..20],
            &what,
        );
        assert_close(&bias, &floats(&tensors, "bias.after")[update * 7..][..7], &what);
    }
    let checkpoint = trainer.checkpoint().unwrap();
    for (ours, theirs) in [
        ("first_moments", "first_moment"),
        ("second_moments", "second_moment"),
    ] {
        let found = floats(&checkpoint.tensors, &format!("{ours}.weight"));
        assert_close(&found, &floats(&tensors, &format!("weight.{theirs}")), ours);
    }
}
