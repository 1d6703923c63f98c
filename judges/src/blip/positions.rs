//! Position embeddings for images of another size than those of the file.

use mitune_diffusion::nn::weights::{Dtype, HostTensor, PartReader, TensorSource, WeightsError};

use super::error::{BlipError, check_at_most};

/// Weights whose position embeddings are stretched to another square of patches, as the original code does it: bicubic,
/// corners not aligned, the class token's left as it is.
pub struct StretchedPositions<'a> {
    source: &'a dyn TensorSource,
    name: String,
    /// Nothing where the file has the size that is wanted.
    stretched: Option<HostTensor>,
}

/// Most values of stretched embeddings.
const MOST_VALUES: usize = 1 << 28;

impl<'a> StretchedPositions<'a> {
    /// Reads the tensor `name` and stretches it to `side` patches along each side, unless it has them.
    ///
    /// A tensor that is no square of patches is left to whoever loads it, who names it.
    ///
    /// # Errors
    /// When it cannot be read, or the result would be larger than any honest one.
    pub fn new(source: &'a dyn TensorSource, name: &str, side: usize) -> Result<Self, BlipError> {
        let there = source.describe(name).and_then(|(_, shape)| square_of(&shape));
        let stretched = match there {
            Some(Grid { side: found, width }) if found != side => {
                let values = side.saturating_mul(side).saturating_mul(width);
                check_at_most("vision_config.image_size", values, MOST_VALUES)?;
                let values = stretch(&source.read(name)?.to_f32()?, found, side, width);
                Some(HostTensor::from_f32(&values, vec![1, side * side + 1, width]))
            }
            _ => None,
        };
        Ok(Self {
            source,
            name: name.to_owned(),
            stretched,
        })
    }

    fn of(&self, name: &str) -> Option<&HostTensor> {
        self.stretched.as_ref().filter(|_| name == self.name)
    }
}

impl TensorSource for StretchedPositions<'_> {
    fn origin(&self) -> String {
        self.source.origin()
    }

    fn names(&self) -> Vec<String> {
        self.source.names()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        match self.of(name) {
            Some(tensor) => Some((tensor.dtype, tensor.shape.clone())),
            None => self.source.describe(name),
        }
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        match self.of(name) {
            Some(tensor) => Ok(tensor.clone()),
            None => self.source.read(name),
        }
    }

    fn shard_of(&self, name: &str) -> Option<String> {
        self.source.shard_of(name)
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        match self.of(name) {
            Some(tensor) => Ok(Box::new(tensor.clone())),
            None => self.source.parts(name),
        }
    }
}

/// A square of patches.
struct Grid {
    side: usize,
    width: usize,
}

/// The square that embeddings of a shape are of, `[1, 1 + side * side, width]`.
fn square_of(shape: &[usize]) -> Option<Grid> {
    let [1, tokens, width] = *shape else {
        return None;
    };
    let side = tokens.checked_sub(1)?.isqrt();
    (side > 0 && side * side + 1 == tokens).then_some(Grid { side, width })
}

/// Stretches `[1 + old * old, width]` to `[1 + new * new, width]`.
fn stretch(values: &[f32], old: usize, new: usize, width: usize) -> Vec<f32> {
    let (class, grid) = values.split_at(width);
    let taps = taps(old, new);
    let mut rows = Vec::with_capacity(old * new * width);
    for row in grid.chunks_exact(old * width) {
        for tap in &taps {
            rows.extend(tap.sum(width, |column| &row[column * width..]));
        }
    }
    let mut stretched = Vec::with_capacity((new * new + 1) * width);
    stretched.extend_from_slice(class);
    for tap in &taps {
        for column in 0..new {
            stretched.extend(tap.sum(width, |row| &rows[(row * new + column) * width..]));
        }
    }
    stretched
}

/// The four neighbours of a place, and how much each counts.
struct Tap {
    indices: [usize; 4],
    weights: [f32; 4],
}

impl Tap {
    /// Sums vectors of a width that begin where `at` says.
    fn sum<'a>(&'a self, width: usize, at: impl Fn(usize) -> &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let vectors = self.indices.map(at);
        (0..width).map(move |feature| {
            let terms = vectors.iter().zip(self.weights);
            terms.map(|(vector, weight)| vector[feature] * weight).sum()
        })
    }
}

/// Where each of `new` places lies among `old` ones: PyTorch's `upsample_bicubic2d` along one axis, in f32 as there.
fn taps(old: usize, new: usize) -> Vec<Tap> {
    let scale = old as f32 / new as f32;
    let tap = |place: usize| {
        let exact = scale * (place as f32 + 0.5) - 0.5;
        let before = exact.floor();
        let weights = cubic_weights(exact - before);
        let last = old as i64 - 1;
        let indices = [-1, 0, 1, 2].map(|step| (before as i64 + step).clamp(0, last) as usize);
        Tap { indices, weights }
    };
    (0..new).map(tap).collect()
}

/// Keys' cubic convolution with a = -0.75 at a fraction between the second and the third of four neighbours.
fn cubic_weights(fraction: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [
        far(fraction + 1.0),
        near(fraction),
        near(1.0 - fraction),
        far(2.0 - fraction),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_cubic_kernel_and_sum_to_one() {
        for (old, new) in [(2, 3), (4, 7), (24, 30), (5, 3)] {
            for tap in taps(old, new) {
                let total: f32 = tap.weights.iter().sum();
                assert!((total - 1.0).abs() < 1e-6, "{old} to {new}: {total}");
            }
        }
        // Place 8 of 16 lies at 3.75 of 8.
        let tap = &taps(8, 16)[8];
        assert_eq!(tap.indices, [2, 3, 4, 5]);
        assert_eq!(tap.weights, [-0.03515625, 0.26171875, 0.87890625, -0.10546875]);
        assert_eq!(taps(8, 16)[0].indices, [0, 0, 0, 1]);
    }

    #[test]
    fn the_class_token_is_not_stretched() {
        let values: Vec<f32> = (0..10).map(|value| value as f32).collect();
        let stretched = stretch(&values, 2, 3, 2);
        assert_eq!(stretched.len(), 20);
        assert_eq!(stretched[..2], [0.0, 1.0]);
    }

    #[test]
    fn what_is_no_square_is_left_alone() {
        assert!(square_of(&[1, 4, 8]).is_none());
        assert!(square_of(&[1, 1, 8]).is_none());
        assert!(square_of(&[5, 8]).is_none());
        assert!(square_of(&[1, 5, 8]).is_some_and(|grid| grid.side == 2 && grid.width == 8));
    }
}
