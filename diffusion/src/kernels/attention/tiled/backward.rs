//! The derivative, with the scores of a tile computed again.

use rayon::prelude::*;

use super::head::tile;
use super::{KEYS, QUERIES, Saved};
use crate::kernels::attention::sizes::Sizes;
use crate::kernels::slices::{exp, sum_pairs, values, vectorised};
use crate::kernels::small_product::{Matrix, add_product};

/// Gradients of query, key and value, in their shapes.
pub(super) fn gradients(sizes: &Sizes, saved: &Saved, gradient: &[f32]) -> [Vec<f32>; 3] {
    let (long, short) = (sizes.tokens * sizes.features(), sizes.context * sizes.features());
    let heads: Vec<[Vec<f32>; 3]> = (0..sizes.batch * sizes.heads)
        .into_par_iter()
        .map(|index| {
            let (sequence, head) = (index / sizes.heads, index % sizes.heads);
            let inputs = Inputs {
                query: &values(&saved.query)[sequence * long..][..long],
                key: &values(&saved.key)[sequence * short..][..short],
                value: &values(&saved.value)[sequence * short..][..short],
                output: &values(&saved.output)[sequence * long..][..long],
                gradient: &gradient[sequence * long..][..long],
                log_sums: &saved.log_sums[sequence * sizes.tokens * sizes.heads..],
            };
            vectorised(
                #[inline(always)]
                || of_head(sizes, head, &inputs),
            )
        })
        .collect();
    std::array::from_fn(|part| join(sizes, heads.iter().map(|head| &head[part])))
}

/// One sequence.
struct Inputs<'a> {
    query: &'a [f32],
    key: &'a [f32],
    value: &'a [f32],
    output: &'a [f32],
    gradient: &'a [f32],
    log_sums: &'a [f32],
}

/// Gradients of one head's queries, keys and values, each `[tokens, depth]`.
#[inline(always)]
fn of_head(sizes: &Sizes, head: usize, inputs: &Inputs<'_>) -> [Vec<f32>; 3] {
    let depth = sizes.depth;
    let query = sizes.rows(inputs.query, head, sizes.scale());
    let key = sizes.rows(inputs.key, head, 1.0);
    let gradient = sizes.rows(inputs.gradient, head, 1.0);
    let output = sizes.rows(inputs.output, head, 1.0);
    let [key_panels, value_panels] = [inputs.key, inputs.value].map(|x| sizes.panels(x, head));
    let mut of_query = vec![0.0; query.len()];
    let mut of_key = vec![0.0; key.len()];
    let mut of_value = vec![0.0; key.len()];
    let (mut weights, mut of_scores) = (tile(), tile());
    for token in (0..sizes.tokens).step_by(QUERIES) {
        let rows = QUERIES.min(sizes.tokens - token);
        let block = token * depth..(token + rows) * depth;
        let (query, gradient) = (&query[block.clone()], &gradient[block.clone()]);
        for first in (0..sizes.context).step_by(KEYS) {
            let keys = KEYS.min(sizes.context - first);
            sizes.products(query, &key_panels, first, &mut weights);
            sizes.products(gradient, &value_panels, first, &mut of_scores);
            for row in 0..rows {
                let output = &output[(token + row) * depth..][..depth];
                let mean = sum_pairs(&gradient[row * depth..][..depth], output, |a, b| a * b);
                let log_sum = inputs.log_sums[(token + row) * sizes.heads + head];
                let weights = &mut weights[row * KEYS..][..keys];
                for (weight, of_score) in weights.iter_mut().zip(&mut of_scores[row * KEYS..]) {
                    *weight = exp(*weight - log_sum);
                    *of_score = (*of_score - mean) * *weight;
                }
            }
            let block = first * depth..(first + keys) * depth;
            let by_key = |values| Matrix {
                values,
                row: 1,
                column: KEYS,
            };
            let by_query = Matrix {
                values: &of_scores,
                row: KEYS,
                column: 1,
            };
            let shape = [keys, rows, depth];
            let target = (&mut of_value[block.clone()], depth);
            add_product(by_key(&weights), (gradient, depth), target, shape, 1.0);
            let target = (&mut of_key[block.clone()], depth);
            add_product(by_key(&of_scores), (query, depth), target, shape, 1.0);
            let target = (&mut of_query[token * depth..], depth);
            let keys = [rows, keys, depth];
            add_product(by_query, (&key[block], depth), target, keys, sizes.scale());
        }
    }
    [of_query, of_key, of_value]
}

/// Puts heads, sequence by sequence, next to each other: `[batch, tokens, heads * depth]`.
fn join<'a>(sizes: &Sizes, heads: impl Iterator<Item = &'a Vec<f32>>) -> Vec<f32> {
    let heads: Vec<&Vec<f32>> = heads.collect();
    let mut joined = Vec::with_capacity(heads.iter().map(|head| head.len()).sum());
    for sequence in heads.chunks(sizes.heads) {
        let tokens = sequence.first().map_or(0, |head| head.len() / sizes.depth);
        for token in 0..tokens {
            for head in sequence {
                joined.extend_from_slice(&head[token * sizes.depth..][..sizes.depth]);
            }
        }
    }
    joined
}
