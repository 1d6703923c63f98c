//! One head of a sequence, taken out of `[tokens, heads * depth]` in the orders that products read.

use super::{KEYS, QUERIES};
use crate::kernels::attention::sizes::Sizes;
use crate::kernels::small_product::{Matrix, add_product};

/// Columns of a panel, the widest tile of [`add_product`].
pub(super) const PANEL: usize = 32;

impl Sizes {
    /// One head of some tokens, multiplied, as `[tokens, depth]`.
    #[inline(always)]
    pub(super) fn rows(&self, sequence: &[f32], head: usize, factor: f32) -> Vec<f32> {
        let mut rows = Vec::with_capacity(sequence.len() / self.heads);
        for token in sequence.chunks_exact(self.features()) {
            let token = &token[head * self.depth..][..self.depth];
            rows.extend(token.iter().map(|value| value * factor));
        }
        rows
    }

    /// One head of some tokens as panels `[panel, depth, PANEL]`, the last one filled up with zeros.
    #[inline(always)]
    pub(super) fn panels(&self, sequence: &[f32], head: usize) -> Vec<f32> {
        let tokens = sequence.len() / self.features();
        let mut panels = vec![0.0; tokens.div_ceil(PANEL) * PANEL * self.depth];
        for (token, row) in sequence.chunks_exact(self.features()).enumerate() {
            let panel = &mut panels[token / PANEL * PANEL * self.depth..];
            let row = &row[head * self.depth..][..self.depth];
            for (feature, value) in row.iter().enumerate() {
                panel[feature * PANEL + token % PANEL] = *value;
            }
        }
        panels
    }

    /// Products of each row with each token of the panels from `first` on, `[rows, KEYS]`.
    #[inline(always)]
    pub(super) fn products(&self, rows: &[f32], panels: &[f32], first: usize, products: &mut [f32]) {
        let count = rows.len() / self.depth;
        products[..count * KEYS].fill(0.0);
        let panels = panels[first * self.depth..].chunks_exact(PANEL * self.depth);
        for (index, panel) in panels.take(KEYS / PANEL).enumerate() {
            let target = (&mut products[index * PANEL..], KEYS);
            let rows = Matrix {
                values: rows,
                row: self.depth,
                column: 1,
            };
            add_product(rows, (panel, PANEL), target, [count, self.depth, PANEL], 1.0);
        }
    }
}

/// Room for the scores of one tile.
pub(super) fn tile() -> Vec<f32> {
    vec![0.0; QUERIES * KEYS]
}
