//! Tiles of sums in registers.

use std::ops::Range;

use pulp::NullaryFnOnce;

use super::BLOCK;
use super::operand::{Along, Segment};
use super::packed::{Packed, Panel, panels};
use crate::nn::kernels::instructions::{Lanes, TileWork};

/// Where products go and what becomes of them.
pub(in crate::nn::kernels) struct Target<'a> {
    /// Rows of the output, from the first one worked on.
    pub(in crate::nn::kernels) output: &'a mut [f32],
    /// From one row of the output to the next.
    pub(in crate::nn::kernels) stride: usize,
    /// Factor of the products.
    pub(in crate::nn::kernels) scale: f32,
    /// Whether products are added to what the output holds, rather than replacing it.
    pub(in crate::nn::kernels) accumulate: bool,
    /// Added when all depth is summed.
    pub(in crate::nn::kernels) addend: Option<Addend<'a>>,
}

impl<'a> Target<'a> {
    /// The products themselves.
    pub(in crate::nn::kernels) fn new(output: &'a mut [f32]) -> Self {
        Self {
            output,
            stride: 0,
            scale: 1.0,
            accumulate: false,
            addend: None,
        }
    }
}

/// Values added to rows of the output, such as a bias.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::kernels) struct Addend<'a> {
    pub(in crate::nn::kernels) values: &'a [f32],
    /// Values of so many rows are the same, before those of the next follow.
    pub(in crate::nn::kernels) rows: usize,
    /// After so many, the first follow again.
    pub(in crate::nn::kernels) count: usize,
}

impl<'a> Addend<'a> {
    /// Values added to a row.
    pub(super) fn of_row(&self, row: usize, columns: usize) -> &'a [f32] {
        &self.values[self.start(row, columns)..][..columns]
    }

    fn start(&self, row: usize, columns: usize) -> usize {
        row / self.rows % self.count * columns
    }
}

/// Multiplies some rows of the left-hand side by what is packed, `whole` being all of the depth.
pub(in crate::nn::kernels) fn add_rows<L: Lanes>(
    lanes: L,
    left: &Along<'_>,
    rows: Range<usize>,
    right: &Packed,
    whole: usize,
    target: Target<'_>,
) {
    let columns = right.columns();
    let mut starts = Vec::with_capacity(rows.len());
    starts.extend(rows.clone().map(|row| left.starts.of(row)));
    let mut addend_starts = Vec::new();
    if let Some(addend) = target.addend {
        addend_starts.extend(rows.map(|row| addend.start(row, columns)));
    }
    for (depth, values) in right.blocks::<L>() {
        let segments = left.segments(depth.clone());
        let addend = target.addend.filter(|_| depth.end == whole);
        let first = depth.start == 0 && !target.accumulate;
        for (block, starts) in starts.chunks(BLOCK).enumerate() {
            let mut values = values;
            for Panel { first: at, vectors } in panels::<L>(columns) {
                let (panel, rest) = values.split_at(vectors * L::WIDTH * depth.len());
                values = rest;
                let column = at * L::WIDTH;
                let strip = Strip {
                    left: left.values,
                    starts,
                    segments: &segments,
                    panel,
                    output: &mut target.output[block * BLOCK * target.stride + column..],
                    stride: target.stride,
                    width: (vectors * L::WIDTH).min(columns - column),
                    scale: target.scale,
                    first,
                    addend: addend.map(|addend| {
                        (
                            &addend.values[column..],
                            &addend_starts[block * BLOCK..][..starts.len()],
                        )
                    }),
                };
                lanes.run_tiles(vectors, strip);
            }
        }
    }
}

/// Some rows by one panel of one block of depth.
struct Strip<'a> {
    left: &'a [f32],
    starts: &'a [usize],
    segments: &'a [Segment],
    panel: &'a [f32],
    output: &'a mut [f32],
    stride: usize,
    width: usize,
    scale: f32,
    first: bool,
    addend: Option<(&'a [f32], &'a [usize])>,
}

impl TileWork for Strip<'_> {
    fn run<L: Lanes, const M: usize, const N: usize>(self, lanes: L) {
        for (index, starts) in self.starts.chunks(M).enumerate() {
            // A tile that reaches beyond the last row computes that row again.
            let row = |row: usize| row.min(starts.len() - 1);
            let tile = Tile::<L, M, N> {
                lanes,
                left: std::array::from_fn(|i| &self.left[starts[row(i)]..]),
                segments: self.segments,
                panel: self.panel,
                output: &mut self.output[index * M * self.stride..],
                stride: self.stride,
                size: [starts.len(), self.width],
                scale: self.scale,
                first: self.first,
                addend: self.addend.map(|(values, starts)| {
                    let starts = &starts[index * M..];
                    std::array::from_fn(|i| &values[starts[row(i)]..][..self.width])
                }),
            };
            lanes.vectorize(tile);
        }
    }
}

struct Tile<'a, L: Lanes, const M: usize, const N: usize> {
    lanes: L,
    left: [&'a [f32]; M],
    segments: &'a [Segment],
    panel: &'a [f32],
    output: &'a mut [f32],
    stride: usize,
    /// Rows and columns that are wanted.
    size: [usize; 2],
    scale: f32,
    first: bool,
    addend: Option<[&'a [f32]; M]>,
}

impl<L: Lanes, const M: usize, const N: usize> NullaryFnOnce for Tile<'_, L, M, N> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let sums = self.sum();
        match self.size[1] == N * L::WIDTH {
            true => self.store_vectors(&sums),
            false => self.store_values(&sums),
        }
    }
}

impl<L: Lanes, const M: usize, const N: usize> Tile<'_, L, M, N> {
    #[inline(always)]
    fn sum(&self) -> [[L::Vector; N]; M] {
        let lanes = self.lanes;
        let mut sums = [[lanes.splat(0.0); N]; M];
        let mut panel = L::vectors(self.panel).as_chunks::<N>().0;
        for &Segment { offset, length } in self.segments {
            let (right, rest) = panel.split_at(length);
            panel = rest;
            let (right, right_tail) = right.as_chunks::<STEPS>();
            let mut left: [&[[f32; STEPS]]; M] = [&[]; M];
            let mut left_tail: [&[f32]; M] = [&[]; M];
            for row in 0..M {
                (left[row], left_tail[row]) = self.left[row][offset..][..length].as_chunks();
            }
            for step in 0..right.len() {
                let mut values = [&[0.0; STEPS]; M];
                for row in 0..M {
                    values[row] = &left[row][step];
                }
                let right = &right[step];
                // One after another, because a loop of them is not unrolled and keeps the sums in memory.
                Self::add::<0>(lanes, &mut sums, &values, right);
                Self::add::<1>(lanes, &mut sums, &values, right);
                Self::add::<2>(lanes, &mut sums, &values, right);
                Self::add::<3>(lanes, &mut sums, &values, right);
            }
            for depth in 0..right_tail.len() {
                for row in 0..M {
                    let left = lanes.splat(left_tail[row][depth]);
                    for vector in 0..N {
                        let right = right_tail[depth][vector];
                        sums[row][vector] = lanes.multiply_add(left, right, sums[row][vector]);
                    }
                }
            }
        }
        sums
    }

    /// Adds one step of depth.
    #[inline(always)]
    fn add<const STEP: usize>(
        lanes: L,
        sums: &mut [[L::Vector; N]; M],
        left: &[&[f32; STEPS]; M],
        right: &[[L::Vector; N]; STEPS],
    ) {
        for row in 0..M {
            let left = lanes.splat(left[row][STEP]);
            for vector in 0..N {
                sums[row][vector] = lanes.multiply_add(left, right[STEP][vector], sums[row][vector]);
            }
        }
    }

    #[inline(always)]
    fn store_vectors(&mut self, sums: &[[L::Vector; N]; M]) {
        let lanes = self.lanes;
        let scale = lanes.splat(self.scale);
        // Of constant extent, so that sums stay in registers.
        for (row, sums) in sums.iter().enumerate() {
            if row >= self.size[0] {
                break;
            }
            let target = L::vectors_mut(&mut self.output[row * self.stride..][..N * L::WIDTH]);
            for (index, (target, sum)) in target.iter_mut().zip(sums).enumerate() {
                let before = if self.first { lanes.splat(0.0) } else { *target };
                let mut value = lanes.multiply_add(scale, *sum, before);
                if let Some(addend) = &self.addend {
                    value = lanes.add(value, L::vectors(addend[row])[index]);
                }
                *target = value;
            }
        }
    }

    /// Stores a tile that is wider than wanted.
    #[inline(always)]
    fn store_values(&mut self, sums: &[[L::Vector; N]; M]) {
        let lanes = self.lanes;
        let scale = lanes.splat(self.scale);
        let width = self.size[1];
        for (row, sums) in sums.iter().enumerate() {
            if row >= self.size[0] {
                break;
            }
            let target = &mut self.output[row * self.stride..][..width];
            let mut buffer = [0.0; WIDEST];
            if !self.first {
                buffer[..width].copy_from_slice(target);
            }
            for (value, sum) in L::vectors_mut(&mut buffer).iter_mut().zip(sums) {
                *value = lanes.multiply_add(scale, *sum, *value);
            }
            target.copy_from_slice(&buffer[..width]);
            if let Some(addend) = &self.addend {
                for (target, value) in target.iter_mut().zip(addend[row]) {
                    *target += value;
                }
            }
        }
    }
}

/// Steps of depth between checks of bounds.
const STEPS: usize = 4;

/// Columns of the widest tile.
const WIDEST: usize = 48;
