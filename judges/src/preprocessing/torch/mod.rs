//! Bicubic resizing as torch does it: of numbers with and without antialiasing, and of bytes.

mod antialiased;
mod plain;

use self::antialiased::{antialiased_bytes, antialiased_floats};
use self::plain::plain;
use super::geometry::Axis;
use super::resampling::{FixedPoint, Floats, Order, Pass, resample};

/// Resizes red, green and blue between 0 and 1, and neither cuts off nor rounds: `interpolate(mode="bicubic")`.
pub(super) fn resize_floats(pixels: &[u8], axes: [&Axis; 2], antialias: bool) -> Vec<f32> {
    let values: Vec<f32> = pixels.iter().map(|byte| f32::from(*byte) / 255.0).collect();
    let [down, across] = axes.map(|axis| Pass {
        taps: match antialias {
            true => antialiased_floats(axis),
            false => plain(axis),
        },
        arithmetic: Floats,
    });
    resample::<Floats, 3>(&values, axes[1].input, [&down, &across], Order::AcrossFirst)
}

/// Resizes red, green and blue of 8 bits with antialiasing, as torch does on processors.
pub(super) fn resize_bytes(pixels: &[u8], axes: [&Axis; 2]) -> Vec<u8> {
    let [down, across] = axes.map(|axis| {
        let (taps, bits) = antialiased_bytes(axis);
        Pass {
            taps,
            arithmetic: FixedPoint { bits },
        }
    });
    resample::<FixedPoint, 3>(pixels, axes[1].input, [&down, &across], Order::AcrossFirst)
}
