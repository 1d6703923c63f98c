//! Limits on the predicted original, which keep it in the range of the data.

use burn::tensor::Tensor;

/// What happens to the predicted original of a step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Limit {
    /// Nothing; the rule for latents.
    #[default]
    None,
    /// Values are clamped to this magnitude.
    Clamp(f64),
    /// Each image is clamped to a quantile of its own magnitudes and divided by it (Saharia et al.
    /// 2022, section 2.3).
    Dynamic {
        /// The share of magnitudes below the bound.
        ratio: f64,
        /// The largest bound; the smallest is 1.
        largest: f64,
    },
}

impl Limit {
    /// Applies the limit to a batch of predicted originals.
    ///
    /// # Shapes
    /// `[batch, ...]`, as is the result.
    pub fn apply<const D: usize>(self, values: Tensor<D>) -> Tensor<D> {
        match self {
            Self::None => values,
            Self::Clamp(range) => values.clamp(-range, range),
            Self::Dynamic { ratio, largest } => {
                let shape = values.dims();
                let batch = shape[0];
                let size: usize = shape[1..].iter().product();
                let sorted = values.clone().abs().reshape([batch, size]).sort(1);
                let (index, share) = quantile_position(ratio, size);
                let low = sorted.clone().narrow(1, index, 1);
                let high = sorted.narrow(1, (index + 1).min(size - 1), 1);
                let bound = low.clone() + (high - low).mul_scalar(share);
                let mut column = [1; D];
                column[0] = batch;
                let bound = bound
                    .clamp_min(1.0)
                    .clamp_max(largest)
                    .reshape(column)
                    .expand(shape);
                values.max_pair(bound.clone().neg()).min_pair(bound.clone()) / bound
            }
        }
    }
}

/// Returns the index below a quantile of `size` sorted values and how far it is to the next.
pub(super) fn quantile_position(ratio: f64, size: usize) -> (usize, f64) {
    let position = ratio.clamp(0.0, 1.0) * size.saturating_sub(1) as f64;
    (position.floor() as usize, position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_dynamic_bound_is_a_quantile_of_each_image() {
        // Magnitudes 1, 2, 3, 5: the quantile 0.5 is halfway between 2 and 3.
        let mut image = [1.0, -2.0, 3.0, -5.0];
        let limit = Limit::Dynamic {
            ratio: 0.5,
            largest: 10.0,
        };
        limit.apply_slice(&mut image);
        assert_eq!(image, [0.4, -0.8, 1.0, -1.0]);
        let mut small = [0.1, -0.5, 0.2];
        limit.apply_slice(&mut small);
        assert_eq!(small, [0.1, -0.5, 0.2], "bounds below 1 are 1");
        let mut large = [40.0, -20.0];
        limit.apply_slice(&mut large);
        assert_eq!(large, [1.0, -1.0], "the bound is at most 10");
    }

    #[test]
    fn tensors_are_limited_as_slices_are_image_by_image() {
        let device = Device::flex();
        let images = [[1.0_f32, -2.0, 3.0, -5.0], [0.3, 9.0, -0.2, 0.1]];
        for limit in [
            Limit::None,
            Limit::Clamp(1.5),
            Limit::Dynamic {
                ratio: 0.9,
                largest: 4.0,
            },
        ] {
            let tensor = Tensor::<2>::from_floats(images, &device).reshape([2, 1, 2, 2]);
            let found: Vec<f32> = limit.apply::<4>(tensor).try_into_vec_as().unwrap();
            for (image, found) in images.iter().zip(found.chunks(4)) {
                let mut expected = image.map(f64::from);
                limit.apply_slice(&mut expected);
                for (found, expected) in found.iter().zip(expected) {
                    assert!((f64::from(*found) - expected).abs() < 1e-6, "{limit:?}");
                }
            }
        }
    }
}
