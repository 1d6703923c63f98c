//! Attention with several heads.

use burn::tensor::Tensor;
use burn::tensor::ops::AttentionModuleOptions;

/// Gathers values by similarity of query and key, `softmax(Q K^T / sqrt(d)) V` per head
/// (Attention Is All You Need, arXiv 1706.03762, equation 1).
///
/// # Shapes
/// - query: `[batch, tokens, heads * d]`
/// - key, value: `[batch, context tokens, heads * d]`
/// - output: `[batch, tokens, heads * d]`
pub fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: usize) -> Tensor<3> {
    #[cfg(feature = "kernels")]
    if kernel::fits(&query, &key, heads) {
        let inputs = [
            query.clone().into_dispatch(),
            key.clone().into_dispatch(),
            value.clone().into_dispatch(),
        ];
        if let Some(output) = super::tape::apply(kernel::Attention { heads }, inputs) {
            return output;
        }
    }
    let split = |x: Tensor<3>| {
        let [batch, tokens, features] = x.dims();
        x.reshape([batch, tokens, heads, features / heads])
            .swap_dims(1, 2)
    };
    let options = AttentionModuleOptions::default();
    let gathered =
        burn::tensor::module::attention(split(query), split(key), split(value), None, None, options);
    let [batch, heads, tokens, features] = gathered.dims();
    gathered
        .swap_dims(1, 2)
        .reshape([batch, tokens, heads * features])
}

#[cfg(feature = "kernels")]
mod kernel {
    use burn::tensor::Tensor;
    use burn_flex::FlexTensor;
    use rayon::prelude::*;

    use super::super::slices::{add_scaled, dims, exp, sum, sum_pairs, tensor, values, vectorised};
    use super::super::tape::Kernel;

    /// Most scores that are in memory at once; 64 MiB.
    const MOST_SCORES: usize = 1 << 24;

    /// Whether all scores may be in memory at once; beyond that tiles are better.
    pub(super) fn fits(query: &Tensor<3>, key: &Tensor<3>, heads: usize) -> bool {
        let [batch, tokens, _] = query.dims();
        batch * heads * tokens * key.dims()[1] <= MOST_SCORES
    }

    #[derive(Clone, Debug)]
    pub(super) struct Attention {
        pub(super) heads: usize,
    }

    /// Sizes of one sequence.
    #[derive(Clone, Copy)]
    struct Sizes {
        batch: usize,
        tokens: usize,
        context: usize,
        heads: usize,
        /// Features of one head.
        depth: usize,
    }

    impl Sizes {
        fn new(query: &FlexTensor, key: &FlexTensor, heads: usize) -> Self {
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

        fn features(&self) -> usize {
            self.heads * self.depth
        }

        fn scores(&self) -> usize {
            self.heads * self.tokens * self.context
        }

        fn scale(&self) -> f32 {
            1.0 / (self.depth as f32).sqrt()
        }

        /// One head's rows of `[tokens, heads * d]`.
        #[inline(always)]
        fn rows<'a>(&self, x: &'a [f32], head: usize) -> impl Iterator<Item = &'a [f32]> {
            let (start, depth) = (head * self.depth, self.depth);
            x.chunks_exact(self.features())
                .map(move |row| &row[start..start + depth])
        }

        /// The same, to be written.
        #[inline(always)]
        fn rows_mut<'a>(&self, x: &'a mut [f32], head: usize) -> impl Iterator<Item = &'a mut [f32]> {
            let (start, depth) = (head * self.depth, self.depth);
            x.chunks_exact_mut(self.features())
                .map(move |row| &mut row[start..start + depth])
        }

        /// One head of `[context, heads * d]` as `[d, context]`.
        #[inline(always)]
        fn transposed(&self, x: &[f32], head: usize) -> Vec<f32> {
            let mut transposed = vec![0.0; self.depth * self.context];
            for (token, row) in self.rows(x, head).enumerate() {
                for (feature, value) in row.iter().enumerate() {
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
            for (head, weights) in weights.chunks_exact_mut(self.tokens * self.context).enumerate() {
                let keys = self.transposed(key, head);
                let rows = self.rows(query, head).zip(self.rows_mut(output, head));
                for (weights, (query, output)) in weights.chunks_exact_mut(self.context).zip(rows) {
                    for (query, keys) in query.iter().zip(keys.chunks_exact(self.context)) {
                        add_scaled(weights, query * self.scale(), keys);
                    }
                    softmax(weights);
                    for (weight, value) in weights.iter().zip(self.rows(value, head)) {
                        add_scaled(output, *weight, value);
                    }
                }
            }
        }

        /// Gradients of query, key and value of one sequence.
        #[inline(always)]
        fn gather_backward(&self, inputs: [&[f32]; 5], targets: [&mut [f32]; 3]) {
            let [query, key, value, weights, gradient] = inputs;
            let [of_query, of_key, of_value] = targets;
            let mut of_scores = vec![0.0; self.context];
            for (head, weights) in weights.chunks_exact(self.tokens * self.context).enumerate() {
                let values = self.transposed(value, head);
                let rows = self
                    .rows(query, head)
                    .zip(self.rows(gradient, head))
                    .zip(self.rows_mut(of_query, head));
                for (weights, ((query, gradient), of_query)) in weights.chunks_exact(self.context).zip(rows) {
                    of_scores.fill(0.0);
                    for (gradient, values) in gradient.iter().zip(values.chunks_exact(self.context)) {
                        add_scaled(&mut of_scores, *gradient, values);
                    }
                    let mean = sum_pairs(&of_scores, weights, |gradient, weight| gradient * weight);
                    for (of_score, weight) in of_scores.iter_mut().zip(weights) {
                        *of_score = (*of_score - mean) * weight * self.scale();
                    }
                    for (of_score, key) in of_scores.iter().zip(self.rows(key, head)) {
                        add_scaled(of_query, *of_score, key);
                    }
                    for (of_score, of_key) in of_scores.iter().zip(self.rows_mut(of_key, head)) {
                        add_scaled(of_key, *of_score, query);
                    }
                    for (weight, of_value) in weights.iter().zip(self.rows_mut(of_value, head)) {
                        add_scaled(of_value, *weight, gradient);
                    }
                }
            }
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
}
