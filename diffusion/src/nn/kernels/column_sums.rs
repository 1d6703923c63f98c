//! Sums over rows, which the gradients of biases are.

use rayon::prelude::*;

use super::instructions::vectorised;
use super::slices::add_scaled;
use crate::cpu_level::CpuLevel;

/// Rows that are summed first, whatever the threads: long sums of f32 lose digits, and many short ones less.
const ROWS: usize = 256;

/// Adds up rows of `columns` values.
pub(super) fn column_sums(level: CpuLevel, rows: &[f32], columns: usize) -> Vec<f32> {
    let parts = rows.par_chunks((ROWS * columns).max(1)).map(|rows| {
        let mut sums = vec![0.0; columns];
        vectorised(
            level,
            #[inline(always)]
            |_| {
                for row in rows.chunks_exact(columns) {
                    add_scaled(&mut sums, 1.0, row);
                }
            },
        );
        sums
    });
    let mut total = vec![0.0; columns];
    for part in &parts.collect::<Vec<_>>() {
        add_scaled(&mut total, 1.0, part);
    }
    total
}
