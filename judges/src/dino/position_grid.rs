//! Position embeddings for images of another size than those of the training.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// How images come to a [`DinoModel`](super::DinoModel).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DinoSettings {
    /// Side of the images in pixels; 224 by default, as in dgm-eval.
    pub side: usize,
    /// How position embeddings are stretched to it.
    pub positions: PositionInterpolation,
}

impl Default for DinoSettings {
    fn default() -> Self {
        Self {
            side: 224,
            positions: PositionInterpolation::default(),
        }
    }
}

/// How far apart the places are at which position embeddings are read between those of the training.
///
/// Both read by cubic convolution (Keys 1981) with `a = -0.75` and without smoothing. Distances of sets differ by half
/// a percent between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionInterpolation {
    /// By `(n + 0.1) / m` for n patches in place of m, as DINOv2's own code does and dgm-eval with it.
    #[default]
    ScaleFactor,
    /// By `n / m`, as transformers does.
    Size,
}

impl PositionInterpolation {
    /// Distance of two places, in places of the training.
    fn distance(self, from: usize, to: usize) -> f64 {
        let offset = match self {
            Self::ScaleFactor => 0.1,
            Self::Size => 0.0,
        };
        from as f64 / (to as f64 + offset)
    }
}

/// Stretches the embeddings of a square of patches, and leaves the first, the class token's, as it is.
///
/// Sums of selected rows rather than a product of matrices, which graphics cards would round.
///
/// # Shapes
/// - known: `[1, 1 + from * from, width]`
/// - output: `[1, 1 + to * to, width]`
pub(super) fn stretched(
    known: Tensor<3>,
    [from, to]: [usize; 2],
    interpolation: PositionInterpolation,
) -> Tensor<3> {
    if from == to {
        return known;
    }
    let ([_, _, width], dtype, device) = (known.dims(), known.dtype(), known.device());
    let class = known.clone().narrow(1, 0, 1);
    let grid: Tensor<2> = known
        .narrow(1, 1, from * from)
        .reshape([from * from, width])
        .cast(DType::F32);
    let distance = interpolation.distance(from, to);
    let taps: Vec<[Tap; 4]> = (0..to).map(|place| taps(place, from, distance)).collect();
    let mut sum: Tensor<2> = Tensor::zeros([to * to, width], (&device, DType::F32));
    for vertical in 0..4 {
        for horizontal in 0..4 {
            let (mut places, mut weights) = (Vec::new(), Vec::new());
            for row in &taps {
                for column in &taps {
                    let (row, column) = (row[vertical], column[horizontal]);
                    places.push((row.place * from + column.place) as i32);
                    weights.push((row.weight * column.weight) as f32);
                }
            }
            sum = sum + weighted(&grid, places, weights, &device);
        }
    }
    let stretched = sum.cast(dtype).reshape([1, to * to, width]);
    Tensor::cat(vec![class, stretched], 1)
}

/// Rows of a grid, each times a number.
fn weighted(grid: &Tensor<2>, places: Vec<i32>, weights: Vec<f32>, device: &Device) -> Tensor<2> {
    let count = places.len();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), device);
    let weights = TensorData::new(weights, [count, 1]);
    grid.clone().select(0, places) * Tensor::<2>::from_data(weights, (device, DType::F32))
}

/// One of the places that a value between them is made of.
#[derive(Debug, Clone, Copy)]
struct Tap {
    place: usize,
    weight: f64,
}

/// The four places around one, of which those beyond the edge are the edge.
fn taps(place: usize, from: usize, distance: f64) -> [Tap; 4] {
    const SHARPNESS: f64 = -0.75;
    let near = |x: f64| ((SHARPNESS + 2.0) * x - (SHARPNESS + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((SHARPNESS * x - 5.0 * SHARPNESS) * x + 8.0 * SHARPNESS) * x - 4.0 * SHARPNESS;
    let center = (place as f64 + 0.5) * distance - 0.5;
    let (below, rest) = (center.floor(), center - center.floor());
    let weights = [far(rest + 1.0), near(rest), near(1.0 - rest), far(2.0 - rest)];
    std::array::from_fn(|index| Tap {
        place: (below as i64 - 1 + index as i64).clamp(0, from as i64 - 1) as usize,
        weight: weights[index],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_grids_stay_constant_and_equal_sizes_as_they_are() {
        let device = Device::flex();
        let known = Tensor::<3>::ones([1, 10, 2], &device);
        for interpolation in [PositionInterpolation::ScaleFactor, PositionInterpolation::Size] {
            let wide = stretched(known.clone(), [3, 5], interpolation);
            assert_eq!(wide.dims(), [1, 26, 2]);
            let values: Vec<f32> = wide.into_data().try_to_vec().unwrap();
            assert!(
                values.iter().all(|value| (value - 1.0).abs() < 1e-6),
                "{values:?}"
            );
            let same = stretched(known.clone(), [3, 3], interpolation);
            assert_eq!(same.into_data(), known.clone().into_data());
        }
    }
}
