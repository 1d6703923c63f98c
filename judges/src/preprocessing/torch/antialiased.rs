//! The weights of torch's bicubic interpolation with antialiasing: Pillow's, in the arithmetic of torch.

use crate::preprocessing::geometry::Axis;
use crate::preprocessing::resampling::Taps;

/// Samples that the kernel reaches to each side, if the image does not shrink.
const SUPPORT: f64 = 2.0;

/// The kernel's free parameter.
const A: f64 = -0.5;

/// The weights for numbers of 32 bits.
pub(super) fn antialiased_floats(axis: &Axis) -> Taps<f32> {
    if axis.is_unchanged() {
        return Taps::identity(axis.window.clone(), 1.0);
    }
    // Operations on doubles rounded one by one give what 32 bits give.
    let kernel = Kernel::new(axis, |value| f64::from(value as f32));
    let taps = Taps::new(axis.window.clone(), |position, weights| {
        kernel.weigh(position, weights)
    });
    taps.map(|weight| weight as f32)
}

/// The weights for bytes, as whole numbers, and their binary digits behind the point.
///
/// There are as many digits as the largest weight of all positions, kept or not, leaves in 16 bits.
pub(super) fn antialiased_bytes(axis: &Axis) -> (Taps<i32>, u32) {
    if axis.is_unchanged() {
        let bits = 14;
        return (Taps::identity(axis.window.clone(), 1 << bits), bits);
    }
    let kernel = Kernel::new(axis, |value| value);
    let mut weights = Vec::new();
    let largest = (0..axis.resized).fold(0.0_f64, |largest, position| {
        weights.clear();
        kernel.weigh(position, &mut weights);
        weights
            .iter()
            .fold(largest, |largest, weight| largest.max(*weight))
    });
    let fits = |bits: &u32| ((0.5 + largest * f64::from(1_i32 << (bits + 1))) as i32) < 1 << 15;
    let bits = (0..22).find(|bits| !fits(bits)).unwrap_or(22);
    let one = f64::from(1_i32 << bits);
    let taps = Taps::new(axis.window.clone(), |position, weights| {
        kernel.weigh(position, weights)
    });
    let whole = taps.map(|weight| match weight < 0.0 {
        true => (weight * one - 0.5) as i32,
        false => (weight * one + 0.5) as i32,
    });
    (whole, bits)
}

/// The filter along one axis, in the arithmetic that `round` rounds to.
struct Kernel<R> {
    input: usize,
    scale: f64,
    support: f64,
    inverse: f64,
    round: R,
}

impl<R: Fn(f64) -> f64> Kernel<R> {
    fn new(axis: &Axis, round: R) -> Self {
        let scale = round(axis.input as f64 / axis.resized as f64);
        let shrinks = scale >= 1.0;
        Self {
            input: axis.input,
            scale,
            support: if shrinks { round(SUPPORT * scale) } else { SUPPORT },
            inverse: if shrinks { round(1.0 / scale) } else { 1.0 },
            round,
        }
    }

    /// Pushes the weights of a position, and returns the first sample they are for.
    fn weigh(&self, position: usize, weights: &mut Vec<f64>) -> usize {
        let round = &self.round;
        let center = round(self.scale * (position as f64 + 0.5));
        // Below zero these saturate, and there torch begins at zero too.
        let first = (round(center - self.support) + 0.5) as usize;
        let end = ((round(center + self.support) + 0.5) as usize).min(self.input);
        let most = 2 * self.support.ceil() as usize + 1;
        let end = end.min(first + most);
        let start = weights.len();
        let mut total = 0.0;
        for sample in first..end {
            let distance = round((round(sample as f64 - center) + 0.5) * self.inverse);
            let weight = self.filter(distance.abs());
            weights.push(weight);
            total = round(total + weight);
        }
        if total != 0.0 {
            for weight in &mut weights[start..] {
                *weight = round(*weight / total);
            }
        }
        first
    }

    fn filter(&self, x: f64) -> f64 {
        let r = &self.round;
        if x < 1.0 {
            let slope = r(r((A + 2.0) * x) - (A + 3.0));
            r(r(r(slope * x) * x) + 1.0)
        } else if x < 2.0 {
            let slope = r(r(r(A * x) - 5.0 * A) * x);
            r(r(r(slope + 8.0 * A) * x) - 4.0 * A)
        } else {
            0.0
        }
    }
}
