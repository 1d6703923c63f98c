//! The gate on the CPU.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::kernels::slices::{dims, normal, tensor, values, vectorised};
use crate::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::kernels) struct GatedGelu;

impl Kernel<1> for GatedGelu {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let [batch, tokens, both] = dims(&x);
        let features = both / 2;
        let mut output = vec![0.0; batch * tokens * features];
        output
            .par_chunks_mut(tokens * features)
            .zip(values(&x).par_chunks(tokens * both))
            .for_each(|(output, x)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (output, x) in output.chunks_exact_mut(features).zip(x.chunks_exact(both)) {
                            let (value, gate) = x.split_at(features);
                            for (output, (value, gate)) in output.iter_mut().zip(value.iter().zip(gate)) {
                                *output = value * gate * normal(*gate).0;
                            }
                        }
                    },
                );
            });
        (tensor(output, [batch, tokens, features]), x)
    }

    fn backward(&self, x: FlexTensor, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let [batch, tokens, both] = dims(&x);
        let features = both / 2;
        let mut target = vec![0.0; batch * tokens * both];
        target
            .par_chunks_mut(tokens * both)
            .zip(values(&x).par_chunks(tokens * both))
            .zip(values(&gradient).par_chunks(tokens * features))
            .for_each(|((target, x), gradient)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let rows = x.chunks_exact(both).zip(gradient.chunks_exact(features));
                        for (target, (x, gradient)) in target.chunks_exact_mut(both).zip(rows) {
                            let (value, gate) = x.split_at(features);
                            let (of_value, of_gate) = target.split_at_mut(features);
                            row_backward(of_value, of_gate, value, gate, gradient);
                        }
                    },
                );
            });
        [Some(tensor(target, [batch, tokens, both]))]
    }
}
/// Gradients of one token. A function of its own, because only of arguments does the compiler
/// know that they do not overlap.
#[inline(always)]
fn row_backward(of_value: &mut [f32], of_gate: &mut [f32], value: &[f32], gate: &[f32], gradient: &[f32]) {
    let targets = of_value.iter_mut().zip(of_gate);
    let inputs = value.iter().zip(gate).zip(gradient);
    for ((of_value, of_gate), ((value, gate), gradient)) in targets.zip(inputs) {
        let (below, density) = normal(*gate);
        *of_value = gradient * gate * below;
        *of_gate = gradient * value * (below + gate * density);
    }
}
