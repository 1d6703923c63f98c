//! Turning rows into columns.

use pulp::NullaryFnOnce;

use crate::nn::kernels::instructions::Lanes;

/// Rows and columns turned at once, in registers.
const SIDE: usize = 8;

/// Writes rows as columns.
pub(super) struct Transpose<'a, L> {
    pub(super) lanes: L,
    pub(super) source: &'a [f32],
    /// Where each row starts.
    pub(super) starts: &'a [usize],
    /// Values of a row.
    pub(super) length: usize,
    pub(super) target: &'a mut [f32],
    /// From one row of the target to the next.
    pub(super) stride: usize,
}

impl<L: Lanes> NullaryFnOnce for Transpose<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            lanes,
            source,
            starts,
            length,
            target,
            stride,
        } = self;
        let (blocks, rest) = starts.as_chunks::<SIDE>();
        for (block, starts) in blocks.iter().enumerate() {
            // Loops, because functions passed on are compiled without the level's instructions.
            let mut rows: [&[f32]; SIDE] = [&[]; SIDE];
            for (row, start) in rows.iter_mut().zip(starts) {
                *row = &source[*start..][..length];
            }
            let target = &mut target[block * SIDE..];
            let mut at = 0;
            while at + SIDE <= length {
                let mut square = [[0.0; SIDE]; SIDE];
                for (values, row) in square.iter_mut().zip(rows) {
                    values.copy_from_slice(&row[at..at + SIDE]);
                }
                let square = lanes.transpose(square);
                for column in 0..SIDE {
                    target[(at + column) * stride..][..SIDE].copy_from_slice(&square[column]);
                }
                at += SIDE;
            }
            for at in at..length {
                for (target, row) in target[at * stride..][..SIDE].iter_mut().zip(rows) {
                    *target = row[at];
                }
            }
        }
        for (column, start) in (blocks.len() * SIDE..).zip(rest) {
            for (at, value) in source[*start..][..length].iter().enumerate() {
                target[at * stride + column] = *value;
            }
        }
    }
}
