//! The output, tile by tile.

use rayon::prelude::*;

use super::head::tile;
use super::{KEYS, QUERIES};
use crate::kernels::attention::sizes::Sizes;
use crate::kernels::slices::{exp, sum, vectorised};
use crate::kernels::small_product::{Matrix, add_product};

/// Keys and values of one head of one sequence.
struct Head {
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Gives the output, `[batch, tokens, features]`, and the logarithms of summed exponentials,
/// `[batch, tokens, heads]`.
pub(super) fn attend(sizes: &Sizes, query: &[f32], key: &[f32], value: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let features = sizes.features();
    let mut output = vec![0.0; query.len()];
    let mut log_sums = vec![0.0; sizes.batch * sizes.tokens * sizes.heads];
    output
        .chunks_mut(sizes.tokens * features)
        .zip(log_sums.chunks_mut(sizes.tokens * sizes.heads))
        .zip(query.chunks(sizes.tokens * features))
        .zip(key.chunks(sizes.context * features))
        .zip(value.chunks(sizes.context * features))
        .for_each(|((((output, log_sums), query), key), value)| {
            let head = |head| Head {
                keys: sizes.panels(key, head),
                values: sizes.rows(value, head, 1.0),
            };
            let heads: Vec<Head> = (0..sizes.heads).into_par_iter().map(head).collect();
            output
                .par_chunks_mut(QUERIES * features)
                .zip(log_sums.par_chunks_mut(QUERIES * sizes.heads))
                .zip(query.par_chunks(QUERIES * features))
                .for_each(|((output, log_sums), query)| {
                    vectorised(
                        #[inline(always)]
                        || {
                            for (index, head) in heads.iter().enumerate() {
                                attend_head(sizes, index, head, query, output, log_sums);
                            }
                        },
                    );
                });
        });
    (output, log_sums)
}

/// One head of one block of queries.
#[inline(always)]
fn attend_head(
    sizes: &Sizes,
    index: usize,
    head: &Head,
    query: &[f32],
    output: &mut [f32],
    log_sums: &mut [f32],
) {
    let depth = sizes.depth;
    let query = sizes.rows(query, index, sizes.scale());
    let rows = query.len() / depth;
    let mut scores = tile();
    let mut gathered = vec![0.0; rows * depth];
    let mut most = [f32::NEG_INFINITY; QUERIES];
    let mut total = [0.0; QUERIES];
    for first in (0..sizes.context).step_by(KEYS) {
        let keys = KEYS.min(sizes.context - first);
        sizes.products(&query, &head.keys, first, &mut scores);
        for row in 0..rows {
            let scores = &mut scores[row * KEYS..][..keys];
            let largest = scores.iter().copied().fold(most[row], f32::max);
            let shrink = exp(most[row] - largest);
            for score in scores.iter_mut() {
                *score = exp(*score - largest);
            }
            most[row] = largest;
            total[row] = total[row] * shrink + sum(scores);
            for value in &mut gathered[row * depth..][..depth] {
                *value *= shrink;
            }
        }
        let weights = Matrix {
            values: &scores,
            row: KEYS,
            column: 1,
        };
        let values = (&head.values[first * depth..], depth);
        add_product(weights, values, (&mut gathered, depth), [rows, keys, depth], 1.0);
    }
    let features = sizes.features();
    for (row, gathered) in gathered.chunks_exact(depth).enumerate() {
        let inverse = 1.0 / total[row];
        let output = &mut output[row * features + index * depth..][..depth];
        for (output, value) in output.iter_mut().zip(gathered) {
            *output = value * inverse;
        }
        log_sums[row * sizes.heads + index] = most[row] + total[row].ln();
    }
}
