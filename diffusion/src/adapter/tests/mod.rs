//! The properties an adapter must have, and agreement with PEFT and diffusers.

mod arithmetic;
mod errors;
mod files;
mod golden;
mod kohya;
mod properties;
mod random;

use std::path::PathBuf;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};

use super::*;
use crate::nn::layers::{AdaptTarget, AdaptableLayer, Bias, LayerShape, Linear};
use crate::nn::weights::{Dtype, HostTensor, SafetensorsFile, TensorMap, TensorSource};
use crate::training::{train_only, trainable_parameters};

/// Two adaptable layers and one that is not, named as in diffusers.
#[derive(Module, Debug)]
struct Block {
    attn1: Attention,
    proj_in: Linear,
}

#[derive(Module, Debug)]
struct Attention {
    to_q: Linear,
    to_out: Vec<Linear>,
}

impl Block {
    fn new(device: &Device) -> Self {
        Self {
            attn1: Attention {
                to_q: Linear::new(6, 7, Bias::Absent, device),
                to_out: vec![Linear::new(7, 6, Bias::Present, device)],
            },
            proj_in: Linear::new(6, 6, Bias::Present, device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.attn1.to_q.forward(self.proj_in.forward(x));
        self.attn1.to_out[0].forward(activation::tanh(x))
    }

    fn linears_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Linear)) {
        visit("attn1.to_q", &mut self.attn1.to_q);
        visit("attn1.to_out.0", &mut self.attn1.to_out[0]);
        visit("proj_in", &mut self.proj_in);
    }
}

impl AdaptTarget for Block {
    fn layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.linears_mut(&mut |name, linear| visit(name, AdaptableLayer::Linear(linear)));
    }
}

fn config(method: AdapterMethod) -> AdapterConfig {
    AdapterConfig {
        method,
        rank: 3,
        alpha: 4.5,
        ..AdapterConfig::default()
    }
}

/// A layer with values of its own.
fn layer(tag: &str, shape: LayerShape, rank: usize, alpha: f64) -> SavedLayer {
    SavedLayer {
        lora_a: values(&format!("{tag} A"), rank * shape.columns()),
        lora_b: values(&format!("{tag} B"), shape.outputs * rank),
        magnitude: None,
        rank,
        alpha,
        shape,
    }
}

/// An adapter of linear layers and convolutions that differ in rank and alpha.
fn varied(method: AdapterMethod) -> SavedAdapter {
    let shape = |outputs, inputs, kernel| LayerShape {
        outputs,
        inputs,
        kernel,
    };
    let block = "down_blocks.0.attentions.0";
    let mut layers = std::collections::BTreeMap::from([
        (
            format!("{block}.transformer_blocks.0.attn1.to_q"),
            layer("q", shape(5, 4, None), 2, 1.5),
        ),
        (
            format!("{block}.transformer_blocks.0.attn1.to_out.0"),
            layer("out", shape(3, 4, None), 3, 6.0),
        ),
        (
            format!("{block}.proj_in"),
            layer("proj", shape(4, 5, Some([1, 1])), 1, 1.5),
        ),
        (
            "down_blocks.0.resnets.0.conv1".to_owned(),
            layer("conv", shape(2, 3, Some([3, 3])), 2, 0.25),
        ),
    ]);
    if method == AdapterMethod::Dora {
        for layer in layers.values_mut() {
            layer.magnitude = Some(values("m", layer.shape.outputs));
        }
    }
    SavedAdapter::of_layers(layers).unwrap()
}

/// Values that differ from call to call of one test, without a generator.
fn values(tag: &str, count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    let key = crate::noise::text_key(tag);
    crate::noise::NoiseSource::sampling().normal(7, &key, 0, 0, &mut values);
    values
}

fn input(device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(values("input", 60), [2, 5, 6]), device)
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_into_vec_as().unwrap()
}

/// Moves every adapter away from its start.
fn disturb(block: &mut Block) {
    block.linears_mut(&mut |name, linear| {
        let Some(adapter) = &mut linear.adapter else {
            return;
        };
        let [outputs, rank] = adapter.lora_b.dims();
        let data = TensorData::new(values(name, outputs * rank), [outputs, rank]);
        let device = adapter.lora_b.device();
        adapter.lora_b = Param::from_tensor(Tensor::from_data(data, &device));
        if let Some(magnitude) = adapter.magnitude.take() {
            let lengths = host(magnitude.val());
            let lengths = lengths.iter().zip(values("magnitude", outputs));
            let lengths = lengths
                .map(|(length, value)| length * (1.0 + 0.2 * value))
                .collect();
            adapter.magnitude = Some(attach::parameter(lengths, [outputs], &device));
        }
    });
}

fn disturbed(method: AdapterMethod, device: &Device) -> Block {
    let mut block = Block::new(device);
    attach(&mut block, &config(method)).unwrap();
    disturb(&mut block);
    block
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= tolerance * scale,
            "{what}: {found} {expected}"
        );
    }
}

fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/training")
        .join(name)
}

fn golden(name: &str) -> TensorMap {
    SafetensorsFile::open(&golden_path(name))
        .unwrap()
        .read_all()
        .unwrap()
}

fn floats(tensors: &TensorMap, name: &str) -> Vec<f32> {
    tensors[name].to_f32().unwrap()
}

fn tensor<const D: usize>(tensors: &TensorMap, name: &str, device: &Device) -> Tensor<D> {
    Tensor::from_data(
        TensorData::new(floats(tensors, name), tensors[name].shape.clone()),
        device,
    )
}

/// The golden block with PEFT's weights in the base layers.
fn golden_block(tensors: &TensorMap, device: &Device) -> Block {
    let mut block = Block::new(device);
    block.linears_mut(&mut |name, linear| {
        let weight = tensor(tensors, &format!("parameter.{name}.weight"), device);
        linear.weight = Param::from_tensor(weight);
        if linear.bias.is_some() {
            let bias = tensor(tensors, &format!("parameter.{name}.bias"), device);
            linear.bias = Some(Param::from_tensor(bias));
        }
    });
    block
}
