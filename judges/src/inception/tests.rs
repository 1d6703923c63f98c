//! The whole network with seeded weights against pytorch-fid's code, made by `tools/goldens/export_judges_sets.py`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use mitune_diffusion::nn::weights::{
    Dtype, HostTensor, SafetensorsFile, TensorMap, TensorSource, WeightsError, parameter_shapes,
    seeded_input_values, seeded_values,
};

use super::model::{NAMES, Network};
use super::{FEATURES, InceptionConfig, InceptionV3, InputScale};

const SEED: u64 = 43;

/// A file as pytorch-fid's, whose tensors are made when they are read.
struct SeededFile(BTreeMap<String, Vec<usize>>);

impl SeededFile {
    fn new() -> Self {
        let mut shapes = BTreeMap::from([
            ("fc.weight".to_owned(), vec![8, FEATURES]),
            ("fc.bias".to_owned(), vec![8]),
        ]);
        for (name, shape) in parameter_shapes(&Network::new(&Device::flex()), &NAMES) {
            match name.strip_suffix(".conv.bias") {
                None => {
                    shapes.insert(name, shape);
                }
                Some(stem) => {
                    for part in ["weight", "bias", "running_mean", "running_var"] {
                        shapes.insert(format!("{stem}.bn.{part}"), shape.clone());
                    }
                }
            }
        }
        Self(shapes)
    }
}

impl TensorSource for SeededFile {
    fn origin(&self) -> String {
        "seeds".to_owned()
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        Some((Dtype::F32, self.0.get(name)?.clone()))
    }

    /// Kernels keep the variance through cuts at zero, and variances are positive.
    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let shape = self.0.get(name).ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })?;
        let mut values = seeded_values(SEED, name, shape);
        for value in &mut values {
            if name.ends_with(".conv.weight") {
                *value *= std::f32::consts::SQRT_2;
            } else if name.ends_with(".running_var") {
                *value += 1.0;
            }
        }
        Ok(HostTensor::from_f32(&values, shape.clone()))
    }
}

fn golden() -> TensorMap {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sets/inception.safetensors");
    SafetensorsFile::open(&path).unwrap().read_all().unwrap()
}

fn relative_error(found: Tensor<2>, expected: &HostTensor) -> f64 {
    assert_eq!(found.dims().to_vec(), expected.shape);
    let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
    let (mut distance, mut length) = (0.0, 0.0);
    for (found, expected) in found.iter().zip(expected.to_f32().unwrap()) {
        distance += (f64::from(*found) - f64::from(expected)).powi(2);
        length += f64::from(expected).powi(2);
    }
    (distance / length).sqrt()
}

/// Small images, not square, so that rows and columns cannot be mistaken for each other.
#[test]
fn features_equal_those_of_pytorch_fid_on_either_scale() {
    let (golden, device) = (golden(), Device::flex());
    let file = SeededFile::new();
    let shape = [2, 139, 107, 3];
    let values = seeded_input_values(SEED, "images", shape.iter().product());
    let images = Tensor::<4>::from_data(TensorData::new(values, shape), &device);
    for (name, input) in [
        ("clean", InputScale::Clean),
        ("pytorch_fid", InputScale::PytorchFid),
    ] {
        let config = InceptionConfig { input };
        let network = InceptionV3::load(&file, config, &device, FloatDType::F32).unwrap();
        let error = relative_error(network.forward(images.clone()), &golden[name]);
        assert!(error < 1e-5, "{name}: {error:.1e}");
    }
}

#[test]
fn files_of_other_networks_are_refused_by_name() {
    let load = |file: &SeededFile| {
        InceptionV3::load(file, InceptionConfig::default(), &Device::flex(), FloatDType::F32)
            .unwrap_err()
            .to_string()
    };
    let mut extra = SeededFile::new();
    extra.0.insert("AuxLogits.fc.weight.extra".to_owned(), vec![3]);
    assert!(load(&extra).contains("unused `AuxLogits.fc.weight.extra`"));
    let mut incomplete = SeededFile::new();
    incomplete.0.remove("Mixed_7c.branch_pool.conv.weight");
    assert!(load(&incomplete).contains("missing `Mixed_7c.branch_pool.conv.weight`"));
    // The file has no such biases: they are made of what follows a convolution.
    assert!(!load(&incomplete).contains("conv.bias"));
    let mut other = SeededFile::new();
    other.0.retain(|name, _| name.starts_with("fc."));
    let error = load(&other);
    assert!(
        error.contains("missing `Conv2d_1a_3x3.conv.weight`") && !error.contains("conv.bias"),
        "{error}"
    );
    let mut narrow = SeededFile::new();
    narrow
        .0
        .insert("Mixed_5b.branch1x1.conv.weight".to_owned(), vec![64, 96, 1, 1]);
    assert!(load(&narrow).contains("`Mixed_5b.branch1x1.conv.weight` has shape [64, 96, 1, 1]"));
}
