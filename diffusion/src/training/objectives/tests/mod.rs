//! Losses and gradients against PyTorch, and what must hold between the objectives.

mod ddpo;
mod golden;
mod preferences;
mod rewards;

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::ComparedItems;
use crate::nn::weights::seeded_input_values;

const SEED: u64 = 83;
const SHAPE: [usize; 4] = [3, 2, 2, 4];

fn device() -> Device {
    Device::flex().autodiff()
}

/// Seeded values in f64.
fn seeded<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    let values = seeded_input_values(SEED, name, shape.iter().product());
    numbers(values.into_iter().map(f64::from).collect(), shape)
}

fn numbers<const D: usize>(values: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), (&device(), DType::F64))
}

/// One item for each value, all elements alike.
fn flat(values: &[f64]) -> Tensor<4> {
    let repeated = values.iter().flat_map(|value| [*value; 4]).collect();
    numbers(repeated, [values.len(), 1, 2, 2])
}

/// Items whose predictions are this far from those of the reference.
fn compared(name: &str, distance: f64) -> ComparedItems {
    let target = seeded(&format!("{name} target"), SHAPE);
    let reference = target.clone() + seeded(&format!("{name} reference"), SHAPE) * 0.3;
    let prediction = reference.clone() + seeded(&format!("{name} prediction"), SHAPE) * distance;
    ComparedItems {
        prediction,
        reference,
        target,
    }
}

/// The same items with a prediction that a gradient can be asked for.
fn tracked(items: ComparedItems) -> (Tensor<4>, ComparedItems) {
    let prediction = items.prediction.detach().require_grad();
    let items = ComparedItems {
        prediction: prediction.clone(),
        ..items
    };
    (prediction, items)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.inner().cast(DType::F64).try_into_vec_as().unwrap()
}

fn value(tensor: Tensor<1>) -> f64 {
    let values = values(tensor);
    assert_eq!(values.len(), 1);
    values[0]
}

fn assert_near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} {expected}");
}
