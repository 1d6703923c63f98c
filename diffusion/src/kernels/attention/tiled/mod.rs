//! Attention of long sequences on the CPU: scores exist for one tile at a time.
//!
//! The softmax is put together tile by tile, and the derivative computes the scores again from
//! each query's logarithm of summed exponentials (FlashAttention-2, arXiv 2307.08691, algorithms 1
//! and 2), so that memory grows with the tokens and not with their square.

mod backward;
mod forward;
mod head;

use burn_flex::FlexTensor;

use crate::kernels::attention::sizes::Sizes;
use crate::kernels::slices::{tensor, values};
use crate::kernels::tape::Kernel;

/// Queries of a tile.
const QUERIES: usize = 64;
/// Keys of a tile, a multiple of [`head::PANEL`]: keys and values of a tile stay in the first cache.
const KEYS: usize = 128;

#[derive(Clone, Debug)]
pub(in crate::kernels) struct TiledAttention {
    pub(in crate::kernels) heads: usize,
}

/// What the derivative computes the scores again from.
#[derive(Clone, Debug)]
pub(in crate::kernels) struct Saved {
    query: FlexTensor,
    key: FlexTensor,
    value: FlexTensor,
    output: FlexTensor,
    /// Logarithm of the sum of exponentials of a query's scores, `[batch, tokens, heads]`.
    log_sums: Vec<f32>,
}

impl Kernel<3> for TiledAttention {
    type Saved = Saved;

    fn forward(&self, [query, key, value]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let sizes = Sizes::new(&query, &key, self.heads);
        let (output, log_sums) = forward::attend(&sizes, values(&query), values(&key), values(&value));
        let output = tensor(output, [sizes.batch, sizes.tokens, sizes.features()]);
        let saved = Saved {
            query,
            key,
            value,
            output: output.clone(),
            log_sums,
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
        let [query, key, value] = backward::gradients(&sizes, &saved, values(&gradient));
        let long = [sizes.batch, sizes.tokens, sizes.features()];
        let short = [sizes.batch, sizes.context, sizes.features()];
        [
            wanted[0].then(|| tensor(query, long)),
            wanted[1].then(|| tensor(key, short)),
            wanted[2].then(|| tensor(value, short)),
        ]
    }
}
