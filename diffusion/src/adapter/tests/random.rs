//! Random adapters against PEFT: single layers, and whole denoisers through files of every form.
//!
//! Largest errors measured, relative to the largest value: layers and merged weights 4.1e-7, denoisers 1.6e-6.

use std::collections::BTreeMap;

use burn::tensor::FloatDType;
use serde::Deserialize;

use super::*;
use crate::conditioning::{AddedConditioning, Conditioning};
use crate::model::ModelDirectory;
use crate::nn::kernels::Window;
use crate::nn::layers::Conv2d;
use crate::nn::weights::{seeded_input, seeded_values};

#[derive(Deserialize)]
struct LayerCase {
    kind: String,
    inputs: usize,
    outputs: usize,
    bias: bool,
    rank: usize,
    alpha: f64,
    dora: bool,
    scale: f64,
    seed: u64,
}

#[derive(Deserialize)]
struct DenoiserCase {
    model: String,
    targets: Vec<String>,
    rank: usize,
    alpha: f64,
    dora: bool,
    scale: f64,
    seed: u64,
    ranks: BTreeMap<String, usize>,
    alphas: BTreeMap<String, f64>,
}

fn folder(part: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(part)
}

fn cases<T: serde::de::DeserializeOwned>(name: &str) -> (Vec<T>, TensorMap) {
    let folder = folder("adapter_layers");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let tensors = SafetensorsFile::open(&folder.join(format!("{name}.safetensors"))).unwrap();
    (serde_json::from_str(&text).unwrap(), tensors.read_all().unwrap())
}

/// The adapter of a layer with the values that the exporter gives it.
fn seeded(name: &str, seed: u64, shape: LayerShape, rank: usize, alpha: f64, dora: bool) -> SavedLayer {
    let drawn = |part: &str, shape: &[usize]| seeded_values(seed, &format!("{name}.{part}.weight"), shape);
    let lora_b = drawn("lora_B", &[shape.outputs, rank]);
    SavedLayer {
        lora_a: drawn("lora_A", &[rank, shape.columns()]),
        lora_b: lora_b.into_iter().map(|value| value * 0.25).collect(),
        magnitude: dora.then(|| drawn("lora_magnitude_vector", &[shape.outputs])),
        rank,
        alpha,
        shape,
    }
}

/// A model of one layer.
#[derive(Module, Debug)]
enum Layer {
    Linear(Linear),
    Conv2d(Conv2d),
}

impl AdaptTarget for Layer {
    fn layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        match self {
            Self::Linear(linear) => visit("to_q", AdaptableLayer::Linear(linear)),
            Self::Conv2d(conv) => visit("to_q", AdaptableLayer::Conv2d(conv)),
        }
    }
}

impl LayerCase {
    fn shape(&self) -> LayerShape {
        let kernel = match self.kind.as_str() {
            "linear" => None,
            "conv1" => Some([1, 1]),
            _ => Some([3, 3]),
        };
        LayerShape {
            outputs: self.outputs,
            inputs: self.inputs,
            kernel,
        }
    }

    fn layer(&self, device: &Device) -> Layer {
        let shape = self.shape();
        let values = |part: &str, shape: &[usize]| {
            TensorData::new(
                seeded_values(self.seed, &format!("to_q.{part}"), shape),
                shape.to_vec(),
            )
        };
        let bias = || Tensor::<1>::from_data(values("bias", &[self.outputs]), device);
        let Some([kernel, _]) = shape.kernel else {
            let mut linear = Linear::new(self.inputs, self.outputs, Bias::Absent, device);
            let weight = values("weight", &[self.outputs, self.inputs]);
            linear.weight = Param::from_tensor(Tensor::from_data(weight, device));
            linear.bias = self.bias.then(|| Param::from_tensor(bias()));
            return Layer::Linear(linear);
        };
        let window = Window {
            stride: if self.kind == "down" { 2 } else { 1 },
            before: kernel / 2,
            after: kernel / 2,
        };
        let mut conv = Conv2d::new([self.inputs, self.outputs], kernel, window, device);
        let weight = values("weight", &[self.outputs, self.inputs, kernel, kernel]);
        conv.weight = Param::from_tensor(Tensor::from_data(weight, device));
        conv.bias = Param::from_tensor(bias());
        Layer::Conv2d(conv)
    }

    fn output(&self, layer: &Layer, device: &Device) -> Vec<f32> {
        match layer {
            Layer::Linear(linear) => {
                host(linear.forward(seeded_input(self.seed, "x", [3, self.inputs], device)))
            }
            Layer::Conv2d(conv) => {
                let x = seeded_input(self.seed, "x", [2, self.inputs, 4, 6], device);
                host(conv.forward(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]))
            }
        }
    }
}

#[test]
fn seventy_two_random_layers_agree_with_peft() {
    let device = Device::flex();
    let (cases, golden) = cases::<LayerCase>("layers");
    assert_eq!(cases.len(), 72);
    for case in &cases {
        let adapter = seeded("to_q", case.seed, case.shape(), case.rank, case.alpha, case.dora);
        let saved = SavedAdapter::of_layers([("to_q".to_owned(), adapter)].into()).unwrap();
        let expected = |key: &str| floats(&golden, &format!("{}.{key}", case.seed));
        let mut layer = case.layer(&device);
        saved.attach(&mut layer).unwrap();
        multiply_scale(&mut layer, case.scale);
        let what = format!("seed {}", case.seed);
        assert_close(&case.output(&layer, &device), &expected("output"), 2e-6, &what);
        merge(&mut layer);
        let mut rows = Vec::new();
        layer.layers_mut(&mut |_, layer| rows = host(layer.rows()));
        assert_close(&rows, &expected("merged"), 2e-6, &what);
        assert_close(&case.output(&layer, &device), &expected("output"), 4e-6, &what);
    }
}

#[test]
fn twenty_four_random_adapters_of_denoisers_agree_with_peft() {
    let device = Device::flex();
    let (cases, golden) = cases::<DenoiserCase>("denoisers");
    assert_eq!(cases.len(), 24);
    for case in &cases {
        let directory = ModelDirectory::open(&folder("models").join(&case.model)).unwrap();
        let unet = directory.load_unet(&device, FloatDType::F32).unwrap();
        let targets = AdapterTargets {
            attention: false,
            feed_forward: false,
            modules: case.targets.clone(),
        };
        let mut layers = BTreeMap::new();
        unet.clone().layers_mut(&mut |name, layer| {
            if targets.contains(name) {
                let rank = case.ranks.get(name).copied().unwrap_or(case.rank);
                let alpha = case.alphas.get(name).copied().unwrap_or(case.alpha);
                let layer = seeded(name, case.seed, layer.shape(), rank, alpha, case.dora);
                layers.insert(name.to_owned(), layer);
            }
        });
        let config = directory.unet_config();
        let saved = SavedAdapter::of_layers(layers)
            .unwrap()
            .with_stored_shapes(|name, shape| config.stored_shape(name, shape));
        let forms = [
            saved.to_bytes("unet", Dtype::F32).unwrap(),
            saved.to_kohya_bytes("unet", Dtype::F32).unwrap(),
        ];
        for (form, bytes) in forms.iter().enumerate() {
            let read = SavedAdapter::from_bytes(bytes, "unet").unwrap();
            assert_eq!(read, saved);
            let mut adapted = unet.clone();
            read.attach(&mut adapted).unwrap();
            multiply_scale(&mut adapted, case.scale);
            if form == 1 {
                merge(&mut adapted);
            }
            let context = config.cross_attention_dim[0];
            let added = (case.model == "sdxl").then(|| {
                let sizes = vec![16.0_f32, 16.0, 0.0, 0.0, 16.0, 16.0];
                AddedConditioning {
                    text_embeds: seeded_input(case.seed, "pooled", [1, 20], &device),
                    time_ids: Some(Tensor::from_data(TensorData::new(sizes, [1, 6]), &device)),
                }
            });
            let conditioning = Conditioning {
                context: seeded_input(case.seed, "context", [1, 7, context], &device),
                value_context: None,
                key_contexts: None,
                added,
            };
            let output = adapted.forward(
                seeded_input(case.seed, "sample", [1, 4, 8, 8], &device),
                Tensor::from_data(TensorData::new(vec![321.0_f32], [1]), &device),
                &conditioning,
            );
            let expected = floats(&golden, &format!("{}.output", case.seed));
            assert_close(&host(output), &expected, 1e-5, &format!("seed {}", case.seed));
        }
    }
}
