//! Attention on the CPU: scores exist for one tile at a time.
//!
//! The softmax is put together tile by tile, and the derivative computes the weights again from each query's largest
//! score and sum of exponentials (FlashAttention-2, arXiv 2307.08691, algorithms 1 and 2), so that memory grows with
//! the tokens and not with their square.

use burn_flex::FlexTensor;

use super::backward::{Gradients, Saved};
use super::forward::Attend;
use super::sizes::Sizes;
use crate::cpu_level::CpuLevel;
use crate::nn::kernels::instructions::dispatch;
use crate::nn::kernels::slices::{tensor, values};
use crate::nn::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct Attention {
    pub(in crate::nn::kernels) heads: usize,
}

/// Attention of tokens to each other; queries, keys and values lie side by side, `[batch, tokens, 3 * heads * d]`.
pub(in crate::nn::kernels) fn attend_joined(all: &FlexTensor, heads: usize) -> FlexTensor {
    let sizes = Sizes::joined(all, heads);
    let (all, features) = (values(all), sizes.features());
    let attend = Attend {
        sizes,
        query: all,
        key: &all[features..],
        value: &all[2 * features..],
    };
    let (output, _) = dispatch(CpuLevel::in_force(), attend);
    tensor(output, [sizes.batch, sizes.tokens, features])
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
