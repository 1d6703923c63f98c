//! Gains and biases of columns on the CPU, some rows at a time.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::cpu_level::CpuLevel;
use crate::nn::kernels::instructions::vectorised;
use crate::nn::kernels::linear::kernel::of_bias;
use crate::nn::kernels::slices::{add_scaled, dims, tensor, values};
use crate::nn::kernels::tape::Kernel;

/// Rows of one task. Sums are over so many rows first, whatever the threads.
const ROWS: usize = 256;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct ColumnAffine;

impl Kernel<2> for ColumnAffine {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, gain]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let [_, columns] = dims(&x);
        let zeros = vec![0.0; columns];
        (apply(&x, values(&gain), &zeros), [x, gain])
    }

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        gradients(&saved, &gradient, wanted)
    }
}

impl Kernel<3> for ColumnAffine {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, gain, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        (apply(&x, values(&gain), values(&bias)), [x, gain])
    }

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        [x, gain, bias]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [x, gain] = gradients(&saved, &gradient, [x, gain]);
        [x, gain, bias.then(|| of_bias(&gradient))]
    }
}

fn apply(x: &FlexTensor, gain: &[f32], bias: &[f32]) -> FlexTensor {
    let [rows, columns] = dims(x);
    let level = CpuLevel::in_force();
    let mut output = vec![0.0; rows * columns];
    output
        .par_chunks_mut((ROWS * columns).max(1))
        .zip(values(x).par_chunks((ROWS * columns).max(1)))
        .for_each(|(output, x)| {
            vectorised(
                level,
                #[inline(always)]
                |_| {
                    for (output, x) in output.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
                        for (((output, x), gain), bias) in output.iter_mut().zip(x).zip(gain).zip(bias) {
                            *output = x * gain + bias;
                        }
                    }
                },
            );
        });
    tensor(output, [rows, columns])
}

fn gradients(
    [x, gain]: &[FlexTensor; 2],
    gradient: &FlexTensor,
    wanted: [bool; 2],
) -> [Option<FlexTensor>; 2] {
    let [_, columns] = dims(x);
    let zeros = vec![0.0; columns];
    [
        wanted[0].then(|| apply(gradient, values(gain), &zeros)),
        wanted[1].then(|| of_gain(x, gradient)),
    ]
}

fn of_gain(x: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
    let [_, columns] = dims(x);
    let level = CpuLevel::in_force();
    let parts: Vec<Vec<f32>> = values(x)
        .par_chunks((ROWS * columns).max(1))
        .zip(values(gradient).par_chunks((ROWS * columns).max(1)))
        .map(|(x, gradient)| {
            let mut sums = vec![0.0; columns];
            vectorised(
                level,
                #[inline(always)]
                |_| {
                    for (x, gradient) in x.chunks_exact(columns).zip(gradient.chunks_exact(columns)) {
                        for (sum, (x, gradient)) in sums.iter_mut().zip(x.iter().zip(gradient)) {
                            *sum += x * gradient;
                        }
                    }
                },
            );
            sums
        })
        .collect();
    let mut total = vec![0.0; columns];
    for part in &parts {
        add_scaled(&mut total, 1.0, part);
    }
    tensor(total, [columns])
}
