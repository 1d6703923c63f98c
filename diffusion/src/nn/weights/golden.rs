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

/// A random configuration of `tools/goldens/export_random.py`; weights and inputs follow from its
/// seed.
#[derive(serde::Deserialize)]
pub(crate) struct RandomCase {
    pub(crate) seed: u64,
    pub(crate) config: serde_json::Value,
    pub(crate) inputs: serde_json::Value,
}

impl RandomCase {
    /// An input of the shape that the case says.
    pub(crate) fn input<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let shape: Vec<usize> = self.numbers(name);
        super::seeded_input(self.seed, name, shape.try_into().unwrap(), device)
    }

    /// Numbers of the inputs.
    pub(crate) fn numbers<T: serde::de::DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_value(self.inputs[name].clone()).unwrap()
    }

    /// Fills a module of the case's configuration.
    pub(crate) fn fill<M: burn::module::Module>(&self, module: M, names: &super::NameTable<'_>) -> M {
        let tensors = super::SeededTensors::new(self.seed, super::Dtype::F32, &module, names);
        super::load_module(module, &tensors, names, burn::tensor::FloatDType::F32).unwrap()
    }
}

/// Runs every random configuration of a network, which gives named outputs, and checks each against
/// the file; returns the largest relative error of each name.
pub(crate) fn check_random_cases(
    network: &str,
    tolerance: f64,
    run: impl Fn(&RandomCase) -> Vec<(&'static str, Tensor<4>)>,
) {
    let text = std::fs::read(path(&format!("random/{network}.json"))).unwrap();
    let cases: Vec<RandomCase> = serde_json::from_slice(&text).unwrap();
    assert!(cases.len() >= if network == "tiling" { 10 } else { 50 });
    let expected = tensors(&format!("random/{network}.safetensors"));
    let mut largest = std::collections::BTreeMap::new();
    for case in &cases {
        for (name, found) in run(case) {
            let golden = &expected[&format!("{:03}.{name}", case.seed)];
            let count: usize = golden.shape.iter().product();
            assert_eq!(found.dims().iter().product::<usize>(), count, "{name}");
            let flat = TensorMap::from([(
                name.to_owned(),
                super::HostTensor {
                    shape: vec![count],
                    ..golden.clone()
                },
            )]);
            let error = relative_error(found.reshape([count]), &flat, name);
            assert!(
                error < tolerance,
                "{network} {} {name}: {error:.1e} with {}",
                case.seed,
                case.config
            );
            let largest = largest.entry(name).or_insert(0.0_f64);
            *largest = largest.max(error);
        }
    }
    for (name, error) in largest {
        let count = cases.len();
        println!("{network} {name}: {count} random configurations, largest relative error {error:.1e}");
    }
}
