//! The gate of a feed-forward layer.

use burn::tensor::{Tensor, activation};

/// Multiplies the first half of the features by the GELU of the second half, `a * b Phi(b)`
/// (GLU Variants Improve Transformer, arXiv 2002.05202, equation 6).
///
/// # Shapes
/// - x: `[batch, tokens, 2 features]`
/// - output: `[batch, tokens, features]`
pub fn gated_gelu(x: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "kernels")]
    if let Some(output) = super::tape::apply(kernel::GatedGelu, [x.clone().into_dispatch()]) {
        return output;
    }
    let features = x.dims()[2] / 2;
    let value = x.clone().narrow(2, 0, features);
    value * activation::gelu(x.narrow(2, features, features))
}

#[cfg(feature = "kernels")]
mod kernel {
    use burn_flex::FlexTensor;
    use rayon::prelude::*;

    use super::super::slices::{dims, normal, tensor, values, vectorised};
    use super::super::tape::Kernel;

    #[derive(Clone, Debug)]
    pub(super) struct GatedGelu;

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
                                let targets = of_value.iter_mut().zip(of_gate);
                                let inputs = value.iter().zip(gate).zip(gradient);
                                for ((of_value, of_gate), ((value, gate), gradient)) in targets.zip(inputs) {
                                    let (below, density) = normal(*gate);
                                    *of_value = gradient * gate * below;
                                    *of_gate = gradient * value * (below + gate * density);
                                }
                            }
                        },
                    );
                });
            [Some(tensor(target, [batch, tokens, both]))]
        }
    }
}
