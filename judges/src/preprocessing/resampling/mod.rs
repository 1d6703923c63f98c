//! Resizing along lines and along columns, whatever the weights and the arithmetic are.

mod arithmetic;
mod taps;

use std::ops::Range;

use rayon::prelude::*;

pub(super) use arithmetic::{Arithmetic, DeepGreys, Doubles, FixedPoint, Floats};
pub(super) use taps::Taps;

/// One of the two passes: what each line or column is made of, and how it is summed.
pub(super) struct Pass<A: Arithmetic> {
    /// Which samples count, with which weights.
    pub(super) taps: Taps<A::Weight>,
    /// How they are summed.
    pub(super) arithmetic: A,
}

/// Which pass comes first, which is seen where samples are rounded between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Lines become shorter or longer, then columns.
    AcrossFirst,
    /// Columns become shorter or longer, then lines.
    DownFirst,
}

/// Makes lines of `width` pixels into those that `across` and `down` ask for.
///
/// Between the passes samples are rounded to their type, as the references do. What the second pass does not need is
/// not computed in the first one, which changes no number and makes a crop as cheap as a small image.
pub(super) fn resample<A: Arithmetic, const CHANNELS: usize>(
    source: &[A::Sample],
    width: usize,
    [down, across]: [&Pass<A>; 2],
    order: Order,
) -> Vec<A::Sample> {
    match order {
        Order::AcrossFirst => {
            let needed = down.taps.reach();
            let wide = &source[needed.start * width * CHANNELS..needed.end * width * CHANNELS];
            let lines = resample_lines::<A, CHANNELS>(wide, width, 0, across);
            let length = across.taps.count() * CHANNELS;
            resample_columns::<A>(&lines, length, needed.start, 0..length, down)
        }
        Order::DownFirst => {
            let needed = across.taps.reach();
            let samples = needed.start * CHANNELS..needed.end * CHANNELS;
            let lines = resample_columns::<A>(source, width * CHANNELS, 0, samples, down);
            resample_lines::<A, CHANNELS>(&lines, needed.len(), needed.start, across)
        }
    }
}

/// Resizes lines of `width` pixels, of which the first is the one at `first_pixel` in the image.
fn resample_lines<A: Arithmetic, const CHANNELS: usize>(
    wide_lines: &[A::Sample],
    width: usize,
    first_pixel: usize,
    across: &Pass<A>,
) -> Vec<A::Sample> {
    let (length, wide_length) = (across.taps.count() * CHANNELS, width * CHANNELS);
    let mut lines = vec![A::Sample::default(); wide_lines.len() / wide_length * length];
    lines
        .par_chunks_mut(length)
        .zip(wide_lines.par_chunks(wide_length))
        .for_each(|(line, wide)| resample_line::<A, CHANNELS>(wide, first_pixel, across, line));
    lines
}

fn resample_line<A: Arithmetic, const CHANNELS: usize>(
    wide: &[A::Sample],
    first_pixel: usize,
    across: &Pass<A>,
    line: &mut [A::Sample],
) {
    let (wide, _) = wide.as_chunks::<CHANNELS>();
    let (line, _) = line.as_chunks_mut::<CHANNELS>();
    for (column, pixel) in line.iter_mut().enumerate() {
        let (first, weights) = across.taps.at(column);
        let mut sums = [across.arithmetic.start(); CHANNELS];
        for (samples, weight) in wide[first - first_pixel..].iter().zip(weights) {
            for (sum, sample) in sums.iter_mut().zip(samples) {
                *sum = A::add(*sum, *sample, *weight);
            }
        }
        *pixel = sums.map(|sum| across.arithmetic.finish(sum));
    }
}

/// Resizes the columns of these samples of lines, of which the first is the one at `first_line` in the image.
fn resample_columns<A: Arithmetic>(
    lines: &[A::Sample],
    line_length: usize,
    first_line: usize,
    samples: Range<usize>,
    down: &Pass<A>,
) -> Vec<A::Sample> {
    let length = samples.len();
    let mut result = vec![A::Sample::default(); down.taps.count() * length];
    result.par_chunks_mut(length).enumerate().for_each_init(
        || vec![down.arithmetic.start(); length],
        |sums, (row, output)| {
            let (first, weights) = down.taps.at(row);
            let used = &lines[(first - first_line) * line_length..];
            sums.fill(down.arithmetic.start());
            for (line, weight) in used.chunks_exact(line_length).zip(weights) {
                for (sum, sample) in sums.iter_mut().zip(&line[samples.clone()]) {
                    *sum = A::add(*sum, *sample, *weight);
                }
            }
            for (sample, sum) in output.iter_mut().zip(&*sums) {
                *sample = down.arithmetic.finish(*sum);
            }
        },
    );
    result
}
