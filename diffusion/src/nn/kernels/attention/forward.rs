//! The output, tile by tile.

use std::ops::Range;

use rayon::prelude::*;

use super::sizes::{KEYS, QUERIES, Sizes};
use crate::nn::kernels::instructions::{Arithmetic, Lanes, LevelWork};
use crate::nn::kernels::product::{Across, Along, Operand, Packed, Target, add_rows};
use crate::nn::kernels::slices::{exp, largest, sum, zeros};

/// Queries, keys and values, `[batch, tokens, heads * depth]`; tokens may lie further apart.
pub(super) struct Attend<'a> {
    pub(super) sizes: Sizes,
    pub(super) query: &'a [f32],
    pub(super) key: &'a [f32],
    pub(super) value: &'a [f32],
}

/// What makes the scores of one query with one head weights: `exp(score - largest) * inverse`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Normaliser {
    /// The largest score.
    pub(super) largest: f32,
    /// One over the sum of exponentials.
    pub(super) inverse: f32,
}

/// Some keys and values of one head, packed.
struct Tile {
    keys: Packed,
    values: Packed,
    count: usize,
}

impl LevelWork for Attend<'_> {
    /// The output, `[batch, tokens, features]`, and what makes scores weights, `[batch, tokens, heads]`.
    type Output = (Vec<f32>, Vec<Normaliser>);

    fn run<L: Lanes>(self, lanes: L) -> Self::Output {
        let Self { sizes, .. } = self;
        let features = sizes.features();
        let queries = sizes.queries(rayon::current_num_threads(), L::ROWS);
        let mut output = zeros(sizes.batch * sizes.long());
        let mut normalisers = vec![Normaliser::default(); sizes.batch * sizes.tokens * sizes.heads];
        output
            .par_chunks_mut(sizes.long())
            .zip(normalisers.par_chunks_mut(sizes.tokens * sizes.heads))
            .zip(self.query.par_chunks(sizes.tokens * sizes.stride))
            .zip(self.key.par_chunks(sizes.context * sizes.stride))
            .zip(self.value.par_chunks(sizes.context * sizes.stride))
            .for_each(|((((output, normalisers), query), key), value)| {
                let head = |head| self.tiles(lanes, [key, value], head);
                // One sequence after another keeps few packed at a time; a single block of queries is one task.
                let heads: Vec<Vec<Tile>> = match sizes.tokens <= queries {
                    true => (0..sizes.heads).map(head).collect(),
                    false => (0..sizes.heads).into_par_iter().map(head).collect(),
                };
                let attend = |((output, normalisers), query): ((&mut [f32], &mut [Normaliser]), &[f32])| {
                    for (index, tiles) in heads.iter().enumerate() {
                        self.attend_head(lanes, index, tiles, query, output, normalisers);
                    }
                };
                output
                    .par_chunks_mut(queries * features)
                    .zip(normalisers.par_chunks_mut(queries * sizes.heads))
                    .zip(query.par_chunks(queries * sizes.stride))
                    .for_each(attend);
            });
        (output, normalisers)
    }
}

impl Attend<'_> {
    /// One head of one sequence.
    fn tiles<L: Lanes>(&self, lanes: L, [key, value]: [&[f32]; 2], head: usize) -> Vec<Tile> {
        let Sizes { depth, stride, .. } = self.sizes;
        let tile = |keys: Range<usize>| {
            let [key, value] = [key, value].map(|x| &x[keys.start * stride..]);
            let count = keys.len();
            let along = Operand::Along(self.sizes.along(key, head));
            let across = Operand::Across(Across::every(self.sizes.head(value, head), stride));
            Tile {
                keys: Packed::new(lanes, &along, 0..depth, [depth, count]),
                values: Packed::new(lanes, &across, 0..count, [count, depth]),
                count,
            }
        };
        self.sizes.tiles().map(tile).collect()
    }

    /// One head of one block of queries.
    fn attend_head<L: Lanes>(
        &self,
        lanes: L,
        head: usize,
        tiles: &[Tile],
        query: &[f32],
        output: &mut [f32],
        normalisers: &mut [Normaliser],
    ) {
        let Sizes { depth, heads, .. } = self.sizes;
        let features = self.sizes.features();
        let rows = output.len() / features;
        let mut scores = vec![0.0; rows * KEYS.min(self.sizes.context)];
        let mut most = [f32::NEG_INFINITY; QUERIES];
        let mut total = [0.0; QUERIES];
        let output = &mut output[head * depth..];
        for (index, tile) in tiles.iter().enumerate() {
            let scores = &mut scores[..rows * tile.count];
            let target = Target {
                stride: tile.count,
                scale: self.sizes.scale(),
                ..Target::new(scores)
            };
            let query = self.sizes.along(query, head);
            add_rows(lanes, &query, 0..rows, &tile.keys, depth, target);
            lanes.vectorize(
                #[inline(always)]
                || {
                    for (row, scores) in scores.chunks_exact_mut(tile.count).enumerate() {
                        let shrink = weigh(Arithmetic::of::<L>(), scores, &mut most[row], &mut total[row]);
                        if index > 0 {
                            for value in &mut output[row * features..][..depth] {
                                *value *= shrink;
                            }
                        }
                    }
                },
            );
            let target = Target {
                stride: features,
                accumulate: index > 0,
                ..Target::new(output)
            };
            let weights = Along::every(scores, tile.count);
            add_rows(lanes, &weights, 0..rows, &tile.values, tile.count, target);
        }
        lanes.vectorize(
            #[inline(always)]
            || {
                for row in 0..rows {
                    let inverse = 1.0 / total[row];
                    for value in &mut output[row * features..][..depth] {
                        *value *= inverse;
                    }
                    normalisers[row * heads + head] = Normaliser {
                        largest: most[row],
                        inverse,
                    };
                }
            },
        );
    }
}

/// Makes weights of the scores of one query with a tile, relative to the largest score so far; gives the factor of what
/// was gathered before.
#[inline(always)]
fn weigh(arithmetic: Arithmetic, scores: &mut [f32], most: &mut f32, total: &mut f32) -> f32 {
    let largest = largest(scores).max(*most);
    let shrink = match *most == f32::NEG_INFINITY {
        true => 0.0,
        false => exp(arithmetic, *most - largest),
    };
    for score in scores.iter_mut() {
        *score = exp(arithmetic, *score - largest);
    }
    *most = largest;
    *total = *total * shrink + sum(scores);
    shrink
}
