//! The gate on the CPU.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::cpu_level::CpuLevel;
use crate::nn::kernels::instructions::{Arithmetic, vectorised};
use crate::nn::kernels::slices::{dims, normal, tensor, values};
use crate::nn::kernels::tape::Kernel;

/// Tokens of one task.
const TOKENS: usize = 64;

/// Features worked on at once.
const LANES: usize = 16;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct GatedGelu;

impl Kernel<1> for GatedGelu {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let level = CpuLevel::in_force();
        let [batch, tokens, both] = dims(&x);
        let features = both / 2;
        let mut output = vec![0.0; batch * tokens * features];
        output
            .par_chunks_mut(TOKENS * features)
            .zip(values(&x).par_chunks(TOKENS * both))
            .for_each(|(output, x)| {
                vectorised(
                    level,
                    #[inline(always)]
                    |arithmetic| {
                        for (output, x) in output.chunks_exact_mut(features).zip(x.chunks_exact(both)) {
                            let (value, gate) = x.split_at(features);
                            for (output, (value, gate)) in output.iter_mut().zip(value.iter().zip(gate)) {
                                *output = value * gate * normal(arithmetic, *gate).0;
                            }
                        }
                    },
                );
            });
        (tensor(output, [batch, tokens, features]), x)
    }

    fn backward(&self, x: FlexTensor, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let level = CpuLevel::in_force();
        let [batch, tokens, both] = dims(&x);
        let features = both / 2;
        let mut target = vec![0.0; batch * tokens * both];
        target
            .par_chunks_mut(TOKENS * both)
            .zip(values(&x).par_chunks(TOKENS * both))
            .zip(values(&gradient).par_chunks(TOKENS * features))
            .for_each(|((target, x), gradient)| {
                vectorised(
                    level,
                    #[inline(always)]
                    |arithmetic| {
                        let rows = x.chunks_exact(both).zip(gradient.chunks_exact(features));
                        for (target, (x, gradient)) in target.chunks_exact_mut(both).zip(rows) {
                            let (value, gate) = x.split_at(features);
                            let (of_value, of_gate) = target.split_at_mut(features);
                            row_backward(arithmetic, of_value, of_gate, [value, gate, gradient]);
                        }
                    },
                );
            });
        [Some(tensor(target, [batch, tokens, both]))]
    }
}

/// Gradients of one token, some features at a time: of slices written to the compiler does not know that they do not
/// overlap, and makes no vectors.
#[inline(always)]
fn row_backward(
    arithmetic: Arithmetic,
    of_value: &mut [f32],
    of_gate: &mut [f32],
    [value, gate, gradient]: [&[f32]; 3],
) {
    let (of_values, of_value) = of_value.as_chunks_mut::<LANES>();
    let (of_gates, of_gate) = of_gate.as_chunks_mut::<LANES>();
    let (values, value) = value.as_chunks::<LANES>();
    let (gates, gate) = gate.as_chunks::<LANES>();
    let (gradients, gradient) = gradient.as_chunks::<LANES>();
    let targets = of_values.iter_mut().zip(of_gates);
    for ((of_value, of_gate), ((value, gate), gradient)) in
        targets.zip(values.iter().zip(gates).zip(gradients))
    {
        (*of_value, *of_gate) = lanes_backward(arithmetic, value, gate, gradient);
    }
    let targets = of_value.iter_mut().zip(of_gate);
    for ((of_value, of_gate), ((value, gate), gradient)) in targets.zip(value.iter().zip(gate).zip(gradient))
    {
        let ([value], [gate]) = lanes_backward(arithmetic, &[*value], &[*gate], &[*gradient]);
        (*of_value, *of_gate) = (value, gate);
    }
}

#[inline(always)]
fn lanes_backward<const N: usize>(
    arithmetic: Arithmetic,
    value: &[f32; N],
    gate: &[f32; N],
    gradient: &[f32; N],
) -> ([f32; N], [f32; N]) {
    let (mut of_value, mut of_gate) = ([0.0; N], [0.0; N]);
    for lane in 0..N {
        let (below, density) = normal(arithmetic, gate[lane]);
        of_value[lane] = gradient[lane] * gate[lane] * below;
        of_gate[lane] = gradient[lane] * value[lane] * (below + gate[lane] * density);
    }
    (of_value, of_gate)
}
