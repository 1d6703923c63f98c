use burn::module::Module;

use super::parameters::{rewrite_trainable, trainable_parameters};
use crate::noise::{NoiseSource, START, text_key};

/// Draws the initial value of every trainable parameter from a seed, each from a stream of its own.
///
/// A training must start from the same weights on every machine, which a process-wide generator
/// cannot promise. Matrices and kernels are normal with deviation `1 / sqrt(3 fan_in)`, the
/// deviation of PyTorch's default; biases are 0; the gains of normalizations keep their 1. The vector of a class token
/// is drawn like a row of an embedding.
pub fn initialize<M: Module>(module: M, seed: u64) -> M {
    let shapes: std::collections::BTreeMap<String, Vec<usize>> = trainable_parameters(&module)
        .into_iter()
        .map(|parameter| (parameter.name, parameter.shape))
        .collect();
    let noise = NoiseSource::sampling();
    rewrite_trainable(module, |name, values| {
        let shape = shapes.get(name).map_or(&[][..], Vec::as_slice);
        let is_class_token = name.ends_with("class_embedding");
        if shape.len() < 2 && !is_class_token {
            if name.ends_with("bias") {
                values.fill(0.0);
            }
            return;
        }
        let fan_in: usize = match shape {
            [width] => *width,
            shape => shape[1..].iter().product(),
        };
        let deviation = 1.0 / (3.0 * fan_in as f32).sqrt();
        noise.normal(seed, &text_key(name), 0, START, values);
        values.iter_mut().for_each(|value| *value *= deviation);
    })
}
