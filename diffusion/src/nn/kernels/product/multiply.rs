//! Whole products, on all threads.

use std::ops::Range;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::operand::{Across, Along, Operand};
use super::packed::Packed;
use super::tile::{Addend, Target, add_rows};
use super::transpose::Transpose;
use super::{BLOCK, depth_step};
use crate::cpu_level::CpuLevel;
use crate::nn::kernels::instructions::{Lanes, LevelWork, dispatch};
use crate::nn::kernels::slices::{tensor, zeros};

/// Most values that are packed at once; 16 MiB.
const MOST_PACKED: usize = 1 << 22;

/// Multiplications from which a product is worth several threads.
const LARGE: usize = 1 << 18;

/// A product of two factors: `scale * left * right^T`, plus what the output holds, plus an addend.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::kernels) struct Product<'a> {
    /// `[rows, depth]`.
    pub(in crate::nn::kernels) left: Operand<'a>,
    /// `[columns, depth]`.
    pub(in crate::nn::kernels) right: Operand<'a>,
    /// Rows, depth and columns.
    pub(in crate::nn::kernels) shape: [usize; 3],
    pub(in crate::nn::kernels) scale: f32,
    /// Whether the product is added to what the output holds.
    pub(in crate::nn::kernels) accumulate: bool,
    /// Added to the rows.
    pub(in crate::nn::kernels) addend: Option<Addend<'a>>,
}

impl<'a> Product<'a> {
    /// The product alone.
    pub(in crate::nn::kernels) fn new(left: Operand<'a>, right: Operand<'a>, shape: [usize; 3]) -> Self {
        Self {
            left,
            right,
            shape,
            scale: 1.0,
            accumulate: false,
            addend: None,
        }
    }
}

/// Computes a product into `output`, `[rows, columns]`.
pub(in crate::nn::kernels) fn multiply(level: CpuLevel, product: &Product<'_>, output: &mut [f32]) {
    dispatch(level, Whole { product, output });
}

/// A product of two factors, in memory of its own.
pub(in crate::nn::kernels) fn product_of(
    left: Operand<'_>,
    right: Operand<'_>,
    shape: [usize; 3],
) -> FlexTensor {
    into_tensor(&Product::new(left, right, shape))
}

/// A product in memory of its own.
pub(in crate::nn::kernels) fn into_tensor(product: &Product<'_>) -> FlexTensor {
    let [rows, _, columns] = product.shape;
    let mut output = zeros(rows * columns);
    multiply(CpuLevel::in_force(), product, &mut output);
    tensor(output, [rows, columns])
}

struct Whole<'a> {
    product: &'a Product<'a>,
    output: &'a mut [f32],
}

impl LevelWork for Whole<'_> {
    type Output = ();

    fn run<L: Lanes>(self, lanes: L) {
        let Self { product, output } = self;
        let [rows, depth, columns] = product.shape;
        if rows * columns == 0 {
            return;
        }
        if depth == 0 {
            return without_depth(product, output);
        }
        match (product.left, product.right) {
            (Operand::Along(_), Operand::Along(right))
                if !product.accumulate && 2 * rows * (depth + columns) < depth * columns =>
            {
                turned(lanes, product, &right, output);
            }
            (Operand::Along(left), _) => in_tasks(lanes, product, &left, output),
            (Operand::Across(_), Operand::Across(right)) if !product.accumulate && rows > 2 * columns => {
                let lines = lay_along(lanes, &right, [columns, depth]);
                turned(lanes, product, &Along::every(&lines, depth), output);
            }
            (Operand::Across(left), _) => {
                let lines = lay_along(lanes, &left, [rows, depth]);
                in_tasks(lanes, product, &Along::every(&lines, depth), output);
            }
        }
    }
}

/// The sum over nothing.
fn without_depth(product: &Product<'_>, output: &mut [f32]) {
    if !product.accumulate {
        output.fill(0.0);
    }
    if let Some(addend) = product.addend {
        add_to_rows(&addend, 0, output, product.shape[2]);
    }
}

fn add_to_rows(addend: &Addend<'_>, first: usize, output: &mut [f32], columns: usize) {
    for (row, output) in (first..).zip(output.chunks_exact_mut(columns)) {
        for (output, value) in output.iter_mut().zip(addend.of_row(row, columns)) {
            *output += value;
        }
    }
}

fn in_tasks<L: Lanes>(lanes: L, product: &Product<'_>, left: &Along<'_>, output: &mut [f32]) {
    let [rows, depth, columns] = product.shape;
    let threads = match rows * depth * columns < LARGE {
        true => 1,
        false => rayon::current_num_threads(),
    };
    // As many for every thread, and more than one, so that a thread that starts late is not waited for.
    let tasks = rows.div_ceil(BLOCK).next_multiple_of(2 * threads);
    let task = match threads {
        1 => rows,
        _ => whole_tiles(rows.div_ceil(tasks), L::ROWS),
    };
    for range in packed_ranges(depth, columns) {
        let right = Packed::new(lanes, &product.right, range.clone(), [depth, columns]);
        let run = |(index, output): (usize, &mut [f32])| {
            let first = index * task;
            let target = Target {
                output,
                stride: columns,
                scale: product.scale,
                accumulate: product.accumulate,
                addend: product.addend,
            };
            add_rows(
                lanes,
                left,
                first..(first + task).min(rows),
                &right,
                depth,
                target,
            );
        };
        match threads {
            1 => run((0, &mut *output)),
            _ => output.par_chunks_mut(task * columns).enumerate().for_each(run),
        }
    }
}

/// The nearest number of rows that fills its tiles. Always going up would share few rows out badly: of 289 in four
/// tasks, three would have 80 and the last one 49.
pub(in crate::nn::kernels) fn whole_tiles(rows: usize, tile: usize) -> usize {
    ((rows + tile / 2) / tile).max(1) * tile
}

/// Ranges of depth that are packed one after another, of whole blocks.
fn packed_ranges(depth: usize, columns: usize) -> impl Iterator<Item = Range<usize>> {
    let step = depth_step(depth);
    let length = (MOST_PACKED / (step * columns)).max(1) * step;
    (0..depth)
        .step_by(length)
        .map(move |start| start..(start + length).min(depth))
}

/// Computes the product with its factors swapped and turns the result, where that moves less than packing the right one
/// or laying the left one along the depth. Every sum is the same.
fn turned<L: Lanes>(lanes: L, product: &Product<'_>, right: &Along<'_>, output: &mut [f32]) {
    let [rows, depth, columns] = product.shape;
    let swapped = Product {
        left: Operand::Along(*right),
        right: product.left,
        shape: [columns, depth, rows],
        scale: product.scale,
        accumulate: false,
        addend: None,
    };
    let mut sums = zeros(rows * columns);
    in_tasks(lanes, &swapped, right, &mut sums);
    let starts: Vec<usize> = (0..columns).map(|column| column * rows).collect();
    let chunk = rows.div_ceil(rayon::current_num_threads()).max(8);
    output
        .par_chunks_mut(chunk * columns)
        .enumerate()
        .for_each(|(index, output)| {
            let first = index * chunk;
            let count = output.len() / columns;
            lanes.vectorize(Transpose {
                lanes,
                source: &sums[first..],
                starts: &starts,
                length: count,
                target: &mut *output,
                stride: columns,
            });
            if let Some(addend) = product.addend {
                add_to_rows(&addend, first, output, columns);
            }
        });
}

/// Lays lines that lie across the depth along it, `[lines, depth]`.
pub(in crate::nn::kernels) fn lay_along<L: Lanes>(
    lanes: L,
    across: &Across<'_>,
    [lines, depth]: [usize; 2],
) -> Vec<f32> {
    let mut values = vec![0.0; lines * depth];
    let starts: Vec<usize> = (0..depth).map(|step| across.starts.of(step)).collect();
    let chunk = lines.div_ceil(rayon::current_num_threads()).max(8);
    let run = |(index, target): (usize, &mut [f32])| {
        let count = target.len() / depth;
        // By blocks of depth, so that the lines written to stay in the cache.
        for (block, starts) in starts.chunks(BLOCK).enumerate() {
            lanes.vectorize(Transpose {
                lanes,
                source: &across.values[index * chunk..],
                starts,
                length: count,
                target: &mut target[block * BLOCK..],
                stride: depth,
            });
        }
    };
    match lines * depth < LARGE {
        true => values.chunks_mut(chunk * depth).enumerate().for_each(run),
        false => values.par_chunks_mut(chunk * depth).enumerate().for_each(run),
    }
    values
}
