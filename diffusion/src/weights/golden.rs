//! Reads golden tensors and measures how far results are from them.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};

use super::{SafetensorsFile, TensorMap, TensorSource};

/// A path under this crate's folder of golden files.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(relative)
}

/// Every tensor of a golden file.
pub(crate) fn tensors(relative: &str) -> TensorMap {
    SafetensorsFile::open(&path(relative))
        .unwrap()
        .read_all()
        .unwrap()
}

/// A golden tensor on a device.
pub(crate) fn tensor<const D: usize>(tensors: &TensorMap, name: &str, device: &Device) -> Tensor<D> {
    let golden = &tensors[name];
    Tensor::from_data(
        TensorData::new(golden.to_f32().unwrap(), golden.shape.clone()),
        device,
    )
}

/// Euclidean distance from the golden tensor, relative to its length.
pub(crate) fn relative_error<const D: usize>(found: Tensor<D>, tensors: &TensorMap, name: &str) -> f64 {
    let golden = &tensors[name];
    assert_eq!(found.dims().to_vec(), golden.shape, "{name}");
    let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
    let (mut distance, mut length) = (0.0, 0.0);
    for (found, golden) in found.iter().zip(golden.to_f32().unwrap()) {
        distance += (f64::from(*found) - f64::from(golden)).powi(2);
        length += f64::from(golden).powi(2);
    }
    (distance / length).sqrt()
}
