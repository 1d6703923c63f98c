//! DPOK's value network: the reward that a noisy latent of a prompt may be expected to end with.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation};

use super::parameters::{rewrite_trainable, train_only, trainable_parameters};
use crate::nn::layers::{Bias, Linear};
use crate::noise::{NoiseSource, START};

/// Width of the hidden layers.
const WIDTH: usize = 256;

const INITIAL_VALUES: &str = "mitune value network initial values v1";

/// Latent and text side by side, three layers of 256 and one number, as in the authors' code (Fan et al. 2023, arXiv
/// 2305.16381).
///
/// The output of each hidden layer is scaled, number by number, by a vector that is learnt for each step of the
/// sampler. Fields are named as the authors' are, so that weights go by the same names.
#[derive(Module, Debug)]
pub struct ValueNetwork {
    lin1: ScaledLinear,
    lin2: ScaledLinear,
    lin3: ScaledLinear,
    lin4: Linear,
}

/// A layer whose output a vector of its step scales.
#[derive(Module, Debug)]
struct ScaledLinear {
    lin: Linear,
    embed: StepVectors,
}

/// A vector for each step, `[steps, width]`.
#[derive(Module, Debug)]
struct StepVectors {
    weight: Param<Tensor<2>>,
}

/// How large the inputs of a value network are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueNetworkShape {
    /// Numbers of a latent.
    pub latent: usize,
    /// Numbers of an encoded prompt.
    pub text: usize,
    /// Steps of the sampler.
    pub steps: usize,
}

impl ValueNetwork {
    /// Makes a network, all of it trainable, whose initial values follow from the seed.
    ///
    /// As in the authors' code, weights are normal with variance `2 / (in + out)` (Glorot and Bengio 2010), biases
    /// uniform within `1 / sqrt(in)`, and the vectors of steps uniform in 0..1.
    pub fn new(shape: ValueNetworkShape, seed: u64, device: &Device) -> Self {
        initialize(train_only(Self::shaped(shape, device), |_| true), seed)
    }

    /// A network of PyTorch's initial values, whose vectors of steps are zeros.
    pub(super) fn shaped(shape: ValueNetworkShape, device: &Device) -> Self {
        let scaled = |inputs| ScaledLinear {
            lin: Linear::new(inputs, WIDTH, Bias::Present, device),
            embed: StepVectors {
                weight: Param::from_tensor(Tensor::zeros([shape.steps, WIDTH], (device, DType::F32))),
            },
        };
        Self {
            lin1: scaled(shape.latent + shape.text),
            lin2: scaled(WIDTH),
            lin3: scaled(WIDTH),
            lin4: Linear::new(WIDTH, 1, Bias::Present, device),
        }
    }

    /// What the images of these latents may be expected to be worth.
    ///
    /// # Shapes
    /// - latents: `[batch, numbers of a latent]`, text: `[batch, numbers of an encoded prompt]`
    /// - steps: one for each row, from 0
    /// - output: `[batch]`
    ///
    /// # Panics
    /// A shape is another, or there is no such step.
    pub fn forward(&self, latents: Tensor<2>, text: Tensor<2>, steps: &[usize]) -> Tensor<1> {
        let batch = steps.len();
        let device = latents.device();
        let steps = steps.iter().map(|&step| step as i32).collect();
        let steps = Tensor::<1, Int>::from_data(TensorData::new(steps, [batch]), (&device, DType::I32));
        let mut x = Tensor::cat(vec![latents, text], 1);
        for layer in [&self.lin1, &self.lin2, &self.lin3] {
            let scale = layer.embed.weight.val().select(0, steps.clone());
            x = activation::relu(layer.lin.forward(x) * scale);
        }
        self.lin4.forward(x).reshape([batch])
    }
}

fn initialize(network: ValueNetwork, seed: u64) -> ValueNetwork {
    let shapes: BTreeMap<String, Vec<usize>> = trainable_parameters(&network)
        .into_iter()
        .map(|parameter| (parameter.name, parameter.shape))
        .collect();
    // The bias of a layer is drawn by the number of its inputs, which its weight tells.
    let inputs = |name: &str| {
        let weight = name.replace(".bias", ".weight");
        shapes.get(&weight).and_then(|shape| shape.get(1)).copied()
    };
    rewrite_trainable(network, |name, values| {
        if name.ends_with("embed.weight") {
            fill_uniform(seed, name, values);
        } else if name.ends_with("bias") {
            let bound = 1.0 / (inputs(name).unwrap_or(1) as f32).sqrt();
            fill_uniform(seed, name, values);
            values
                .iter_mut()
                .for_each(|value| *value = (*value * 2.0 - 1.0) * bound);
        } else if let Some(&[outputs, inputs]) = shapes.get(name).map(Vec::as_slice) {
            let deviation = (2.0 / (inputs + outputs) as f32).sqrt();
            let content = blake3::derive_key(INITIAL_VALUES, name.as_bytes());
            NoiseSource::sampling().normal(seed, &content, 0, START, values);
            values.iter_mut().for_each(|value| *value *= deviation);
        }
    })
}

/// Uniform numbers in 0..1, each with 24 random bits.
fn fill_uniform(seed: u64, name: &str, values: &mut [f32]) {
    let mut hasher = blake3::Hasher::new_derive_key(INITIAL_VALUES);
    hasher.update(&seed.to_le_bytes());
    hasher.update(name.as_bytes());
    let mut words = hasher.finalize_xof();
    let mut bytes = [0; 4];
    for value in values {
        words.fill(&mut bytes);
        *value = (u32::from_le_bytes(bytes) >> 8) as f32 / (1_u32 << 24) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ValueNetworkShape = ValueNetworkShape {
        latent: 32,
        text: 8,
        steps: 5,
    };

    fn values(network: &ValueNetwork) -> Vec<(String, Vec<f32>)> {
        let mut found = Vec::new();
        rewrite_trainable(network.clone(), |name, values| {
            found.push((name.to_owned(), values.to_vec()));
        });
        found
    }

    #[test]
    fn initial_values_follow_from_the_seed_and_have_the_spread_of_the_authors() {
        let device = Device::flex();
        let network = ValueNetwork::new(SHAPE, 3, &device);
        let first = values(&network);
        assert_eq!(values(&ValueNetwork::new(SHAPE, 3, &device)), first);
        assert_ne!(values(&ValueNetwork::new(SHAPE, 4, &device)), first);
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        for expected in ["lin1.lin.weight", "lin3.embed.weight", "lin4.bias"] {
            assert!(names.contains(&expected), "{names:?}");
        }
        for (name, values) in &first {
            let count = values.len() as f32;
            let mean = values.iter().sum::<f32>() / count;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
            let (expected_mean, expected) = match name.as_str() {
                "lin1.lin.weight" => (0.0, 2.0 / (40.0 + 256.0)),
                "lin2.lin.weight" => (0.0, 2.0 / 512.0),
                "lin1.embed.weight" => (0.5, 1.0 / 12.0),
                "lin2.lin.bias" => (0.0, 1.0 / 256.0 / 3.0),
                _ => continue,
            };
            assert!((mean - expected_mean).abs() < 0.05, "{name}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.25, "{name}: {variance}");
        }
    }

    #[test]
    fn a_step_scales_every_hidden_layer_by_its_own_vector() {
        let device = Device::flex();
        let network = ValueNetwork::new(SHAPE, 1, &device);
        let inputs = |width, value| Tensor::<2>::full([2, width], value, &device.clone().autodiff());
        let worth = |steps: [usize; 2]| -> Vec<f32> {
            let values = network.forward(inputs(32, 0.5), inputs(8, -0.25), &steps);
            values.inner().try_into_vec_as().unwrap()
        };
        let [same, other] = [worth([2, 2]), worth([2, 3])];
        assert_eq!(same[0], same[1]);
        assert_eq!(other[0], same[0]);
        assert_ne!(other[0], other[1]);
    }
}
