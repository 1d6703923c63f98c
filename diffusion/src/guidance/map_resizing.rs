//! Maps of one resolution on the grid of another.

use burn::tensor::{Int, Tensor, TensorData};

/// Stretches maps to a finer grid, bilinearly between the centres of positions, as PyTorch's `interpolate` does without
/// `align_corners`.
///
/// # Shapes
/// `[batch, channels, height, width]` to `[batch, channels, size]`
pub(super) fn stretched(maps: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let across = stretched_rows(maps, width);
    stretched_rows(across.swap_dims(2, 3), height).swap_dims(2, 3)
}

/// Repeats each position `ratio` times along both sides, as far as `size` goes.
///
/// # Shapes
/// As for [`stretched`].
pub(super) fn repeated(maps: Tensor<4>, ratio: usize, size: [usize; 2]) -> Tensor<4> {
    let device = maps.device();
    [2, 3].into_iter().zip(size).fold(maps, |maps, (axis, length)| {
        let last = maps.dims()[axis] - 1;
        let places: Vec<i32> = (0..length)
            .map(|place| (place / ratio).min(last) as i32)
            .collect();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [length]), &device);
        maps.select(axis, places)
    })
}

fn stretched_rows(maps: Tensor<4>, length: usize) -> Tensor<4> {
    let [batch, channels, rows, from] = maps.dims();
    if from == length {
        return maps;
    }
    let weights = TensorData::new(bilinear(from, length), [from, length]);
    let weights = Tensor::<2>::from_data(weights, (&maps.device(), maps.dtype()));
    let stretched = maps.reshape([batch * channels * rows, from]).matmul(weights);
    stretched.reshape([batch, channels, rows, length])
}

/// What each of `from` positions gives to each of `to`, `[from, to]` row by row.
fn bilinear(from: usize, to: usize) -> Vec<f64> {
    let mut weights = vec![0.0; from * to];
    for place in 0..to {
        let centre = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let centre = centre.clamp(0.0, (from - 1) as f64);
        let (below, share) = (centre.floor() as usize, centre.fract());
        weights[below * to + place] += 1.0 - share;
        weights[(below + 1).min(from - 1) * to + place] += share;
    }
    weights
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn grid(values: &[f32], [height, width]: [usize; 2]) -> Tensor<4> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([1, 1, height, width])
    }

    fn values(maps: Tensor<4>) -> Vec<f32> {
        maps.try_into_vec_as().unwrap()
    }

    #[test]
    fn a_doubled_line_has_quarters_between_its_values() {
        let doubled = values(stretched(grid(&[0.0, 4.0], [1, 2]), [2, 4]));
        assert_eq!(doubled, [0.0, 1.0, 3.0, 4.0, 0.0, 1.0, 3.0, 4.0]);
        let same = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(values(stretched(grid(&same, [2, 2]), [2, 2])), same);
    }

    #[test]
    fn positions_are_repeated_as_far_as_the_image_goes() {
        let repeated = values(repeated(grid(&[1.0, 2.0, 3.0, 4.0], [2, 2]), 2, [3, 4]));
        assert_eq!(
            repeated,
            [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]
        );
    }
}
