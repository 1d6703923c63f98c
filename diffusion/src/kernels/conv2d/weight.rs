//! The weight of a convolution in the orders that products read.

use burn::tensor::Shape;
use burn_flex::FlexTensor;

use crate::kernels::slices::{dims, tensor, values};

/// Values of a weight, and how they lie in memory.
pub(super) struct Stored<'a> {
    values: &'a [f32],
    channels_last: bool,
    channels: usize,
    kernel: usize,
}

impl<'a> Stored<'a> {
    /// `storage` is the weight's own, see [`in_storage`].
    pub(super) fn of(weight: &FlexTensor, storage: &'a FlexTensor) -> Self {
        let [_, channels, kernel, _] = dims(weight);
        Self {
            values: values(storage),
            channels_last: channels_last(weight).is_contiguous(),
            channels,
            kernel,
        }
    }

    /// The weight of an output at a position of a patch `[kernel, kernel, channels]`.
    #[inline(always)]
    pub(super) fn at(&self, output: usize, position: usize) -> f32 {
        let squared = self.kernel * self.kernel;
        let index = match self.channels_last {
            true => output * squared * self.channels + position,
            false => (output * self.channels + position % self.channels) * squared + position / self.channels,
        };
        self.values[index]
    }
}

/// A weight in the order of its values in memory.
pub(super) fn in_storage(weight: &FlexTensor) -> FlexTensor {
    let by_out = channels_last(weight);
    match by_out.is_contiguous() {
        true => by_out,
        false => weight.clone(),
    }
}

/// A weight `[out, in, kernel, kernel]` seen as `[out, kernel, kernel, in]`.
pub(super) fn channels_last(weight: &FlexTensor) -> FlexTensor {
    weight.permute(&[0, 2, 3, 1])
}

/// `[kernel * kernel * in, out]` of a weight `[out, in, kernel, kernel]`, without a copy where its
/// channels lie next to each other.
pub(super) fn as_matrix(weight: &FlexTensor) -> FlexTensor {
    let [out, channels, kernel, _] = dims(weight);
    let patch = kernel * kernel * channels;
    let by_out = channels_last(weight);
    if by_out.is_contiguous() {
        return by_out.reshape(Shape::from([out, patch])).transpose(0, 1);
    }
    let squared = kernel * kernel;
    let mut matrix = vec![0.0; patch * out];
    for (index, weight) in values(weight).chunks_exact(squared).enumerate() {
        let (to, from) = (index / channels, index % channels);
        for (position, weight) in weight.iter().enumerate() {
            matrix[(position * channels + from) * out + to] = *weight;
        }
    }
    tensor(matrix, [patch, out])
}

/// The weight `[out, in, kernel, kernel]` of a matrix `[kernel * kernel * in, out]`.
pub(super) fn as_weight(matrix: &[f32], shape: [usize; 4]) -> FlexTensor {
    let [out, channels, kernel, _] = shape;
    let squared = kernel * kernel;
    let mut weight = vec![0.0; matrix.len()];
    for (index, weight) in weight.chunks_exact_mut(squared).enumerate() {
        let (to, from) = (index / channels, index % channels);
        for (position, weight) in weight.iter_mut().enumerate() {
            *weight = matrix[(position * channels + from) * out + to];
        }
    }
    tensor(weight, shape)
}
