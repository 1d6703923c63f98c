//! The smoothing of maps that Attend-and-Excite and semantic-aware guidance share.

use burn::tensor::Tensor;

/// Smooths over the last two axes with a kernel of 3 x 3, reflected at the borders.
///
/// The weight at distance `d` is proportional to `exp(-(d / (2 sigma))^2)`, as in the code of Attend-and-Excite, from
/// which that of semantic-aware guidance has it: at a `sigma` of 0.5 it is `exp(-d^2)`, along one axis 0.2119, 0.5761,
/// 0.2119. That is wider than a Gaussian of this deviation. A `sigma` of 0 smooths nothing.
///
/// # Shapes
/// `[.., height, width]`; an axis of one position stays as it is.
pub(super) fn smoothed<const D: usize>(image: Tensor<D>, sigma: f64) -> Tensor<D> {
    if sigma <= 0.0 {
        return image;
    }
    let beside = (-(1.0 / (2.0 * sigma)).powi(2)).exp();
    let sum = 1.0 + 2.0 * beside;
    let weights = [1.0 / sum, beside / sum];
    along(along(image, D - 2, weights), D - 1, weights)
}

/// Smooths along one axis, by the weights of a position itself and of each of its neighbours.
fn along<const D: usize>(image: Tensor<D>, axis: usize, [own, beside]: [f64; 2]) -> Tensor<D> {
    let length = image.dims()[axis];
    if length < 2 {
        return image;
    }
    let part = |start: usize, length: usize| image.clone().narrow(axis, start, length);
    let before = Tensor::cat(vec![part(1, 1), part(0, length - 1)], axis);
    let after = Tensor::cat(vec![part(1, length - 1), part(length - 2, 1)], axis);
    image.mul_scalar(own) + (before + after).mul_scalar(beside)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn smoothed_values(values: &[f32], shape: [usize; 2], sigma: f64) -> Vec<f32> {
        let image = Tensor::<1>::from_floats(values, &Device::flex()).reshape(shape);
        smoothed(image, sigma).try_into_vec_as().unwrap()
    }

    #[test]
    fn a_point_becomes_the_kernel_of_the_authors() {
        let mut point = [0.0; 25];
        point[12] = 1.0;
        let found = smoothed_values(&point, [5, 5], 0.5);
        let kernel = [
            (12, 0.331_911_f32),
            (11, 0.122_103),
            (7, 0.122_103),
            (6, 0.044_919),
            (2, 0.0),
        ];
        for (index, expected) in kernel {
            assert!(
                (found[index] - expected).abs() < 1e-5,
                "{index}: {}",
                found[index]
            );
        }
    }

    #[test]
    fn borders_reflect_and_constants_stay() {
        let found = smoothed_values(&[1.0, 0.0, 0.0], [1, 3], 0.5);
        for (found, expected) in found.iter().zip([0.576_117_f32, 0.211_942, 0.0]) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        let reflected = smoothed_values(&[0.0, 1.0], [2, 1], 0.5);
        assert!((reflected[0] - 2.0 * 0.211_942).abs() < 1e-5 && (reflected[1] - 0.576_117).abs() < 1e-5);
        let constant = smoothed_values(&[3.0; 12], [3, 4], 0.5);
        assert!(constant.iter().all(|value| (value - 3.0).abs() < 1e-5));
        assert_eq!(smoothed_values(&[1.0, 2.0], [1, 2], 0.0), [1.0, 2.0]);
    }
}
