//! Sizes of an attention, and where one head lies.

use std::ops::Range;

use burn_flex::FlexTensor;

use crate::nn::kernels::product::{Along, whole_tiles};
use crate::nn::kernels::slices::dims;

/// Products of queries and keys, value by value, from which a single block is worth several threads.
const LARGE: usize = 1 << 20;

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
    /// From one token of what is attended with to the next.
    pub(super) stride: usize,
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
            stride: features,
        }
    }

    /// Sizes of the attention of tokens to each other, whose queries, keys and values lie side by side.
    pub(super) fn joined(all: &FlexTensor, heads: usize) -> Self {
        let [batch, tokens, stride] = dims(all);
        Self {
            batch,
            tokens,
            context: tokens,
            heads,
            depth: stride / 3 / heads,
            stride,
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

    /// One head of some tokens, which lie `stride` apart.
    pub(super) fn head<'a>(&self, tokens: &'a [f32], head: usize) -> &'a [f32] {
        &tokens[head * self.depth..]
    }

    /// One head of some tokens as lines along its features.
    pub(super) fn along<'a>(&self, tokens: &'a [f32], head: usize) -> Along<'a> {
        Along::every(self.head(tokens, head), self.stride)
    }

    /// Queries of a task on some threads: a block, or a share of the only one there is where it is worth being shared.
    pub(super) fn queries(&self, threads: usize, tile: usize) -> usize {
        let work = self.tokens * self.context * self.features();
        match self.batch < threads && self.tokens <= QUERIES && work > LARGE {
            true => whole_tiles(self.tokens.div_ceil(threads), tile).min(QUERIES),
            false => QUERIES,
        }
    }

    /// Keys in tiles.
    pub(super) fn tiles(&self) -> impl Iterator<Item = Range<usize>> {
        let context = self.context;
        (0..context)
            .step_by(KEYS)
            .map(move |first| first..(first + KEYS).min(context))
    }
}
