//! The right-hand side of a product in the order that tiles read.

use std::marker::PhantomData;
use std::ops::Range;

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::depth_step;
use super::operand::{Across, Along, Operand};
use super::transpose::Transpose;
use crate::nn::kernels::instructions::Lanes;
use crate::nn::kernels::slices::zeros;

/// Values from which packing is worth several threads.
const LARGE: usize = 1 << 15;

/// Bytes of a line of the cache, which a vector should not straddle.
const CACHE_LINE: usize = 64;

/// Panels of a range of depth: block of depth by block, in each panel by panel, in each depth by depth, the vectors of
/// one row of a tile. Columns that fill up the last vector are zero.
#[derive(Debug)]
pub(in crate::nn::kernels) struct Packed {
    values: Vec<f32>,
    /// Values before the first, so that it starts a line of the cache.
    skipped: usize,
    depth: Range<usize>,
    step: usize,
    columns: usize,
}

/// Some columns, as many vectors as a tile's row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// First vector.
    pub(super) first: usize,
    pub(super) vectors: usize,
}

impl Packed {
    /// Packs a range of the depth of the right-hand side; blocks are those of the whole `depth`.
    pub(in crate::nn::kernels) fn new<L: Lanes>(
        lanes: L,
        right: &Operand<'_>,
        range: Range<usize>,
        [depth, columns]: [usize; 2],
    ) -> Self {
        let width = columns.div_ceil(L::WIDTH) * L::WIDTH;
        let mut packed = Self {
            values: zeros(range.len() * width + CACHE_LINE / size_of::<f32>()),
            skipped: 0,
            depth: range,
            step: depth_step(depth),
            columns,
        };
        packed.skipped = packed.values.as_ptr().align_offset(CACHE_LINE);
        packed.fill(lanes, right, width);
        packed
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Blocks of depth, each with its values.
    pub(super) fn blocks<L: Lanes>(&self) -> impl Iterator<Item = (Range<usize>, &[f32])> {
        let width = self.columns.div_ceil(L::WIDTH) * L::WIDTH;
        let values = &self.values[self.skipped..][..self.depth.len() * width];
        let starts = self.depth.clone().step_by(self.step);
        starts
            .zip(values.chunks(self.step * width))
            .map(move |(start, values)| (start..start + values.len() / width, values))
    }

    fn fill<L: Lanes>(&mut self, lanes: L, right: &Operand<'_>, width: usize) {
        let size = self.depth.len() * width;
        let values = &mut self.values[self.skipped..][..size];
        let starts = self.depth.clone().step_by(self.step);
        let columns = self.columns;
        let mut jobs = Vec::new();
        for (start, mut block) in starts.zip(values.chunks_mut(self.step * width)) {
            let depth = start..start + block.len() / width;
            for panel in panels::<L>(columns) {
                let (values, rest) = block.split_at_mut(panel.vectors * L::WIDTH * depth.len());
                block = rest;
                let first = panel.first * L::WIDTH;
                let columns = first..(first + panel.vectors * L::WIDTH).min(columns);
                jobs.push((values, depth.clone(), columns, panel.vectors * L::WIDTH));
            }
        }
        let run =
            |(values, depth, columns, width): (&mut [f32], Range<usize>, Range<usize>, usize)| match right {
                Operand::Along(along) => pack_along(lanes, along, depth, columns, values, width),
                Operand::Across(across) => pack_across(lanes, across, depth, columns, values, width),
            };
        match size < LARGE {
            true => jobs.into_iter().for_each(run),
            false => jobs.into_par_iter().for_each(run),
        }
    }
}

/// Splits columns into panels, none narrower than need be: one vector alone uses few registers.
pub(super) fn panels<L: Lanes>(columns: usize) -> impl Iterator<Item = Panel> {
    let vectors = columns.div_ceil(L::WIDTH);
    let count = vectors.div_ceil(L::VECTORS).max(1);
    let (each, wider) = (vectors / count, vectors % count);
    (0..count).map(move |panel| Panel {
        first: panel * each + panel.min(wider),
        vectors: each + usize::from(panel < wider),
    })
}

fn pack_along<L: Lanes>(
    lanes: L,
    right: &Along<'_>,
    depth: Range<usize>,
    columns: Range<usize>,
    values: &mut [f32],
    width: usize,
) {
    let starts: Vec<usize> = columns.map(|column| right.starts.of(column)).collect();
    let mut values = values;
    for segment in right.segments(depth) {
        let (target, rest) = values.split_at_mut(segment.length * width);
        values = rest;
        lanes.vectorize(Transpose {
            lanes,
            source: &right.values[segment.offset..],
            starts: &starts,
            length: segment.length,
            target,
            stride: width,
        });
    }
}

fn pack_across<L: Lanes>(
    lanes: L,
    right: &Across<'_>,
    depth: Range<usize>,
    columns: Range<usize>,
    values: &mut [f32],
    width: usize,
) {
    lanes.vectorize(CopyRows::<L> {
        right,
        depth,
        columns,
        values,
        width,
        level: PhantomData,
    });
}

/// Copies some columns of rows; the rest of the target's rows stays as it is.
struct CopyRows<'a, L> {
    right: &'a Across<'a>,
    depth: Range<usize>,
    columns: Range<usize>,
    values: &'a mut [f32],
    width: usize,
    level: PhantomData<L>,
}

impl<L: Lanes> NullaryFnOnce for CopyRows<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { right, columns, .. } = self;
        let whole = columns.len() / L::WIDTH * L::WIDTH;
        for (depth, target) in self.depth.zip(self.values.chunks_exact_mut(self.width)) {
            let source = &right.values[right.starts.of(depth) + columns.start..][..columns.len()];
            let (vectors, target) = target[..columns.len()].split_at_mut(whole);
            for (target, source) in L::vectors_mut(vectors).iter_mut().zip(L::vectors(source)) {
                *target = *source;
            }
            for (target, source) in target.iter_mut().zip(&source[whole..]) {
                *target = *source;
            }
        }
    }
}
