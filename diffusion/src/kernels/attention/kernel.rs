//! Attention on the CPU: scores exist for one tile at a time.
//!
//! The softmax is put together tile by tile, and the derivative computes the weights again from each query's largest
//! score and sum of exponentials (FlashAttention-2, arXiv 2307.08691, algorithms 1 and 2), so that memory grows with
//! the tokens and not with their square.

use burn_flex::FlexTensor;

use super::backward::Gradients;
use super::forward::{Attend, Normaliser};
use super::sizes::Sizes;
use crate::cpu_level::CpuLevel;
use crate::kernels::instructions::dispatch;
use crate::kernels::slices::{tensor, values};
use crate::kernels::tape::Kernel;

/// Queries of a tile.
pub(super) const QUERIES: usize = 64;
/// Keys of a tile: its keys and values stay in the first cache.
pub(super) const KEYS: usize = 128;

#[derive(Clone, Debug)]
pub(in crate::kernels) struct Attention {
    pub(in crate::kernels) heads: usize,
}

/// What the derivative computes the scores again from.
#[derive(Clone, Debug)]
pub(in crate::kernels) struct Saved {
    pub(super) query: FlexTensor,
    pub(super) key: FlexTensor,
    pub(super) value: FlexTensor,
    pub(super) output: FlexTensor,
    /// Of each query and head, `[batch, tokens, heads]`.
    pub(super) normalisers: Vec<Normaliser>,
}

impl Kernel<3> for Attention {
    type Saved = Saved;

    fn forward(&self, [query, key, value]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let sizes = Sizes::new(&query, &key, self.heads);
        let attend = Attend {
            sizes,
            query: values(&query),
            key: values(&key),
            value: values(&value),
        };
        let (output, normalisers) = dispatch(CpuLevel::in_force(), attend);
        let output = tensor(output, [sizes.batch, sizes.tokens, sizes.features()]);
        let saved = Saved {
            query,
            key,
            value,
            output: output.clone(),
            normalisers,
        };
        (output, saved)
    }

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let sizes = Sizes::new(&saved.query, &saved.key, self.heads);
        let gradients = Gradients {
            sizes,
            saved: &saved,
            gradient: values(&gradient),
        };
        let [query, key, value] = dispatch(CpuLevel::in_force(), gradients);
        let long = [sizes.batch, sizes.tokens, sizes.features()];
        let short = [sizes.batch, sizes.context, sizes.features()];
        [
            wanted[0].then(|| tensor(query, long)),
            wanted[1].then(|| tensor(key, short)),
            wanted[2].then(|| tensor(value, short)),
        ]
    }
}
