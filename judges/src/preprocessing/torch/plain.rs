//! The weights of torch's bicubic interpolation without antialiasing: four samples, however much an image shrinks.

use crate::preprocessing::geometry::Axis;
use crate::preprocessing::resampling::Taps;

/// The kernel's free parameter.
const A: f32 = -0.75;

/// The weights along an axis, in 32 bits from the position on, for its rounding moves them.
///
/// Where torch's kernels for processors multiply and add at once, so does this.
pub(super) fn plain(axis: &Axis) -> Taps<f32> {
    if axis.is_unchanged() {
        return Taps::identity(axis.window.clone(), 1.0);
    }
    let scale = axis.input as f32 / axis.resized as f32;
    let last = axis.input as i64 - 1;
    Taps::new(axis.window.clone(), |position, weights| {
        let place = scale.mul_add(position as f32 + 0.5, -0.5);
        let index = (place.floor() as i64).min(last);
        let four = cubic((place - index as f32).clamp(0.0, 1.0));
        // Beyond the edges torch takes the last sample again.
        let inside = |offset: i64| (index - 1 + offset).clamp(0, last);
        let first = inside(0);
        weights.extend((first..=inside(3)).map(|sample| {
            let same = (0..4).zip(four).filter(|(offset, _)| inside(*offset) == sample);
            same.map(|(_, weight)| weight).sum::<f32>()
        }));
        first as usize
    })
}

fn cubic(t: f32) -> [f32; 4] {
    let near = |x: f32| ((A + 2.0).mul_add(x, -(A + 3.0)) * x).mul_add(x, 1.0);
    let far = |x: f32| A.mul_add(x, -5.0 * A).mul_add(x, 8.0 * A).mul_add(x, -4.0 * A);
    let rest = 1.0 - t;
    [far(t + 1.0), near(t), near(rest), far(rest + 1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_in_its_place_stands_alone_and_one_between_has_four() {
        assert_eq!(cubic(0.0), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(cubic(0.5), [-0.09375, 0.59375, 0.59375, -0.09375]);
    }

    #[test]
    fn a_single_sample_counts_wholly() {
        plain(&Axis::whole(1, 5)).map(|weight| assert!((weight - 1.0).abs() < 1e-6, "{weight}"));
    }
}
