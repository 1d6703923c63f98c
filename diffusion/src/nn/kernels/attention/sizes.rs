//! Sizes of an attention, and where one head lies.

use std::ops::Range;

use burn_flex::FlexTensor;

use crate::nn::kernels::product::Along;
use crate::nn::kernels::slices::dims;

/// Queries of a tile.
pub(super) const QUERIES: usize = 64;
/// Keys of a tile: its keys and values stay in the first cache.
pub(super) const KEYS: usize = 128;

#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) tokens: usize,
    pub(super) context: usize,
    pub(super) heads: usize,
    /// Features of one head.
    pub(super) depth: usize,
}

impl Sizes {
    pub(super) fn new(query: &FlexTensor, key: &FlexTensor, heads: usize) -> Self {
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

    pub(super) fn features(&self) -> usize {
        self.heads * self.depth
    }

    pub(super) fn scale(&self) -> f32 {
        1.0 / (self.depth as f32).sqrt()
    }

    /// Values of the queries of one sequence.
    pub(super) fn long(&self) -> usize {
        self.tokens * self.features()
    }

    /// Values of the keys of one sequence.
    pub(super) fn short(&self) -> usize {
        self.context * self.features()
    }

    /// One head of some tokens, `[tokens, heads * depth]`.
    pub(super) fn head<'a>(&self, tokens: &'a [f32], head: usize) -> &'a [f32] {
        &tokens[head * self.depth..]
    }

    /// One head of some tokens as lines along its features.
    pub(super) fn along<'a>(&self, tokens: &'a [f32], head: usize) -> Along<'a> {
        Along::every(self.head(tokens, head), self.features())
    }

    /// Keys in tiles.
    pub(super) fn tiles(&self) -> impl Iterator<Item = Range<usize>> {
        let context = self.context;
        (0..context)
            .step_by(KEYS)
            .map(move |first| first..(first + KEYS).min(context))
    }
}
