//! Joining on the CPU, some pixels at a time.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::nn::kernels::slices::{dims, tensor, values, zeros};

/// Pixels of one task.
const PIXELS: usize = 128;

/// Images `[batch, height, width, channels]` of one size, of which there is at least one.
pub(super) fn join(parts: &[FlexTensor]) -> FlexTensor {
    let parts: Vec<FlexTensor> = parts.iter().map(FlexTensor::to_contiguous).collect();
    let [images, height, width, _]: [usize; 4] = dims(&parts[0]);
    let channels: Vec<usize> = parts.iter().map(|part| dims::<4>(part)[3]).collect();
    let all: usize = channels.iter().sum();
    let mut output = zeros(images * height * width * all);
    let sources: Vec<(&[f32], usize)> = parts.iter().map(values).zip(channels).collect();
    output
        .par_chunks_mut((PIXELS * all).max(1))
        .enumerate()
        .for_each(|(task, target)| {
            for (pixel, target) in (task * PIXELS..).zip(target.chunks_exact_mut(all)) {
                let mut rest = target;
                for (source, channels) in &sources {
                    let (own, others) = rest.split_at_mut(*channels);
                    own.copy_from_slice(&source[pixel * channels..][..*channels]);
                    rest = others;
                }
            }
        });
    tensor(output, [images, height, width, all])
}
