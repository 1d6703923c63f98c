//! Shapes of an adapter's factors in files.

use crate::nn::layers::LayerShape;

impl LayerShape {
    /// Shape of A in a file: `[rank, inputs]`, with the kernel for a convolution.
    pub(super) fn of_a(&self, rank: usize) -> Vec<usize> {
        let kernel = self.kernel.iter().flatten();
        [rank, self.inputs].iter().chain(kernel).copied().collect()
    }

    /// Shape of B in a file: `[outputs, rank]`, with a kernel of 1 for a convolution.
    pub(super) fn of_b(&self, rank: usize) -> Vec<usize> {
        let mut shape = vec![self.outputs, rank];
        shape.extend(self.kernel.map(|_| [1, 1]).into_iter().flatten());
        shape
    }

    /// Whether both weights have the same rows, a kernel of 1 being none.
    pub(super) fn same_rows(&self, other: &Self) -> bool {
        let kernel = |shape: &Self| shape.kernel.unwrap_or([1, 1]);
        (self.outputs, self.inputs, kernel(self)) == (other.outputs, other.inputs, kernel(other))
    }
}
