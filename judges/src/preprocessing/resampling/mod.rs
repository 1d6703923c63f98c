//! Resizing along lines and then along columns, whatever the weights and the arithmetic are.

mod arithmetic;
mod taps;

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

/// Makes lines of `width` pixels into those that `across` and `down` ask for.
///
/// Between the passes samples are rounded to their type, as the references do. Lines that no column needs are not
/// computed, which changes no number and makes a crop as cheap as a small image.
pub(super) fn resample<A: Arithmetic, const CHANNELS: usize>(
    source: &[A::Sample],
    width: usize,
    across: &Pass<A>,
    down: &Pass<A>,
) -> Vec<A::Sample> {
    let needed = down.taps.reach();
    let line_length = across.taps.count() * CHANNELS;
    let mut lines = vec![A::Sample::default(); needed.len() * line_length];
    let wide_lines = source[needed.start * width * CHANNELS..].par_chunks(width * CHANNELS);
    lines
        .par_chunks_mut(line_length)
        .zip(wide_lines)
        .for_each(|(line, wide)| resample_line::<A, CHANNELS>(wide, across, line));
    let mut result = vec![A::Sample::default(); down.taps.count() * line_length];
    result.par_chunks_mut(line_length).enumerate().for_each_init(
        || vec![down.arithmetic.start(); line_length],
        |sums, (row, output)| {
            let (first, weights) = down.taps.at(row);
            let used = &lines[(first - needed.start) * line_length..];
            sums.fill(down.arithmetic.start());
            for (line, weight) in used.chunks_exact(line_length).zip(weights) {
                for (sum, sample) in sums.iter_mut().zip(line) {
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

fn resample_line<A: Arithmetic, const CHANNELS: usize>(
    wide: &[A::Sample],
    across: &Pass<A>,
    line: &mut [A::Sample],
) {
    let (wide, _) = wide.as_chunks::<CHANNELS>();
    let (line, _) = line.as_chunks_mut::<CHANNELS>();
    for (column, pixel) in line.iter_mut().enumerate() {
        let (first, weights) = across.taps.at(column);
        let mut sums = [across.arithmetic.start(); CHANNELS];
        for (samples, weight) in wide[first..].iter().zip(weights) {
            for (sum, sample) in sums.iter_mut().zip(samples) {
                *sum = A::add(*sum, *sample, *weight);
            }
        }
        *pixel = sums.map(|sum| across.arithmetic.finish(sum));
    }
}
