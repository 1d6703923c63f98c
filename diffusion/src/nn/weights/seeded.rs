//! Weights that follow from a seed and a tensor's name.
//!
//! Models for tests and benchmarks need weights that are neither zeros nor a file of gigabytes, and
//! tests against other programs need the same ones there: `tools/goldens/seeded.py` makes these
//! numbers bit by bit. Element `i` of tensor `name` is `scale * u + shift` with `u` uniform in
//! -1..1, the 24 highest bits of output `i` of SplitMix64 (Steele, Lea and Flood 2014) whose state
//! begins at `FNV-1a(name) ^ seed * 0x9E3779B97F4A7C15`.

use std::collections::BTreeMap;

use burn::module::Module;
use half::{bf16, f16};
use safetensors::Dtype;

use super::{HostTensor, NameTable, PartReader, TensorSource, WeightsError, parameter_shapes};

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Every tensor of a module, made when it is read.
///
/// Matrices and kernels have variance 1 / fan-in, so that activations neither grow nor vanish;
/// scales of norms (`weight` with one axis) are within 1 +- 0.25 and shifts within 0 +- 0.25, so that
/// no norm is the identity.
#[derive(Debug, Clone)]
pub struct SeededTensors {
    seed: u64,
    dtype: Dtype,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl SeededTensors {
    /// Tensors for every parameter of `module` under its name in files; none of them is made yet.
    pub fn new<M: Module>(seed: u64, dtype: Dtype, module: &M, names: &NameTable<'_>) -> Self {
        Self {
            seed,
            dtype,
            shapes: parameter_shapes(module, names),
        }
    }

    /// Changes each shape to that in which files hold the tensor.
    #[must_use]
    pub fn stored_as(mut self, shape: impl Fn(&str, &[usize]) -> Vec<usize>) -> Self {
        for (name, found) in &mut self.shapes {
            *found = shape(name, found);
        }
        self
    }
}

impl TensorSource for SeededTensors {
    fn origin(&self) -> String {
        format!("seed {}", self.seed)
    }

    fn names(&self) -> Vec<String> {
        self.shapes.keys().cloned().collect()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        self.shapes.get(name).map(|shape| (self.dtype, shape.clone()))
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let part = self.part(name)?;
        let shape = &self.shapes[name];
        let count: usize = shape.iter().product();
        let mut data = vec![0; count * part.width()];
        part.fill(0, &mut data);
        Ok(HostTensor {
            dtype: self.dtype,
            shape: shape.clone(),
            data,
        })
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        Ok(Box::new(self.part(name)?))
    }
}

impl SeededTensors {
    fn part(&self, name: &str) -> Result<SeededPart, WeightsError> {
        let shape = self.shapes.get(name).ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })?;
        match self.dtype {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => Ok(SeededPart {
                numbers: Numbers::of(self.seed, name, shape),
                dtype: self.dtype,
            }),
            found => Err(WeightsError::NotFloat { found }),
        }
    }
}

/// One tensor, any part of which can be made.
struct SeededPart {
    numbers: Numbers,
    dtype: Dtype,
}

impl SeededPart {
    fn width(&self) -> usize {
        self.dtype.bitsize() / 8
    }

    /// Writes elements from number `first` on.
    fn fill(&self, first: usize, out: &mut [u8]) {
        fn write<const N: usize>(out: &mut [u8], element: impl Fn(usize) -> [u8; N]) {
            let (out, _) = out.as_chunks_mut::<N>();
            for (index, out) in out.iter_mut().enumerate() {
                *out = element(index);
            }
        }
        let number = |index| self.numbers.at(first + index);
        match self.dtype {
            Dtype::F16 => write(out, |index| f16::from_f32(number(index)).to_le_bytes()),
            Dtype::BF16 => write(out, |index| bf16::from_f32(number(index)).to_le_bytes()),
            _ => write(out, |index| number(index).to_le_bytes()),
        }
    }
}

impl PartReader for SeededPart {
    fn read_part(&self, begin: u64, out: &mut [u8]) -> Result<(), WeightsError> {
        self.fill(begin as usize / self.width(), out);
        Ok(())
    }
}

/// `scale * u + shift`, number by number.
struct Numbers {
    state: u64,
    scale: f64,
    shift: f64,
}

impl Numbers {
    fn of(seed: u64, name: &str, shape: &[usize]) -> Self {
        let count: usize = shape.iter().product();
        let (scale, shift) = match shape {
            [] => (0.25, 0.0),
            [_] if name.ends_with("weight") => (0.25, 1.0),
            [_] => (0.25, 0.0),
            [rows, ..] => ((3.0 / (count / rows.max(&1)) as f64).sqrt(), 0.0),
        };
        Self::new(seed, name, scale, shift)
    }

    fn new(seed: u64, name: &str, scale: f64, shift: f64) -> Self {
        Self {
            state: name_hash(name) ^ seed.wrapping_mul(GOLDEN),
            scale,
            shift,
        }
    }

    fn at(&self, index: usize) -> f32 {
        let state = (index as u64 + 1).wrapping_mul(GOLDEN).wrapping_add(self.state);
        let uniform = (split_mix(state) >> 40) as f64 / f64::from(1 << 23) - 1.0;
        (uniform * self.scale + self.shift) as f32
    }
}

/// The elements of one tensor.
pub fn seeded_values(seed: u64, name: &str, shape: &[usize]) -> Vec<f32> {
    let numbers = Numbers::of(seed, name, shape);
    (0..shape.iter().product())
        .map(|index| numbers.at(index))
        .collect()
}

/// Numbers of variance 1 to feed a network with, named apart from every weight.
pub fn seeded_input_values(seed: u64, name: &str, count: usize) -> Vec<f32> {
    let numbers = Numbers::new(seed, &format!("input {name}"), 3.0_f64.sqrt(), 0.0);
    (0..count).map(|index| numbers.at(index)).collect()
}

/// [`seeded_input_values`] as a tensor.
#[cfg(test)]
pub(crate) fn seeded_input<const D: usize>(
    seed: u64,
    name: &str,
    shape: [usize; D],
    device: &burn::tensor::Device,
) -> burn::tensor::Tensor<D> {
    let values = seeded_input_values(seed, name, shape.iter().product());
    burn::tensor::Tensor::from_data(burn::tensor::TensorData::new(values, shape), device)
}

fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn split_mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of `tools/goldens/seeded.py`.
    #[test]
    fn equals_the_python_generator() {
        let ends = |seed, name, shape: &[usize]| {
            let values = seeded_values(seed, name, shape);
            [values[0], values[values.len() - 1]].map(f32::to_bits)
        };
        assert_eq!(ends(0, "a.weight", &[3, 5]), [0x3e87_437c, 0x3ee0_5b79]);
        assert_eq!(ends(7, "a.weight", &[4]), [0x3f86_942c, 0x3f8e_783c]);
        assert_eq!(ends(u64::MAX, "b.bias", &[40_000]), [0x3e5d_5bb0, 0x3cf4_a740]);
    }

    #[test]
    fn matrices_have_variance_one_over_fan_in() {
        let values = seeded_values(3, "conv.weight", &[64, 32, 3, 3]);
        let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        let variance = squares / values.len() as f64;
        assert!((variance * 288.0 - 1.0).abs() < 0.02, "{variance}");
    }
}
