//! Images with margins of zeros, in which windows lie without being cut.
//!
//! In `[height, width, channels]` order, what lies under one line of the kernel is one run of values, and runs of
//! neighbouring places are a fixed distance apart: a matrix whose rows overlap, which a product reads where it lies.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::nn::kernels::product::{Along, Starts};
use crate::nn::kernels::slices::zeros;

/// Images with margins, `[images, height, width, channels]`.
pub(super) struct Padded<'a> {
    values: Cow<'a, [f32]>,
    size: [usize; 3],
}

impl<'a> Padded<'a> {
    /// Puts lines and columns of zeros before and after images `[height, width, channels]`.
    pub(super) fn new(
        x: &'a [f32],
        [height, width, channels]: [usize; 3],
        [above, below]: [usize; 2],
        [left, right]: [usize; 2],
    ) -> Self {
        let size = [height + above + below, width + left + right, channels];
        let [_, padded_width, _] = size;
        let image = height * width * channels;
        if size == [height, width, channels] || image == 0 {
            return Self {
                values: Cow::Borrowed(x),
                size,
            };
        }
        let (row, padded_row) = (width * channels, padded_width * channels);
        let mut values = zeros(x.len() / image * size.iter().product::<usize>());
        // Line by line, so that the lines of a single image are shared out too.
        values
            .par_chunks_mut(padded_row)
            .enumerate()
            .for_each(|(line, target)| {
                let (index, line) = (line / size[0], line % size[0]);
                if let Some(line) = line.checked_sub(above).filter(|line| *line < height) {
                    let source = &x[(index * height + line) * row..][..row];
                    target[left * channels..][..row].copy_from_slice(source);
                }
            });
        Self {
            values: Cow::Owned(values),
            size,
        }
    }

    /// What lies under a kernel at each place of all images, as lines `[kernel height, kernel width, channels]`.
    pub(super) fn windows(&self, places: [usize; 2], kernel: [usize; 2], stride: usize) -> Along<'_> {
        let [height, width, channels] = self.size;
        let row = width * channels;
        Along {
            values: &self.values,
            starts: Starts::Places {
                places,
                distances: [height * row, stride * row, stride * channels],
            },
            run: kernel[1] * channels,
            distance: row,
        }
    }
}
