//! Layer norm on the CPU, a token at a time.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::cpu_level::CpuLevel;
use crate::nn::kernels::instructions::vectorised;
use crate::nn::kernels::slices::{add_scaled, dims, sum, sum_pairs, tensor, values, zeros};
use crate::nn::kernels::tape::Kernel;

/// Values of one task that normalises.
const PART: usize = 1 << 14;

/// Tokens of one task of the derivative. Sums are over so many tokens first, whatever the threads.
const TOKENS: usize = 64;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct LayerNorm {
    pub(in crate::nn::kernels) epsilon: f32,
}

impl LayerNorm {
    #[inline(always)]
    fn statistics(&self, x: &[f32]) -> (f32, f32) {
        let mean = sum(x) / x.len() as f32;
        let squares = sum_pairs(x, x, |x, _| (x - mean) * (x - mean));
        let variance = squares / x.len() as f32;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }
}

impl Kernel<3> for LayerNorm {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let level = CpuLevel::in_force();
        let [batch, tokens, features] = dims(&x);
        let mut output = zeros(batch * tokens * features);
        let part = ((PART / features.max(1)).max(1) * features).max(1);
        output
            .par_chunks_mut(part)
            .zip(values(&x).par_chunks(part))
            .for_each(|(output, x)| {
                let (weight, bias) = (values(&weight), values(&bias));
                vectorised(
                    level,
                    #[inline(always)]
                    |_| {
                        let rows = output.chunks_exact_mut(features).zip(x.chunks_exact(features));
                        for (output, x) in rows {
                            let (mean, inverse) = self.statistics(x);
                            let inputs = x.iter().zip(weight).zip(bias);
                            for (output, ((x, weight), bias)) in output.iter_mut().zip(inputs) {
                                *output = (x - mean) * inverse * weight + bias;
                            }
                        }
                    },
                );
            });
        (tensor(output, [batch, tokens, features]), [x, weight])
    }

    fn backward(
        &self,
        [x, weight]: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let level = CpuLevel::in_force();
        let [batch, tokens, features] = dims(&x);
        let size = TOKENS * features;
        let mut x_gradient = vec![0.0; batch * tokens * features];
        let mut sums = vec![0.0; (batch * tokens).div_ceil(TOKENS) * 2 * features];
        x_gradient
            .par_chunks_mut(size)
            .zip(values(&x).par_chunks(size))
            .zip(values(&gradient).par_chunks(size))
            .zip(sums.par_chunks_mut(2 * features))
            .for_each(|(((target, x), gradient), sums)| {
                let weight = values(&weight);
                vectorised(
                    level,
                    #[inline(always)]
                    |_| {
                        let (weight_sum, bias_sum) = sums.split_at_mut(features);
                        let rows = x.chunks_exact(features).zip(gradient.chunks_exact(features));
                        for (target, (x, gradient)) in target.chunks_exact_mut(features).zip(rows) {
                            self.row_backward(target, x, gradient, weight, weight_sum);
                            add_scaled(bias_sum, 1.0, gradient);
                        }
                    },
                );
            });
        let mut total = vec![0.0; 2 * features];
        for sums in sums.chunks_exact(2 * features) {
            add_scaled(&mut total, 1.0, sums);
        }
        let bias_total = total.split_off(features);
        [
            wanted[0].then(|| tensor(x_gradient, [batch, tokens, features])),
            wanted[1].then(|| tensor(total, [features])),
            wanted[2].then(|| tensor(bias_total, [features])),
        ]
    }
}

impl LayerNorm {
    #[inline(always)]
    fn row_backward(
        &self,
        target: &mut [f32],
        x: &[f32],
        gradient: &[f32],
        weight: &[f32],
        weight_sum: &mut [f32],
    ) {
        let features = x.len() as f32;
        let (mean, inverse) = self.statistics(x);
        // The target first holds the gradient of the normalised values.
        for (target, (gradient, weight)) in target.iter_mut().zip(gradient.iter().zip(weight)) {
            *target = gradient * weight;
        }
        let mean_gradient = sum(target) / features;
        let projection = sum_pairs(target, x, |g, x| g * (x - mean) * inverse) / features;
        let inputs = x.iter().zip(gradient).zip(weight_sum);
        for (target, ((x, gradient), weight_sum)) in target.iter_mut().zip(inputs) {
            let normalised = (x - mean) * inverse;
            *weight_sum += gradient * normalised;
            *target = (*target - mean_gradient - normalised * projection) * inverse;
        }
    }
}
