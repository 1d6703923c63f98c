//! The derivative, with the scores of a tile computed again.

use std::ops::Range;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::forward::Normaliser;
use super::sizes::{KEYS, QUERIES, Sizes};
use crate::nn::kernels::instructions::{Arithmetic, Lanes, LevelWork};
use crate::nn::kernels::product::{Across, Along, Operand, Packed, Target, add_rows, lay_along};
use crate::nn::kernels::slices::{exp, sum_pairs, values};

/// What the derivative computes the scores again from.
#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct Saved {
    pub(super) query: FlexTensor,
    pub(super) key: FlexTensor,
    pub(super) value: FlexTensor,
    pub(super) output: FlexTensor,
    /// Of each query and head, `[batch, tokens, heads]`.
    pub(super) normalisers: Vec<Normaliser>,
}

pub(super) struct Gradients<'a> {
    pub(super) sizes: Sizes,
    pub(super) saved: &'a Saved,
    /// Of the output.
    pub(super) gradient: &'a [f32],
}

impl LevelWork for Gradients<'_> {
    /// Gradients of query, key and value, in their shapes.
    type Output = [Vec<f32>; 3];

    fn run<L: Lanes>(self, lanes: L) -> Self::Output {
        let sizes = self.sizes;
        let heads: Vec<[Vec<f32>; 3]> = (0..sizes.batch * sizes.heads)
            .into_par_iter()
            .map(|index| {
                let (sequence, head) = (index / sizes.heads, index % sizes.heads);
                let of = |values, size| sizes.head(sequence_of(values, sequence, size), head);
                let head = Head {
                    lanes,
                    sizes,
                    query: of(values(&self.saved.query), sizes.long()),
                    key: of(values(&self.saved.key), sizes.short()),
                    value: of(values(&self.saved.value), sizes.short()),
                    gradient: of(self.gradient, sizes.long()),
                    means: lanes.vectorize(
                        #[inline(always)]
                        || self.means(sequence, head),
                    ),
                    normalisers: (0..sizes.tokens)
                        .map(|token| {
                            self.saved.normalisers[(sequence * sizes.tokens + token) * sizes.heads + head]
                        })
                        .collect(),
                };
                head.gradients()
            })
            .collect();
        std::array::from_fn(|part| join(&sizes, heads.iter().map(|head| &head[part])))
    }
}

fn sequence_of(values: &[f32], sequence: usize, size: usize) -> &[f32] {
    &values[sequence * size..][..size]
}

impl Gradients<'_> {
    /// Mean gradient of each token's scores under its weights, which is its output's product with the output's
    /// gradient.
    #[inline(always)]
    fn means(&self, sequence: usize, head: usize) -> Vec<f32> {
        let [output, gradient] = [values(&self.saved.output), self.gradient]
            .map(|values| sequence_of(values, sequence, self.sizes.long()));
        let features = self.sizes.features();
        let rows = output.chunks_exact(features).zip(gradient.chunks_exact(features));
        let mut means = vec![0.0; self.sizes.tokens];
        // A loop, because a function passed on is compiled without the level's instructions.
        for (mean, (output, gradient)) in means.iter_mut().zip(rows) {
            let head = head * self.sizes.depth..(head + 1) * self.sizes.depth;
            *mean = sum_pairs(&output[head.clone()], &gradient[head], |a, b| a * b);
        }
        means
    }
}

/// One head of one sequence; values from its first feature on, tokens `heads * depth` apart.
struct Head<'a, L> {
    lanes: L,
    sizes: Sizes,
    query: &'a [f32],
    key: &'a [f32],
    value: &'a [f32],
    gradient: &'a [f32],
    means: Vec<f32>,
    normalisers: Vec<Normaliser>,
}

/// Some keys and values, packed.
struct Tile {
    keys: Range<usize>,
    /// To be multiplied by queries.
    of_scores: Packed,
    /// To be multiplied by gradients.
    of_weights: Packed,
    /// To be multiplied by the gradients of scores.
    of_queries: Packed,
}

impl<L: Lanes> Head<'_, L> {
    /// Gradients of queries, keys and values, each `[tokens, depth]`.
    fn gradients(&self) -> [Vec<f32>; 3] {
        let Sizes {
            tokens,
            context,
            depth,
            ..
        } = self.sizes;
        let tiles: Vec<Tile> = self.sizes.tiles().map(|keys| self.tile(keys)).collect();
        let mut of_query = vec![0.0; tokens * depth];
        let mut of_key = vec![0.0; context * depth];
        let mut of_value = vec![0.0; context * depth];
        let room = QUERIES.min(tokens) * KEYS.min(context);
        let (mut weights, mut of_scores) = (vec![0.0; room], vec![0.0; room]);
        for first in (0..tokens).step_by(QUERIES) {
            let rows = first..(first + QUERIES).min(tokens);
            let queries = self.pack_across(self.query, rows.clone());
            let gradients = self.pack_across(self.gradient, rows.clone());
            for tile in &tiles {
                let size = rows.len() * tile.keys.len();
                let (weights, of_scores) = (&mut weights[..size], &mut of_scores[..size]);
                self.scores(tile, rows.clone(), weights, of_scores);
                let keys = tile.keys.start * depth..tile.keys.end * depth;
                self.add(&mut of_value[keys.clone()], &gradients, weights, rows.len(), 1.0);
                let scale = self.sizes.scale();
                self.add(&mut of_key[keys], &queries, of_scores, rows.len(), scale);
                let target = Target {
                    stride: depth,
                    scale,
                    accumulate: true,
                    ..Target::new(&mut of_query[first * depth..])
                };
                let along = Along::every(of_scores, tile.keys.len());
                add_rows(
                    self.lanes,
                    &along,
                    0..rows.len(),
                    &tile.of_queries,
                    tile.keys.len(),
                    target,
                );
            }
        }
        [of_query, of_key, of_value]
    }

    fn tile(&self, keys: Range<usize>) -> Tile {
        let Sizes { depth, .. } = self.sizes;
        let features = self.sizes.features();
        let along = |values: &[f32]| {
            let values = Along::every(&values[keys.start * features..], features);
            Packed::new(self.lanes, &Operand::Along(values), 0..depth, [depth, keys.len()])
        };
        Tile {
            of_scores: along(self.key),
            of_weights: along(self.value),
            of_queries: self.pack_across(self.key, keys.clone()),
            keys,
        }
    }

    fn pack_across(&self, values: &[f32], tokens: Range<usize>) -> Packed {
        let features = self.sizes.features();
        let values = Across::every(&values[tokens.start * features..], features);
        let shape = [tokens.len(), self.sizes.depth];
        Packed::new(self.lanes, &Operand::Across(values), 0..tokens.len(), shape)
    }

    /// Weights of a tile, and the gradients of its scores.
    fn scores(&self, tile: &Tile, rows: Range<usize>, weights: &mut [f32], of_scores: &mut [f32]) {
        let features = self.sizes.features();
        let (count, depth) = (tile.keys.len(), self.sizes.depth);
        for (values, packed, target, scale) in [
            (self.query, &tile.of_scores, &mut *weights, self.sizes.scale()),
            (self.gradient, &tile.of_weights, &mut *of_scores, 1.0),
        ] {
            let along = Along::every(values, features);
            let target = Target {
                stride: count,
                scale,
                ..Target::new(target)
            };
            add_rows(self.lanes, &along, rows.clone(), packed, depth, target);
        }
        let (means, normalisers) = (&self.means[rows.clone()], &self.normalisers[rows]);
        self.lanes.vectorize(
            #[inline(always)]
            || {
                let rows = weights
                    .chunks_exact_mut(count)
                    .zip(of_scores.chunks_exact_mut(count));
                for ((weights, of_scores), (mean, normaliser)) in rows.zip(means.iter().zip(normalisers)) {
                    row_backward(Arithmetic::of::<L>(), weights, of_scores, *mean, *normaliser);
                }
            },
        );
    }

    /// Adds what some queries give each key of a tile.
    fn add(&self, target: &mut [f32], packed: &Packed, by_query: &[f32], queries: usize, scale: f32) {
        let depth = self.sizes.depth;
        let keys = by_query.len() / queries;
        let by_key = lay_along(self.lanes, &Across::every(by_query, keys), [keys, queries]);
        let target = Target {
            stride: depth,
            scale,
            accumulate: true,
            ..Target::new(target)
        };
        add_rows(
            self.lanes,
            &Along::every(&by_key, queries),
            0..keys,
            packed,
            queries,
            target,
        );
    }
}

/// Weights from scores, and gradients of scores from those of weights, of one query.
#[inline(always)]
fn row_backward(
    arithmetic: Arithmetic,
    weights: &mut [f32],
    of_scores: &mut [f32],
    mean: f32,
    Normaliser { largest, inverse }: Normaliser,
) {
    for (weight, of_score) in weights.iter_mut().zip(of_scores) {
        *weight = exp(arithmetic, *weight - largest) * inverse;
        *of_score = (*of_score - mean) * *weight;
    }
}

/// Puts heads, sequence by sequence, next to each other: `[batch, tokens, heads * depth]`.
fn join<'a>(sizes: &Sizes, heads: impl Iterator<Item = &'a Vec<f32>>) -> Vec<f32> {
    let heads: Vec<&Vec<f32>> = heads.collect();
    let mut joined = vec![0.0; heads.iter().map(|head| head.len()).sum()];
    let length = heads.first().map_or(1, |head| head.len()).max(1);
    joined
        .par_chunks_mut(length * sizes.heads)
        .zip(heads.par_chunks(sizes.heads))
        .for_each(|(joined, heads)| {
            for (token, joined) in joined.chunks_exact_mut(sizes.features()).enumerate() {
                for (head, joined) in heads.iter().zip(joined.chunks_exact_mut(sizes.depth)) {
                    joined.copy_from_slice(&head[token * sizes.depth..][..sizes.depth]);
                }
            }
        });
    joined
}
