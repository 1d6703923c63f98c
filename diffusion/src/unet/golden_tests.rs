//! Every block and whole networks against diffusers, outputs and gradients.
//!
//! The numbers are made by `tools/goldens/export_unet.py`, which computes them in f64.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Gradients, Tensor, TensorData, activation};
use safetensors::SafeTensors;

use super::*;
use crate::weights::{HostTensor, NameTable, SafetensorsFile, TensorMap, TensorSource};
use crate::weights::{load_module, module_tensors};

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

/// From diffusers' order of an image to the one inside the network.
fn rows_first(image: Tensor<4>) -> Tensor<4> {
    image.permute([0, 2, 3, 1])
}

fn channels_first(image: Tensor<4>) -> Tensor<4> {
    image.permute([0, 3, 1, 2])
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

fn check_model(file: &str) {
    let mut case = Case::new(file, "");
    let bytes = std::fs::read(path(file)).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let config = &header.metadata().as_ref().unwrap()["config"];
    let config: UNet2DConditionConfig = serde_json::from_str(config).unwrap();
    let model = case.load(UNet2DConditionModel::new(&config, &case.device));

    let saved = model.stored_tensors(&config);
    let shapes = |tensors: &TensorMap| -> BTreeMap<String, Vec<usize>> {
        let shape = |(name, tensor): (&String, &HostTensor)| (name.clone(), tensor.shape.clone());
        tensors.iter().map(shape).collect()
    };
    assert_eq!(shapes(&saved), shapes(&case.weights));

    let mut linears = BTreeMap::new();
    let mut visited = model.clone();
    visited.named_linears_mut(&mut |name, linear| {
        linears.insert(format!("{name}.weight"), linear.weight.dims().to_vec());
    });
    let matrices = case.weights.iter().filter_map(|(name, tensor)| {
        let is_matrix = tensor.shape.len() == 2 || name.contains(".proj_");
        (is_matrix && name.ends_with(".weight")).then(|| (name.clone(), tensor.shape[..2].to_vec()))
    });
    assert_eq!(linears, matrices.collect());

    let timesteps = case.fixed("timesteps");
    let output = model.forward(
        case.input("sample"),
        timesteps,
        match case.values.contains_key("grad.encoder_hidden_states") {
            true => case.input("encoder_hidden_states"),
            false => case.fixed("encoder_hidden_states"),
        },
    );
    case.check(model, output);
}

#[test]
fn stable_diffusion_1_layout() {
    check_model("sd1");
}

#[test]
fn stable_diffusion_2_layout() {
    check_model("sd2");
}

#[test]
fn three_levels_with_uneven_heads_and_sizes() {
    check_model("three_levels");
}

#[test]
fn no_attention_and_no_middle() {
    check_model("plain");
}

#[test]
fn residual_block() {
    for (name, out_channels, output_scale_factor) in [("resnet", 4, 1.0), ("resnet_shortcut", 6, 1.5)] {
        let mut case = Case::block(name);
        let shape = ResnetShape {
            in_channels: 4,
            out_channels,
            time_features: 6,
            groups: 2,
            epsilon: 1e-5,
            output_scale_factor,
        };
        let block = case.load(ResnetBlock2D::new(&shape, &case.device));
        let time = activation::silu(case.input("temb"));
        let output = block.forward(rows_first(case.input("input_tensor")), time);
        case.check(block, channels_first(output));
    }
}

#[test]
fn attention_to_itself_and_to_context() {
    for (name, context_features) in [("self_attention", 12), ("cross_attention", 6)] {
        let mut case = Case::block(name);
        let shape = AttentionShape {
            features: 12,
            context_features,
            heads: 3,
            head_features: 4,
            upcast: false,
        };
        let block = case.load(Attention::new(&shape, &case.device));
        let tokens = case.input("hidden_states");
        let context = match name {
            "self_attention" => tokens.clone(),
            _ => case.input("encoder_hidden_states"),
        };
        let output = block.forward(tokens, context);
        case.check(block, output);
    }
}

#[test]
fn feed_forward() {
    let mut case = Case::block("feed_forward");
    let block = case.load(FeedForward::new(12, &case.device));
    let output = block.forward(case.input("hidden_states"));
    case.check(block, output);
}

fn transformer_shape(only_cross_attention: bool) -> TransformerShape {
    TransformerShape {
        channels: 12,
        heads: 3,
        context_features: 6,
        layers: 1,
        groups: 4,
        only_cross_attention,
        upcast_attention: false,
    }
}

#[test]
fn transformer_block() {
    for (name, only_cross_attention) in [("basic_block", false), ("only_cross_attention", true)] {
        let mut case = Case::block(name);
        let shape = transformer_shape(only_cross_attention);
        let block = case.load(BasicTransformerBlock::new(&shape, &case.device));
        let tokens = case.input("hidden_states");
        let output = block.forward(tokens, case.input("encoder_hidden_states"));
        case.check(block, output);
    }
}

#[test]
fn transformer_with_both_kinds_of_projection() {
    for name in ["transformer_conv", "transformer_linear"] {
        let mut case = Case::block(name);
        let shape = transformer_shape(false);
        let block = case.load(Transformer2DModel::new(&shape, &case.device));
        let image = rows_first(case.input("hidden_states"));
        let output = block.forward(image, case.input("encoder_hidden_states"));
        case.check(block, channels_first(output));
    }
}

#[test]
fn halving_and_doubling() {
    for (name, padding) in [("downsample", 1), ("downsample_unpadded", 0)] {
        let mut case = Case::block(name);
        let block = case.load(Downsample2D::new(4, padding, &case.device));
        let output = block.forward(rows_first(case.input("hidden_states")));
        case.check(block, channels_first(output));
    }
    let mut case = Case::block("upsample");
    let block = case.load(Upsample2D::new(4, &case.device));
    let output = block.forward(rows_first(case.input("hidden_states")), None);
    case.check(block, channels_first(output));
}

#[test]
fn time_embedding() {
    let mut case = Case::block("time_embedding");
    let block = case.load(TimestepEmbedding::new(8, 12, &case.device));
    let output = block.forward(case.input("sample"));
    case.check(block, output);
}

#[test]
fn sines_and_cosines_of_timesteps() {
    for (name, flip_sin_to_cos, freq_shift) in [
        ("timesteps_flipped", true, 0.0),
        ("timesteps_straight", false, 1.0),
    ] {
        let case = Case::block(name);
        let embedding = Timesteps {
            features: 10,
            flip_sin_to_cos,
            freq_shift,
        };
        let output = embedding.forward(case.fixed("timesteps"));
        case.compare("output", &values_of(output), OUTPUT_TOLERANCE);
    }
}
