//! Convolution without laying out patches.
//!
//! In `[height, width, channels]` order, what lies under one line of the kernel is one run of values, and runs of
//! neighbouring places are a fixed distance apart: a matrix whose rows overlap. So a line of the output is the sum of
//! as many products as the kernel has lines, each of an image's line where it lies and some columns of the weight.

use rayon::prelude::*;

use crate::kernels::slices::vectorised;
use crate::kernels::small_product::{Matrix, add_product};

/// Outputs worked on together, the widest tile of [`add_product`].
const PANEL: usize = 32;
/// Most places of one task; they repay arranging a panel of the weight.
const PLACES: usize = 2048;

/// Sizes of a convolution whose input has its margins already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direct {
    pub(super) images: usize,
    /// Height and width of the input, margins included.
    pub(super) padded: [usize; 2],
    pub(super) channels: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Height and width of the output.
    pub(super) places: [usize; 2],
    /// Channels of the output.
    pub(super) out: usize,
}

impl Direct {
    /// Values under one line of the kernel.
    fn run(&self) -> usize {
        self.kernel * self.channels
    }

    /// Convolves, and adds the bias of each image and channel.
    ///
    /// `weight(o, i)` is the weight of output `o` at position `i` of a patch `[kernel, kernel, channels]`, and `bias`
    /// gives an image's.
    pub(super) fn convolve<'b>(
        &self,
        x: &[f32],
        weight: impl Fn(usize, usize) -> f32 + Sync,
        bias: impl Fn(usize) -> Option<&'b [f32]> + Sync,
    ) -> Vec<f32> {
        let lines = self.images * self.places[0];
        let panels = self.out.div_ceil(PANEL);
        // Two tasks per thread, unless more lines would be too much of one task.
        let wanted = (2 * rayon::current_num_threads()).div_ceil(panels);
        let chunk = lines.div_ceil(wanted).clamp(1, PLACES.div_ceil(self.places[1]));
        let chunks = lines.div_ceil(chunk);
        let parts: Vec<Vec<f32>> = (0..panels * chunks)
            .into_par_iter()
            .map(|task| {
                let (chunk_index, panel) = (task / panels, task % panels);
                let outputs = panel * PANEL..((panel + 1) * PANEL).min(self.out);
                let mut columns = vec![0.0; self.kernel * self.run() * PANEL];
                for (position, row) in columns.chunks_exact_mut(PANEL).enumerate() {
                    for (value, output) in row.iter_mut().zip(outputs.clone()) {
                        *value = weight(output, position);
                    }
                }
                let first = chunk_index * chunk;
                vectorised(
                    #[inline(always)]
                    || {
                        self.panel(x, &columns, first, chunk.min(lines - first), |image| {
                            bias(image).map(|bias| &bias[outputs.clone()])
                        })
                    },
                )
            })
            .collect();
        self.assemble(&parts, chunk, panels)
    }

    /// Some outputs of some lines, `[lines, width, PANEL]`.
    #[inline(always)]
    fn panel<'b>(
        &self,
        x: &[f32],
        columns: &[f32],
        first: usize,
        lines: usize,
        bias: impl Fn(usize) -> Option<&'b [f32]>,
    ) -> Vec<f32> {
        let [height, width] = self.places;
        let line = self.padded[1] * self.channels;
        let image_size = self.padded[0] * line;
        let mut outputs = vec![0.0; lines * width * PANEL];
        for (index, output) in (first..).zip(outputs.chunks_exact_mut(width * PANEL)) {
            let (image, row) = (index / height, index % height);
            if let Some(bias) = bias(image) {
                for place in output.chunks_exact_mut(PANEL) {
                    place[..bias.len()].copy_from_slice(bias);
                }
            }
            for (offset, columns) in columns.chunks_exact(self.run() * PANEL).enumerate() {
                let start = image * image_size + (row * self.stride + offset) * line;
                let places = Matrix {
                    values: &x[start..],
                    row: self.stride * self.channels,
                    column: 1,
                };
                let shape = [width, self.run(), PANEL];
                add_product(places, (columns, PANEL), (output, PANEL), shape, 1.0);
            }
        }
        outputs
    }

    /// Puts panels next to each other, `[images, height, width, out]`.
    fn assemble(&self, parts: &[Vec<f32>], chunk: usize, panels: usize) -> Vec<f32> {
        let [height, width] = self.places;
        let mut output = vec![0.0; self.images * height * width * self.out];
        output
            .par_chunks_mut((chunk * width * self.out).max(1))
            .zip(parts.par_chunks(panels.max(1)))
            .for_each(|(output, parts)| {
                for (place, output) in output.chunks_exact_mut(self.out).enumerate() {
                    for (panel, target) in parts.iter().zip(output.chunks_mut(PANEL)) {
                        target.copy_from_slice(&panel[place * PANEL..][..target.len()]);
                    }
                }
            });
        output
    }
}

/// Puts zeros around images `[images, height, width, channels]`: `before` lines and columns, `after` lines and columns.
pub(super) fn pad(x: &[f32], [height, width, channels]: [usize; 3], [before, after]: [usize; 2]) -> Vec<f32> {
    let line = (width + before + after) * channels;
    let image = (height + before + after) * line;
    let size = height * width * channels;
    let mut padded = vec![0.0; x.len() / size.max(1) * image];
    padded
        .par_chunks_mut(image.max(1))
        .zip(x.par_chunks(size.max(1)))
        .for_each(|(padded, x)| {
            let targets = padded.chunks_exact_mut(line).skip(before);
            for (target, source) in targets.zip(x.chunks_exact(width * channels)) {
                target[before * channels..][..source.len()].copy_from_slice(source);
            }
        });
    padded
}
