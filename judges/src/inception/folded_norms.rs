//! Convolutions with the normalizations after them folded in.

use std::collections::BTreeMap;

use mitune_diffusion::nn::weights::{Dtype, HostTensor, LoadProblem, TensorSource, WeightsError};

/// Added to variances, as torchvision's Inception does.
const EPSILON: f64 = 1e-3;

const WEIGHT: &str = ".conv.weight";
const BIAS: &str = ".conv.bias";

/// Parts of a normalization that decide what it does; it may also count the batches it has seen.
const PARTS: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];
const COUNTER: &str = "num_batches_tracked";

/// Tensors of a file in which each `NAME.conv.weight` is joined with the batch normalization `NAME.bn`.
///
/// In evaluation `bn(conv(x))` is a convolution with other weights and a bias, computed in f64 and rounded once.
/// The normalizations are read at once and only once, so that a digest can be made of what was read.
pub(super) struct FoldedNorms<'a> {
    source: &'a dyn TensorSource,
    norms: BTreeMap<String, Norm>,
}

/// A factor and a summand of each channel.
struct Norm {
    factors: Vec<f64>,
    summands: Vec<f64>,
}

impl<'a> FoldedNorms<'a> {
    /// Reads all normalizations.
    ///
    /// # Errors
    /// When a part of one is missing, has not as many numbers as its convolution has channels, or cannot be read.
    pub(super) fn new(source: &'a dyn TensorSource) -> Result<Self, WeightsError> {
        let mut norms = BTreeMap::new();
        for name in source.names() {
            let Some(stem) = name.strip_suffix(WEIGHT) else {
                continue;
            };
            let described = source.describe(&name);
            let channels = described
                .and_then(|(_, shape)| shape.first().copied())
                .unwrap_or(0);
            norms.insert(stem.to_owned(), Norm::read(source, stem, channels)?);
        }
        Ok(Self { source, norms })
    }

    /// Leaves out what no file has: a bias is made of a normalization, and lacks where its convolution does.
    pub(super) fn by_names_of_the_file(error: WeightsError) -> WeightsError {
        match error {
            WeightsError::Misfit {
                origin,
                shards,
                mut problems,
            } => {
                let is_bias = |problem: &LoadProblem| matches!(problem, LoadProblem::Missing { name, .. } if name.ends_with(BIAS));
                problems.retain(|problem| !is_bias(problem));
                WeightsError::Misfit {
                    origin,
                    shards,
                    problems,
                }
            }
            other => other,
        }
    }

    /// The normalization after the convolution that a name is the weight or the bias of.
    fn norm_after(&self, name: &str, end: &str) -> Option<&Norm> {
        self.norms.get(name.strip_suffix(end)?)
    }

    fn is_of_norm(&self, name: &str) -> bool {
        let mut parts = PARTS.iter().chain([&COUNTER]);
        parts.any(|part| {
            let stem = name
                .strip_suffix(*part)
                .and_then(|head| head.strip_suffix(".bn."));
            stem.is_some_and(|stem| self.norms.contains_key(stem))
        })
    }
}

impl TensorSource for FoldedNorms<'_> {
    fn origin(&self) -> String {
        self.source.origin()
    }

    fn names(&self) -> Vec<String> {
        let biases = self.norms.keys().map(|stem| format!("{stem}{BIAS}"));
        let others = self.source.names().into_iter();
        let mut names: Vec<String> = others
            .filter(|name| !self.is_of_norm(name))
            .chain(biases)
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        if let Some(norm) = self.norm_after(name, BIAS) {
            return Some((Dtype::F32, vec![norm.factors.len()]));
        }
        let (dtype, shape) = self.source.describe(name)?;
        match self.norm_after(name, WEIGHT) {
            Some(_) => Some((Dtype::F32, shape)),
            None => Some((dtype, shape)),
        }
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        if let Some(norm) = self.norm_after(name, BIAS) {
            let mut bias = norm.summands.clone();
            // torchvision's have none, but one would be scaled like the rest.
            if self.source.describe(name).is_some() {
                let own = self.source.read(name)?.to_f64()?;
                for ((bias, own), factor) in bias.iter_mut().zip(own).zip(&norm.factors) {
                    *bias += own * factor;
                }
            }
            return Ok(rounded(&bias, vec![bias.len()]));
        }
        let tensor = self.source.read(name)?;
        let Some(norm) = self.norm_after(name, WEIGHT) else {
            return Ok(tensor);
        };
        let mut values = tensor.to_f64()?;
        let filter = (values.len() / norm.factors.len().max(1)).max(1);
        for (filter, factor) in values.chunks_mut(filter).zip(&norm.factors) {
            for value in filter {
                *value *= factor;
            }
        }
        Ok(rounded(&values, tensor.shape))
    }

    fn shard_of(&self, name: &str) -> Option<String> {
        self.source.shard_of(name)
    }
}

impl Norm {
    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias`, in another form.
    fn read(source: &dyn TensorSource, stem: &str, channels: usize) -> Result<Self, WeightsError> {
        let read = |part: &str| {
            let name = format!("{stem}.bn.{part}");
            let tensor = source.read(&name)?;
            if tensor.shape == [channels] {
                return tensor.to_f64();
            }
            Err(WeightsError::Misfit {
                origin: source.origin(),
                shards: BTreeMap::new(),
                problems: vec![LoadProblem::Shape {
                    name,
                    expected: vec![channels],
                    found: tensor.shape,
                }],
            })
        };
        let [weight, bias, mean, variance] = PARTS.map(read);
        let (weight, bias, mean, variance) = (weight?, bias?, mean?, variance?);
        let factor = |(weight, variance): (&f64, &f64)| weight / (variance + EPSILON).sqrt();
        let factors: Vec<f64> = weight.iter().zip(&variance).map(factor).collect();
        let summand = |((bias, mean), factor): ((&f64, &f64), &f64)| bias - mean * factor;
        let summands = bias.iter().zip(&mean).zip(&factors).map(summand).collect();
        Ok(Self { factors, summands })
    }
}

fn rounded(values: &[f64], shape: Vec<usize>) -> HostTensor {
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    HostTensor::from_f32(&values, shape)
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::nn::weights::TensorMap;

    use super::*;

    fn file() -> TensorMap {
        let tensor = |values: &[f32], shape: &[usize]| HostTensor::from_f32(values, shape.to_vec());
        TensorMap::from([
            (
                "a.conv.weight".to_owned(),
                tensor(&[1.0, 2.0, 3.0, 4.0], &[2, 2, 1, 1]),
            ),
            ("a.bn.weight".to_owned(), tensor(&[2.0, 1.0], &[2])),
            ("a.bn.bias".to_owned(), tensor(&[0.5, -1.0], &[2])),
            ("a.bn.running_mean".to_owned(), tensor(&[3.0, 0.0], &[2])),
            ("a.bn.running_var".to_owned(), tensor(&[0.249, 3.999], &[2])),
            ("a.bn.num_batches_tracked".to_owned(), tensor(&[7.0], &[])),
            ("fc.weight".to_owned(), tensor(&[1.0], &[1, 1])),
        ])
    }

    #[test]
    fn weights_are_scaled_and_biases_appear() {
        let file = file();
        let folded = FoldedNorms::new(&file).unwrap();
        assert_eq!(folded.names(), ["a.conv.bias", "a.conv.weight", "fc.weight"]);
        let values = |name| folded.read(name).unwrap().to_f32().unwrap();
        let close = |found: Vec<f32>, expected: &[f32]| {
            assert_eq!(found.len(), expected.len());
            found
                .iter()
                .zip(expected)
                .for_each(|(found, expected)| assert!((found - expected).abs() < 1e-5, "{found}"));
        };
        close(values("a.conv.weight"), &[4.0, 8.0, 1.5, 2.0]);
        close(values("a.conv.bias"), &[-11.5, -1.0]);
        assert_eq!(folded.describe("a.conv.bias"), Some((Dtype::F32, vec![2])));
        assert_eq!(
            folded.describe("a.bn.weight").map(|(_, shape)| shape),
            Some(vec![2])
        );
    }

    #[test]
    fn a_normalization_that_is_incomplete_or_of_another_width_is_named() {
        for name in ["a.bn.weight", "a.bn.running_var"] {
            let mut file = file();
            file.remove(name);
            let error = FoldedNorms::new(&file).err().unwrap().to_string();
            assert!(error.contains(name), "{error}");
            file.insert(name.to_owned(), HostTensor::from_f32(&[1.0; 3], vec![3]));
            let error = FoldedNorms::new(&file).err().unwrap().to_string();
            assert!(error.contains(name) && error.contains("[3]"), "{error}");
        }
    }
}
