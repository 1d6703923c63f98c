//! Every block and whole networks against diffusers, outputs and gradients.
//!
//! The numbers are made by `tools/goldens/export_unet.py`, which computes them in f64.

mod attention_maps;
mod blocks;
mod networks;
mod random;

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Gradients, Tensor, TensorData};

use super::PARAMETER_RENAMES;
use crate::nn::weights::{HostTensor, NameTable, SafetensorsFile, TensorMap, TensorSource};
use crate::nn::weights::{load_module, module_tensors};

const NAMES: NameTable<'static> = NameTable {
    rename: PARAMETER_RENAMES,
    former: &[],
    ignored: &[],
};
/// Relative L2 distance of an output; f32 arithmetic reaches some 5e-7.
const OUTPUT_TOLERANCE: f64 = 1e-5;
/// The same for a gradient. Group norms cancel most of the time embedding's gradient, and PyTorch's
/// own f32 is up to 5e-5 away from its f64 on these cases.
const GRADIENT_TOLERANCE: f64 = 1e-4;

/// Tensors of one golden case and what is computed here from its inputs.
struct Case {
    name: String,
    weights: TensorMap,
    values: TensorMap,
    leaves: BTreeMap<String, Tensor<1>>,
    device: Device,
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/unet")
        .join(format!("{file}.safetensors"))
}

impl Case {
    fn new(file: &str, prefix: &str) -> Self {
        let all = SafetensorsFile::open(&path(file))
            .and_then(|file| file.read_all())
            .unwrap();
        let (mut weights, mut values) = (TensorMap::new(), TensorMap::new());
        for (name, tensor) in all {
            let Some(name) = name.strip_prefix(prefix) else {
                continue;
            };
            match name.strip_prefix("weights.") {
                Some(name) => weights.insert(name.to_owned(), tensor),
                None => values.insert(name.to_owned(), tensor),
            };
        }
        assert!(values.contains_key("output"), "`{prefix}` is in `{file}`");
        Self {
            name: format!("{file} {prefix}"),
            weights,
            values,
            leaves: BTreeMap::new(),
            device: Device::flex().autodiff(),
        }
    }

    fn block(name: &str) -> Self {
        Self::new("blocks", &format!("{name}/"))
    }

    fn load<M: Module>(&self, module: M) -> M {
        load_module(module, &self.weights, &NAMES, FloatDType::F32).unwrap()
    }

    fn fixed<const D: usize>(&self, name: &str) -> Tensor<D> {
        let HostTensor { shape, .. } = &self.values[name];
        let values = self.values[name].to_f32().unwrap();
        Tensor::from_data(TensorData::new(values, shape.clone()), &self.device)
    }

    /// An input whose gradient is checked too.
    fn input<const D: usize>(&mut self, name: &str) -> Tensor<D> {
        let value = self.fixed::<D>(name);
        let shape = value.shape();
        let count = shape.num_elements();
        let leaf = value.reshape([count]).require_grad();
        self.leaves.insert(name.to_owned(), leaf.clone());
        leaf.reshape(shape)
    }

    fn check<M: Module, const D: usize>(&self, module: M, output: Tensor<D>) {
        self.compare("output", &values_of(output.clone()), OUTPUT_TOLERANCE);
        let gradients = (output * self.fixed("cotangent")).sum().backward();
        let mut computed = gradients_of(module, &gradients);
        for (name, leaf) in &self.leaves {
            let gradient = leaf.grad(&gradients).unwrap();
            computed.insert(name.clone(), values_of(gradient));
        }
        let expected = self.values.keys().filter_map(|key| key.strip_prefix("grad."));
        let mut count = 0;
        for name in expected {
            self.compare(&format!("grad.{name}"), &computed[name], GRADIENT_TOLERANCE);
            count += 1;
        }
        assert!(count > self.leaves.len(), "gradients of parameters are there");
    }

    fn compare(&self, name: &str, computed: &[f32], tolerance: f64) {
        let expected = self.values[name].to_f32().unwrap();
        let distance = relative_distance(computed, &expected);
        assert!(distance < tolerance, "{} {name}: {distance:e}", self.name);
    }
}

fn values_of<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn relative_distance(computed: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(computed.len(), expected.len());
    let pairs = || {
        computed
            .iter()
            .zip(expected)
            .map(|(&a, &b)| (f64::from(a), f64::from(b)))
    };
    let squared_error: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
    let squared_norm: f64 = pairs().map(|(_, b)| b.powi(2)).sum();
    (squared_error / squared_norm).sqrt()
}

/// Gradients of all parameters by diffusers name.
fn gradients_of<M: Module>(module: M, gradients: &Gradients) -> BTreeMap<String, Vec<f32>> {
    struct Replace<'a>(&'a Gradients);
    impl ModuleMapper for Replace<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match param.val().grad(self.0) {
                Some(gradient) => Param::initialized(param.id, gradient),
                None => Param::initialized(param.id, param.val().inner() * f32::NAN),
            }
        }
    }
    let module = module.map(&mut Replace(gradients));
    module_tensors(&module, &NAMES)
        .into_iter()
        .map(|(name, tensor)| (name, tensor.to_f32().unwrap()))
        .collect()
}
