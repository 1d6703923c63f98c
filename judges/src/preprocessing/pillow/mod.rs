//! Resizing as Pillow does it: bicubic for each of its modes, and bilinear for RGB.

mod coefficients;
mod nearest;
mod premultiplied;

use std::borrow::Cow;

use mitune_diffusion::image_decoding::Samples;

use self::coefficients::{bicubic, bilinear, in_fixed_point};
use self::nearest::{nearest, pick};
use super::geometry::Axis;
use super::resampling::{DeepGreys, Doubles, FixedPoint, Order, Pass, Taps, resample};

/// Digits behind the point of Pillow's weights for 8 bits.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Resizes samples in their mode, as `resize((width, height), BICUBIC)` does.
///
/// Colours with alpha are multiplied by it before and divided after, and those of palettes are not mixed.
pub(super) fn resize(samples: &Samples, axes: [&Axis; 2]) -> Samples {
    let [rows, columns] = axes;
    match samples {
        Samples::Rgb(pixels) => Samples::Rgb(resize_bytes::<3>(pixels, axes)),
        Samples::Indexed(pixels) => Samples::Indexed(pick::<_, 3>(
            pixels,
            columns.input,
            &nearest(rows),
            &nearest(columns),
        )),
        Samples::Rgba(pixels) if rows.is_unchanged() && columns.is_unchanged() => {
            Samples::Rgba(resize_bytes::<4>(pixels, axes))
        }
        Samples::Rgba(pixels) => {
            let mut resized = resize_bytes::<4>(&premultiplied::multiplied(pixels), axes);
            premultiplied::divide(&mut resized);
            Samples::Rgba(resized)
        }
        Samples::Cmyk(pixels) => Samples::Cmyk(resize_bytes::<4>(pixels, axes)),
        Samples::DeepGrey(greys) => {
            let [down, across] = axes.map(|axis| Pass {
                taps: bicubic(axis),
                arithmetic: DeepGreys,
            });
            Samples::DeepGrey(resample::<DeepGreys, 1>(
                greys,
                columns.input,
                [&down, &across],
                order(axes),
            ))
        }
    }
}

/// Resizes red, green and blue.
pub(super) fn resize_rgb(pixels: &[u8], axes: [&Axis; 2]) -> Vec<u8> {
    resize_bytes::<3>(pixels, axes)
}

/// Resizes red, green and blue as `resize((width, height), BILINEAR)` does.
pub(super) fn resize_rgb_bilinear(pixels: &[u8], axes: [&Axis; 2]) -> Vec<u8> {
    resize_bytes_with::<3>(pixels, axes, bilinear)
}

/// Resizes each of red, green and blue in mode F, and neither cuts off nor rounds.
pub(super) fn resize_floats(pixels: &[u8], axes: [&Axis; 2]) -> Vec<f32> {
    let values: Vec<f32> = pixels.iter().map(|byte| f32::from(*byte)).collect();
    let [down, across] = axes.map(|axis| Pass {
        taps: bicubic(axis),
        arithmetic: Doubles,
    });
    resample::<Doubles, 3>(&values, axes[1].input, [&down, &across], order(axes))
}

/// The square in the middle of an image, which begins at the pixel before it.
pub(super) fn middle_square(pixels: Cow<'_, [u8]>, height: usize, width: usize) -> Cow<'_, [u8]> {
    if height == width {
        return pixels;
    }
    let side = height.min(width);
    let [rows, columns] = [height, width].map(|length| {
        let start = (length - side) / 2;
        (start..start + side).collect::<Vec<_>>()
    });
    Cow::Owned(pick::<_, 3>(&pixels, width, &rows, &columns))
}

fn resize_bytes<const CHANNELS: usize>(pixels: &[u8], axes: [&Axis; 2]) -> Vec<u8> {
    resize_bytes_with::<CHANNELS>(pixels, axes, bicubic)
}

fn resize_bytes_with<const CHANNELS: usize>(
    pixels: &[u8],
    axes: [&Axis; 2],
    weights: fn(&Axis) -> Taps<f64>,
) -> Vec<u8> {
    let arithmetic = FixedPoint { bits: PRECISION_BITS };
    let [down, across] = axes.map(|axis| Pass {
        taps: in_fixed_point(weights(axis), PRECISION_BITS),
        arithmetic,
    });
    resample::<FixedPoint, CHANNELS>(pixels, axes[1].input, [&down, &across], order(axes))
}

/// Which pass Pillow 13 does first, which it decides by the sizes before and after; older ones always begin across.
///
/// Where only one pass changes anything, the order does not matter.
fn order([rows, columns]: [&Axis; 2]) -> Order {
    let fewer = |axis: &Axis| axis.input.saturating_sub(axis.resized);
    let changes_both = !rows.is_unchanged() && !columns.is_unchanged();
    match changes_both && fewer(rows) > 2 * fewer(columns) {
        true => Order::DownFirst,
        false => Order::AcrossFirst,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by comparing Pillow 13's results with those of two calls, one for each pass.
    #[test]
    fn tall_images_are_resized_down_first() {
        let found =
            |height, width, rows, columns| order([&Axis::whole(height, rows), &Axis::whole(width, columns)]);
        assert_eq!(found(300, 227, 224, 224), Order::DownFirst);
        assert_eq!(found(77, 33, 74, 32), Order::DownFirst);
        assert_eq!(found(768, 512, 480, 480), Order::DownFirst);
        assert_eq!(found(76, 33, 74, 32), Order::AcrossFirst);
        assert_eq!(found(300, 100, 299, 224), Order::DownFirst);
        assert_eq!(found(300, 224, 224, 224), Order::AcrossFirst);
        assert_eq!(found(100, 300, 224, 224), Order::AcrossFirst);
        assert_eq!(found(512, 512, 224, 224), Order::AcrossFirst);
    }
}
