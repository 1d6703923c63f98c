//! Images with margins of zeros, in which windows lie without being cut.
//!
//! In `[height, width, channels]` order, what lies under one line of the kernel is one run of values, and runs of
//! neighbouring places are a fixed distance apart: a matrix whose rows overlap, which a product reads where it lies.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::nn::kernels::product::{Along, Starts};

/// Images with margins, `[images, height, width, channels]`.
pub(super) struct Padded<'a> {
    values: Cow<'a, [f32]>,
    size: [usize; 3],
}

impl<'a> Padded<'a> {
    /// Puts `before` and `after` lines and columns of zeros around images `[height, width, channels]`.
    pub(super) fn new(
        x: &'a [f32],
        [height, width, channels]: [usize; 3],
        [before, after]: [usize; 2],
    ) -> Self {
        let size = [height + before + after, width + before + after, channels];
        let [_, padded_width, _] = size;
        let image = height * width * channels;
        if size == [height, width, channels] || image == 0 {
            return Self {
                values: Cow::Borrowed(x),
                size,
            };
        }
        let (row, padded_row) = (width * channels, padded_width * channels);
        let mut values = vec![0.0; x.len() / image * size.iter().product::<usize>()];
        values
            .par_chunks_mut(size[0] * padded_row)
            .zip(x.par_chunks(image))
            .for_each(|(padded, x)| {
                let targets = padded.chunks_exact_mut(padded_row).skip(before);
                for (target, source) in targets.zip(x.chunks_exact(row)) {
                    target[before * channels..][..row].copy_from_slice(source);
                }
            });
        Self {
            values: Cow::Owned(values),
            size,
        }
    }

    /// What lies under a square kernel at each place of all images, as lines `[kernel, kernel, channels]`.
    pub(super) fn windows(&self, places: [usize; 2], kernel: usize, stride: usize) -> Along<'_> {
        let [height, width, channels] = self.size;
        let row = width * channels;
        Along {
            values: &self.values,
            starts: Starts::Places {
                places,
                distances: [height * row, stride * row, stride * channels],
            },
            run: kernel * channels,
            distance: row,
        }
    }
}
