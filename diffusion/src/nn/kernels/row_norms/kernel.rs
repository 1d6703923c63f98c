//! Lengths of rows on the CPU: the changed weight exists for some rows at a time.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::cpu_level::CpuLevel;
use crate::nn::kernels::instructions::{Lanes, LevelWork, dispatch};
use crate::nn::kernels::product::{Across, Along, Operand, Packed, Target, add_rows};
use crate::nn::kernels::slices::{dims, sum_pairs, tensor, values};
use crate::nn::kernels::tape::Kernel;

/// Rows of one task.
const ROWS: usize = 24;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct RowNorms {
    pub(in crate::nn::kernels) scale: f32,
}

impl Kernel<3> for RowNorms {
    type Saved = ();

    fn forward(&self, [weight, down, up]: [FlexTensor; 3]) -> (FlexTensor, ()) {
        let ([outputs, inputs], [_, rank]) = (dims(&weight), dims(&up));
        let norms = dispatch(
            CpuLevel::in_force(),
            Lengths {
                weight: values(&weight),
                down: values(&down),
                up: values(&up),
                shape: [outputs, rank, inputs],
                scale: self.scale,
            },
        );
        (tensor(norms, [outputs]), ())
    }

    fn backward(&self, (): (), _: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
        [None, None, None]
    }
}

struct Lengths<'a> {
    weight: &'a [f32],
    down: &'a [f32],
    up: &'a [f32],
    shape: [usize; 3],
    scale: f32,
}

impl LevelWork for Lengths<'_> {
    type Output = Vec<f32>;

    fn run<L: Lanes>(self, lanes: L) -> Vec<f32> {
        let [outputs, rank, inputs] = self.shape;
        let down = Operand::Across(Across::every(self.down, inputs));
        let down = Packed::new(lanes, &down, 0..rank, [rank, inputs]);
        let up = Along::every(self.up, rank);
        let mut norms = vec![0.0; outputs];
        norms
            .par_chunks_mut(ROWS)
            .zip(self.weight.par_chunks(ROWS * inputs))
            .enumerate()
            .for_each(|(index, (norms, weight))| {
                let mut changed = weight.to_vec();
                let target = Target {
                    stride: inputs,
                    scale: self.scale,
                    accumulate: true,
                    ..Target::new(&mut changed)
                };
                let first = index * ROWS;
                add_rows(lanes, &up, first..first + norms.len(), &down, rank, target);
                lanes.vectorize(
                    #[inline(always)]
                    || {
                        for (norm, row) in norms.iter_mut().zip(changed.chunks_exact(inputs)) {
                            *norm = sum_pairs(row, row, |a, b| a * b).sqrt();
                        }
                    },
                );
            });
        norms
    }
}
