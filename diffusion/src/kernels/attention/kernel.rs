//! Attention on the CPU, a sequence and head at a time, with all scores in memory.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::sizes::Sizes;
use crate::kernels::slices::{exp, sum, sum_pairs, tensor, values, vectorised};
use crate::kernels::small_product::{Matrix, add_product};
use crate::kernels::tape::Kernel;

/// Most scores that are in memory at once; 64 MiB.
const MOST_SCORES: usize = 1 << 24;

/// Whether all scores may be in memory at once; beyond that tiles are better.
pub(in crate::kernels) fn fits(query: &Tensor<3>, key: &Tensor<3>, heads: usize) -> bool {
    let [batch, tokens, _] = query.dims();
    batch * heads * tokens * key.dims()[1] <= MOST_SCORES
}

#[derive(Clone, Debug)]
pub(in crate::kernels) struct Attention {
    pub(in crate::kernels) heads: usize,
}

impl Sizes {
    fn scores(&self) -> usize {
        self.heads * self.tokens * self.context
    }

    /// One head of `[context, heads * d]` as `[d, context]`.
    #[inline(always)]
    fn transposed(&self, x: &[f32], head: usize) -> Vec<f32> {
        let mut transposed = vec![0.0; self.depth * self.context];
        for (token, row) in x.chunks_exact(self.features()).enumerate() {
            for (feature, value) in row[head * self.depth..][..self.depth].iter().enumerate() {
                transposed[feature * self.context + token] = *value;
            }
        }
        transposed
    }
}

impl Kernel<3> for Attention {
    /// Query, key, value and the softmax, `[batch, heads, tokens, context]`.
    type Saved = ([FlexTensor; 3], Vec<f32>);

    fn forward(&self, [query, key, value]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let sizes = Sizes::new(&query, &key, self.heads);
        let (long, short) = (sizes.tokens * sizes.features(), sizes.context * sizes.features());
        let mut output = vec![0.0; sizes.batch * long];
        let mut weights = vec![0.0; sizes.batch * sizes.scores()];
        output
            .par_chunks_mut(long)
            .zip(weights.par_chunks_mut(sizes.scores()))
            .zip(values(&query).par_chunks(long))
            .zip(values(&key).par_chunks(short))
            .zip(values(&value).par_chunks(short))
            .for_each(|((((output, weights), query), key), value)| {
                vectorised(
                    #[inline(always)]
                    || sizes.gather(query, key, value, weights, output),
                );
            });
        let shape = [sizes.batch, sizes.tokens, sizes.features()];
        (tensor(output, shape), ([query, key, value], weights))
    }

    fn backward(
        &self,
        ([query, key, value], weights): Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let sizes = Sizes::new(&query, &key, self.heads);
        let (long, short) = (sizes.tokens * sizes.features(), sizes.context * sizes.features());
        let mut of_query = vec![0.0; sizes.batch * long];
        let mut of_key = vec![0.0; sizes.batch * short];
        let mut of_value = vec![0.0; sizes.batch * short];
        of_query
            .par_chunks_mut(long)
            .zip(of_key.par_chunks_mut(short))
            .zip(of_value.par_chunks_mut(short))
            .zip(values(&query).par_chunks(long))
            .zip(values(&key).par_chunks(short))
            .zip(values(&value).par_chunks(short))
            .zip(weights.par_chunks(sizes.scores()))
            .zip(values(&gradient).par_chunks(long))
            .for_each(
                |(((((((of_query, of_key), of_value), query), key), value), weights), gradient)| {
                    let inputs = [query, key, value, weights, gradient];
                    vectorised(
                        #[inline(always)]
                        || sizes.gather_backward(inputs, [of_query, of_key, of_value]),
                    );
                },
            );
        let context = [sizes.batch, sizes.context, sizes.features()];
        [
            wanted[0].then(|| tensor(of_query, [sizes.batch, sizes.tokens, sizes.features()])),
            wanted[1].then(|| tensor(of_key, context)),
            wanted[2].then(|| tensor(of_value, context)),
        ]
    }
}

impl Sizes {
    /// Attention of one sequence.
    #[inline(always)]
    fn gather(&self, query: &[f32], key: &[f32], value: &[f32], weights: &mut [f32], output: &mut [f32]) {
        let Self {
            tokens,
            context,
            depth,
            ..
        } = *self;
        for (head, weights) in weights.chunks_exact_mut(tokens * context).enumerate() {
            let start = head * depth;
            let keys = self.transposed(key, head);
            let shape = [tokens, depth, context];
            let query = self.rows_of(&query[start..]);
            add_product(query, (&keys, context), (weights, context), shape, self.scale());
            // A loop, because a function passed on is compiled without the machine's best instructions.
            for scores in weights.chunks_exact_mut(context) {
                softmax(scores);
            }
            let (value, output) = (&value[start..], &mut output[start..]);
            let weights = Matrix {
                values: weights,
                row: context,
                column: 1,
            };
            let shape = [tokens, context, depth];
            add_product(
                weights,
                (value, self.features()),
                (output, self.features()),
                shape,
                1.0,
            );
        }
    }

    /// Gradients of query, key and value of one sequence.
    #[inline(always)]
    fn gather_backward(&self, inputs: [&[f32]; 5], targets: [&mut [f32]; 3]) {
        let Self {
            tokens,
            context,
            depth,
            ..
        } = *self;
        let [query, key, value, weights, gradient] = inputs;
        let [of_query, of_key, of_value] = targets;
        let features = self.features();
        for (head, weights) in weights.chunks_exact(tokens * context).enumerate() {
            let start = head * depth;
            let (query, key, gradient) = (&query[start..], &key[start..], &gradient[start..]);
            let mut of_scores = vec![0.0; tokens * context];
            let values = self.transposed(value, head);
            let shape = [tokens, depth, context];
            let rows = self.rows_of(gradient);
            add_product(rows, (&values, context), (&mut of_scores, context), shape, 1.0);
            let rows = of_scores
                .chunks_exact_mut(context)
                .zip(weights.chunks_exact(context));
            for (of_scores, weights) in rows {
                softmax_backward(of_scores, weights);
            }
            let (forwards, backwards) = ([tokens, context, depth], [context, tokens, depth]);
            let by_token = Matrix {
                values: &of_scores,
                row: context,
                column: 1,
            };
            let by_context = Matrix {
                values: &of_scores,
                row: 1,
                column: context,
            };
            let weights = Matrix {
                values: weights,
                row: 1,
                column: context,
            };
            let target = (&mut of_query[start..], features);
            add_product(by_token, (key, features), target, forwards, self.scale());
            let target = (&mut of_key[start..], features);
            add_product(by_context, (query, features), target, backwards, self.scale());
            let target = (&mut of_value[start..], features);
            add_product(weights, (gradient, features), target, backwards, 1.0);
        }
    }

    /// One head of `[tokens, heads * d]`, beginning at its first value.
    #[inline(always)]
    fn rows_of<'a>(&self, values: &'a [f32]) -> Matrix<'a> {
        Matrix {
            values,
            row: self.features(),
            column: 1,
        }
    }
}

/// Gradient of the scores from that of their softmax, in place.
#[inline(always)]
fn softmax_backward(of_scores: &mut [f32], weights: &[f32]) {
    let mean = sum_pairs(of_scores, weights, |gradient, weight| gradient * weight);
    for (of_score, weight) in of_scores.iter_mut().zip(weights) {
        *of_score = (*of_score - mean) * weight;
    }
}

#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for score in scores.iter_mut() {
        *score = exp(*score - most);
    }
    let inverse = 1.0 / sum(scores);
    for score in scores.iter_mut() {
        *score *= inverse;
    }
}
