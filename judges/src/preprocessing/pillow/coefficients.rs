//! The weights of Pillow's bicubic and bilinear filters, operation for operation those of its `Resample.c`.

use crate::preprocessing::geometry::Axis;
use crate::preprocessing::resampling::Taps;

/// The weights of the bicubic filter along an axis.
pub(super) fn bicubic(axis: &Axis) -> Taps<f64> {
    weights_of(axis, 2.0, cubic)
}

/// The weights of the bilinear filter along an axis.
pub(super) fn bilinear(axis: &Axis) -> Taps<f64> {
    weights_of(axis, 1.0, triangle)
}

/// The weights of a filter that reaches `reach` samples to each side if the image does not shrink: when it shrinks, the
/// filter is as much wider.
fn weights_of(axis: &Axis, reach: f64, filter: fn(f64) -> f64) -> Taps<f64> {
    if axis.is_unchanged() {
        return Taps::identity(axis.window.clone(), 1.0);
    }
    let scale = axis.input as f64 / axis.resized as f64;
    let filter_scale = scale.max(1.0);
    let support = reach * filter_scale;
    let inverse = 1.0 / filter_scale;
    Taps::new(axis.window.clone(), |position, weights| {
        let center = (position as f64 + 0.5) * scale;
        // Below zero this saturates, and there Pillow begins at zero too.
        let first = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(axis.input);
        let start = weights.len();
        let mut total = 0.0;
        for sample in first..end {
            let weight = filter((sample as f64 - center + 0.5) * inverse);
            weights.push(weight);
            total += weight;
        }
        if total != 0.0 {
            weights[start..].iter_mut().for_each(|weight| *weight /= total);
        }
        first
    })
}

/// The same weights as whole numbers with so many binary digits behind the point, rounded away from zero.
pub(super) fn in_fixed_point(taps: Taps<f64>, bits: u32) -> Taps<i32> {
    let one = f64::from(1_i32 << bits);
    taps.map(|weight| match weight < 0.0 {
        true => (weight * one - 0.5) as i32,
        false => (weight * one + 0.5) as i32,
    })
}

/// The line from one at the sample to zero at its neighbours.
fn triangle(x: f64) -> f64 {
    let x = x.abs();
    match x < 1.0 {
        true => 1.0 - x,
        false => 0.0,
    }
}

/// The cubic convolution kernel with a = -1/2.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn weights_add_up_to_one() {
        for (input, resized) in [(1, 224), (1000, 1), (35, 37), (513, 224), (2, 3)] {
            let total = Cell::new(0.0);
            bicubic(&Axis::whole(input, resized)).map(|weight| total.set(total.get() + weight));
            let error = total.get() / resized as f64 - 1.0;
            assert!(error.abs() < 1e-9, "{input} {resized} {error}");
        }
    }

    #[test]
    fn the_kernel_is_keys() {
        assert_eq!(
            [0.0, 0.5, 1.0, 1.5, 2.0, -0.5].map(cubic),
            [1.0, 0.5625, 0.0, -0.0625, 0.0, 0.5625]
        );
    }
}
