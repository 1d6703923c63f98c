//! Linear layers one after another with nothing between them, on the host.

use mitune_diffusion::nn::weights::{LoadProblem, TensorSource, WeightsError};

/// Layers of `y = W x + b`. Together they are one such layer, but their rounding is that of the reference.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AffineLayers(Vec<AffineLayer>);

#[derive(Debug, Clone, PartialEq)]
struct AffineLayer {
    /// `[out, in]`, row by row.
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

impl AffineLayers {
    /// Loads layers by their names, from `inputs` numbers to one. `paths` are `""` for a layer that is the whole file,
    /// or end with a dot.
    pub(super) fn load(
        source: &dyn TensorSource,
        paths: &[&str],
        inputs: usize,
    ) -> Result<Self, WeightsError> {
        let mut problems = Vec::new();
        let mut layers = Vec::new();
        let mut width = inputs;
        for (index, path) in paths.iter().enumerate() {
            let (weight, bias) = (format!("{path}weight"), format!("{path}bias"));
            let described = source.describe(&weight).map(|(_, shape)| shape);
            // The widths between the layers are what the file says, the last one is 1.
            let outputs = match described.as_deref() {
                Some([outputs, _]) if index + 1 < paths.len() && *outputs > 0 => *outputs,
                _ => 1,
            };
            let weight = checked(source, weight, vec![outputs, width], &mut problems)?;
            let bias = checked(source, bias, vec![outputs], &mut problems)?;
            layers.push(AffineLayer {
                weight,
                bias,
                inputs: width,
            });
            width = outputs;
        }
        let known = |name: &str| {
            let mut ends = paths.iter().filter_map(|path| name.strip_prefix(path));
            ends.any(|end| end == "weight" || end == "bias")
        };
        for name in source.names().into_iter().filter(|name| !known(name)) {
            let found = source.describe(&name).map(|(_, shape)| shape).unwrap_or_default();
            problems.push(LoadProblem::Unused { name, found });
        }
        match problems.is_empty() {
            true => Ok(Self(layers)),
            false => Err(WeightsError::Misfit {
                origin: source.origin(),
                problems,
                shards: Default::default(),
            }),
        }
    }

    /// The one number that comes out at the end.
    pub(super) fn apply(&self, input: &[f32]) -> f64 {
        let mut values = input.to_vec();
        for layer in &self.0 {
            values = layer.apply(&values);
        }
        values.first().copied().map_or(f64::NAN, f64::from)
    }
}

impl AffineLayer {
    /// Sums in f64 and rounds once, which is as close to any order of sums in f32 as these are to each other.
    fn apply(&self, input: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(self.inputs).zip(&self.bias);
        rows.map(|(row, bias)| {
            let products = row.iter().zip(input).map(|(a, b)| f64::from(*a) * f64::from(*b));
            (products.sum::<f64>() + f64::from(*bias)) as f32
        })
        .collect()
    }
}

/// Reads a tensor of one shape, or notes why it cannot.
fn checked(
    source: &dyn TensorSource,
    name: String,
    expected: Vec<usize>,
    problems: &mut Vec<LoadProblem>,
) -> Result<Vec<f32>, WeightsError> {
    match source.describe(&name).map(|(_, shape)| shape) {
        None => problems.push(LoadProblem::Missing { name, expected }),
        Some(found) if found != expected => problems.push(LoadProblem::Shape {
            name,
            expected,
            found,
        }),
        Some(_) => {
            let values = source.read(&name)?.to_f32()?;
            let count = values.iter().filter(|value| !value.is_finite()).count();
            if count == 0 {
                return Ok(values);
            }
            problems.push(LoadProblem::NotFinite { name, count });
        }
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mitune_diffusion::nn::weights::{HostTensor, TensorMap};

    fn tensors(parts: &[(&str, &[usize], &[f32])]) -> TensorMap {
        let tensor = |(name, shape, values): &(&str, &[usize], &[f32])| {
            ((*name).to_owned(), HostTensor::from_f32(values, shape.to_vec()))
        };
        parts.iter().map(tensor).collect()
    }

    #[test]
    fn layers_are_applied_in_order() {
        let source = tensors(&[
            ("layers.0.weight", &[2, 3], &[1.0, 0.0, 2.0, 0.0, 1.0, -1.0]),
            ("layers.0.bias", &[2], &[0.5, -1.0]),
            ("layers.2.weight", &[1, 2], &[2.0, -4.0]),
            ("layers.2.bias", &[1], &[0.25]),
        ]);
        let layers = AffineLayers::load(&source, &["layers.0.", "layers.2."], 3).unwrap();
        // 2 (1 + 6 + 0.5) - 4 (2 - 3 - 1) + 0.25
        assert_eq!(layers.apply(&[1.0, 2.0, 3.0]), 23.25);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let source = tensors(&[("weight", &[1, 3], &[1.0; 3]), ("scale", &[1], &[1.0])]);
        let error = AffineLayers::load(&source, &[""], 4).unwrap_err().to_string();
        for words in ["`weight` has shape [1, 3]", "missing `bias`", "unused `scale`"] {
            assert!(error.contains(words), "{error}");
        }
    }
}
