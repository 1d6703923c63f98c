//! Sizes of a convolution.

use std::ops::Range;

use super::RectangularWindow;

/// Values of patches worked on together, so that they stay in the cache.
const CHUNK_VALUES: usize = 1 << 18;
/// Places worked on together even where their patches leave the cache: each product arranges the
/// whole weight anew, which only many places repay.
const CHUNK_PLACES: usize = 768;

/// Sizes of one convolution.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) images: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// Height and width of the kernel.
    pub(super) kernel: [usize; 2],
    pub(super) out_height: usize,
    pub(super) out_width: usize,
    pub(super) window: RectangularWindow,
}

impl Sizes {
    pub(super) fn new(x: [usize; 4], kernel: [usize; 2], window: RectangularWindow) -> Self {
        let [images, height, width, channels] = x;
        let places = |size: usize, [before, after]: [usize; 2], kernel: usize| {
            (size + before + after - kernel) / window.stride + 1
        };
        Self {
            images,
            height,
            width,
            channels,
            kernel,
            out_height: places(height, window.rows, kernel[0]),
            out_width: places(width, window.columns, kernel[1]),
            window,
        }
    }

    /// Values under the kernel at one place.
    pub(super) fn patch(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels
    }

    pub(super) fn places(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Places of all images.
    pub(super) fn rows(&self) -> usize {
        self.images * self.places()
    }

    /// Values of one image of the input.
    pub(super) fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Lines of the output, over all images, that are worked on together.
    pub(super) fn lines(&self) -> usize {
        let places = (CHUNK_VALUES / self.patch()).max(CHUNK_PLACES);
        (places / self.out_width).max(1)
    }

    /// Splits the gradient of some images into blocks of lines.
    pub(super) fn blocks<'a>(
        &self,
        gradient: &'a [f32],
        out: usize,
    ) -> impl Iterator<Item = (Range<usize>, &'a [f32])> {
        let line = self.out_width * out;
        let lines = self.lines();
        (0..)
            .step_by(lines)
            .zip(gradient.chunks(lines * line))
            .map(move |(first, gradient)| (first..first + gradient.len() / line, gradient))
    }

    /// Calls `visit` with the rows of pixels under the kernel at each place of one image: the
    /// offset in the patch, the offset in the image, and how many values they share.
    #[inline(always)]
    pub(super) fn overlaps(&self, row: usize, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let Self {
            kernel: [kernel_height, kernel_width],
            channels,
            width,
            window,
            ..
        } = *self;
        for column in 0..self.out_width {
            let left = (column * window.stride) as isize - window.columns[0] as isize;
            let first = left.max(0) as usize;
            let end = (left + kernel_width as isize).clamp(0, width as isize) as usize;
            let Some(pixels) = end.checked_sub(first).filter(|&pixels| pixels > 0) else {
                continue;
            };
            let skipped = (first as isize - left) as usize;
            for line in 0..kernel_height {
                let y = (row * window.stride + line).wrapping_sub(window.rows[0]);
                if y < self.height {
                    let in_patch = (line * kernel_width + skipped) * channels;
                    let in_image = (y * width + first) * channels;
                    visit(column, in_patch, in_image, pixels * channels);
                }
            }
        }
    }
}
