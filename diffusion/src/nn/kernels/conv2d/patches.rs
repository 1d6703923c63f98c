//! Patches: what lies under the kernel at each place, laid out as the rows of a matrix.

use std::ops::Range;

use super::sizes::Sizes;
use crate::nn::kernels::slices::add_scaled;

/// What lies under the kernel at each place of some lines, `[lines * out width, patch]`.
pub(super) fn patches(x: &[f32], sizes: &Sizes, lines: Range<usize>) -> Vec<f32> {
    let patch = sizes.patch();
    let rows = lines.len() * sizes.out_width;
    let mut patches = vec![0.0; rows * patch];
    let targets = patches.chunks_exact_mut(sizes.out_width * patch);
    for (line, target) in lines.zip(targets) {
        let (image, row) = (line / sizes.out_height, line % sizes.out_height);
        let source = &x[image * sizes.image()..][..sizes.image()];
        sizes.overlaps(row, |column, in_patch, in_image, length| {
            target[column * patch + in_patch..][..length].copy_from_slice(&source[in_image..][..length]);
        });
    }
    patches
}

/// Adds up the gradients of what lay under the kernel, from a line on. To be compiled within `vectorised`.
#[inline(always)]
pub(super) fn gather_patches(target: &mut [f32], patches: &[f32], sizes: &Sizes, first: usize) {
    let patch = sizes.patch();
    for (line, source) in (first..).zip(patches.chunks_exact(sizes.out_width * patch)) {
        let (image, row) = (line / sizes.out_height, line % sizes.out_height);
        let target = &mut target[image * sizes.image()..][..sizes.image()];
        sizes.overlaps(row, |column, in_patch, in_image, length| {
            let source = &source[column * patch + in_patch..][..length];
            add_scaled(&mut target[in_image..][..length], 1.0, source);
        });
    }
}
