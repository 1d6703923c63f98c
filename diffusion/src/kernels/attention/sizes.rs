//! Sizes of an attention.

use burn_flex::FlexTensor;

use crate::kernels::slices::dims;

/// Sizes of an attention.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Sizes {
    pub(in crate::kernels) batch: usize,
    pub(in crate::kernels) tokens: usize,
    pub(in crate::kernels) context: usize,
    pub(in crate::kernels) heads: usize,
    /// Features of one head.
    pub(in crate::kernels) depth: usize,
}

impl Sizes {
    pub(in crate::kernels) fn new(query: &FlexTensor, key: &FlexTensor, heads: usize) -> Self {
        let [batch, tokens, features] = dims(query);
        let [_, context, _] = dims(key);
        Self {
            batch,
            tokens,
            context,
            heads,
            depth: features / heads,
        }
    }

    pub(in crate::kernels) fn features(&self) -> usize {
        self.heads * self.depth
    }

    pub(in crate::kernels) fn scale(&self) -> f32 {
        1.0 / (self.depth as f32).sqrt()
    }
}
