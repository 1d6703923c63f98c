//! Group norm on the CPU, an image at a time.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::GroupNormOptions;
use crate::kernels::slices::{add_scaled, dims, sigmoid, tensor, values, vectorised};
use crate::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::kernels) struct GroupNorm(pub(in crate::kernels) GroupNormOptions);

/// Per image and channel: the mean and inverse deviation of the channel's group.
#[derive(Clone, Debug)]
pub(in crate::kernels) struct Statistics {
    means: Vec<f32>,
    inverse_deviations: Vec<f32>,
}

impl Kernel<3> for GroupNorm {
    type Saved = ([FlexTensor; 3], Statistics);

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let shape: [usize; 4] = dims(&x);
        let [images, height, width, channels] = shape;
        let mut output = vec![0.0; images * height * width * channels];
        let mut means = vec![0.0; images * channels];
        let mut inverse_deviations = vec![0.0; images * channels];
        output
            .par_chunks_mut(height * width * channels)
            .zip(values(&x).par_chunks(height * width * channels))
            .zip(means.par_chunks_mut(channels))
            .zip(inverse_deviations.par_chunks_mut(channels))
            .for_each(|(((output, x), means), inverse_deviations)| {
                vectorised(
                    #[inline(always)]
                    || {
                        self.statistics(x, means, inverse_deviations);
                        let affine = Affine::new(means, inverse_deviations, &weight, &bias);
                        self.normalise(x, &affine, output);
                    },
                );
            });
        let statistics = Statistics {
            means,
            inverse_deviations,
        };
        (tensor(output, shape), ([x, weight, bias], statistics))
    }

    fn backward(
        &self,
        ([x, weight, bias], statistics): Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let shape: [usize; 4] = dims(&x);
        let [images, height, width, channels] = shape;
        let image = height * width * channels;
        let mut x_gradient = vec![0.0; images * image];
        let mut weight_sums = vec![0.0; images * channels];
        let mut bias_sums = vec![0.0; images * channels];
        x_gradient
            .par_chunks_mut(image)
            .zip(values(&x).par_chunks(image))
            .zip(values(&gradient).par_chunks(image))
            .zip(statistics.means.par_chunks(channels))
            .zip(statistics.inverse_deviations.par_chunks(channels))
            .zip(weight_sums.par_chunks_mut(channels))
            .zip(bias_sums.par_chunks_mut(channels))
            .for_each(
                |((((((target, x), gradient), means), inverse), weight_sum), bias_sum)| {
                    vectorised(
                        #[inline(always)]
                        || {
                            let affine = Affine::new(means, inverse, &weight, &bias);
                            self.before_activation(x, gradient, &affine, target);
                            sum_channels(x, target, &affine, weight_sum, bias_sum);
                            self.centre(x, target, &affine, weight_sum, bias_sum);
                        },
                    );
                },
            );
        let over_images = |sums: &[f32]| {
            let mut total = vec![0.0; channels];
            for sums in sums.chunks_exact(channels) {
                add_scaled(&mut total, 1.0, sums);
            }
            tensor(total, [channels])
        };
        [
            wanted[0].then(|| tensor(x_gradient, shape)),
            wanted[1].then(|| over_images(&weight_sums)),
            wanted[2].then(|| over_images(&bias_sums)),
        ]
    }
}

/// One image's normalisation and affine map: `(x - mean) * inverse * weight + bias`.
struct Affine<'a> {
    means: &'a [f32],
    inverse: &'a [f32],
    weight: &'a [f32],
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl<'a> Affine<'a> {
    #[inline(always)]
    fn new(means: &'a [f32], inverse: &'a [f32], weight: &'a FlexTensor, bias: &'a FlexTensor) -> Self {
        let (weight, bias) = (values(weight), values(bias));
        let scale: Vec<f32> = inverse.iter().zip(weight).map(|(a, b)| a * b).collect();
        let shift = |((mean, scale), bias): ((&f32, &f32), &f32)| bias - mean * scale;
        let shift = means.iter().zip(&scale).zip(bias).map(shift).collect();
        Self {
            means,
            inverse,
            weight,
            scale,
            shift,
        }
    }
}

impl GroupNorm {
    /// Two passes, because a mean square minus a squared mean cancels.
    #[inline(always)]
    fn statistics(&self, x: &[f32], means: &mut [f32], inverse_deviations: &mut [f32]) {
        let channels = means.len();
        for row in x.chunks_exact(channels) {
            add_scaled(means, 1.0, row);
        }
        self.share_in_groups(means, x.len());
        for row in x.chunks_exact(channels) {
            for ((sum, x), mean) in inverse_deviations.iter_mut().zip(row).zip(&*means) {
                *sum += (x - mean) * (x - mean);
            }
        }
        self.share_in_groups(inverse_deviations, x.len());
        for value in inverse_deviations {
            *value = 1.0 / (*value + self.0.epsilon as f32).sqrt();
        }
    }

    /// Replaces each channel's sum by the mean over its group, whose values are `total /
    /// groups`.
    #[inline(always)]
    fn share_in_groups(&self, sums: &mut [f32], total: usize) {
        let factor = self.0.groups as f32 / total as f32;
        for group in sums.chunks_exact_mut(sums.len() / self.0.groups) {
            let mean = group.iter().sum::<f32>() * factor;
            group.fill(mean);
        }
    }

    #[inline(always)]
    fn normalise(&self, x: &[f32], affine: &Affine<'_>, output: &mut [f32]) {
        let channels = affine.scale.len();
        for (output, x) in output.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            let inputs = x.iter().zip(&affine.scale).zip(&affine.shift);
            for (output, ((x, scale), shift)) in output.iter_mut().zip(inputs) {
                let y = x * scale + shift;
                *output = if self.0.silu { y * sigmoid(y) } else { y };
            }
        }
    }

    /// Gradient of what SiLU is applied to.
    #[inline(always)]
    fn before_activation(&self, x: &[f32], gradient: &[f32], affine: &Affine<'_>, target: &mut [f32]) {
        if !self.0.silu {
            target.copy_from_slice(gradient);
            return;
        }
        let channels = affine.scale.len();
        let rows = x.chunks_exact(channels).zip(gradient.chunks_exact(channels));
        for (target, (x, gradient)) in target.chunks_exact_mut(channels).zip(rows) {
            let inputs = x.iter().zip(gradient).zip(&affine.scale).zip(&affine.shift);
            for (target, (((x, gradient), scale), shift)) in target.iter_mut().zip(inputs) {
                let y = x * scale + shift;
                let s = sigmoid(y);
                *target = gradient * s * (1.0 + y * (1.0 - s));
            }
        }
    }

    /// Takes from the gradient what the normalisation removes: its mean over the group and its
    /// projection on the normalised values.
    #[inline(always)]
    fn centre(
        &self,
        x: &[f32],
        target: &mut [f32],
        affine: &Affine<'_>,
        weight_sum: &[f32],
        bias_sum: &[f32],
    ) {
        let weighted = |sums: &[f32]| {
            let mut weighted: Vec<f32> = sums.iter().zip(affine.weight).map(|(a, b)| a * b).collect();
            self.share_in_groups(&mut weighted, x.len());
            weighted
        };
        let (projection, mean) = (weighted(weight_sum), weighted(bias_sum));
        // Slope and offset of the part that is linear in x.
        let slope = |(inverse, projection): (&f32, &f32)| inverse * inverse * projection;
        let slopes: Vec<f32> = affine.inverse.iter().zip(&projection).map(slope).collect();
        let offset = |(inverse, mean): (&f32, &f32)| inverse * mean;
        let offsets: Vec<f32> = affine.inverse.iter().zip(&mean).map(offset).collect();
        let channels = affine.scale.len();
        for (target, x) in target.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            let inputs = x.iter().zip(affine.means).zip(&affine.scale);
            let lines = slopes.iter().zip(&offsets);
            for ((target, ((x, mean), scale)), (slope, offset)) in target.iter_mut().zip(inputs).zip(lines) {
                *target = *target * scale - (x - mean) * slope - offset;
            }
        }
    }
}

/// Gradients of weight and bias from one image.
#[inline(always)]
fn sum_channels(
    x: &[f32],
    gradient: &[f32],
    affine: &Affine<'_>,
    weight_sum: &mut [f32],
    bias_sum: &mut [f32],
) {
    let channels = affine.scale.len();
    for (x, gradient) in x.chunks_exact(channels).zip(gradient.chunks_exact(channels)) {
        let inputs = x.iter().zip(gradient).zip(affine.means).zip(affine.inverse);
        let sums = weight_sum.iter_mut().zip(bias_sum.iter_mut());
        for ((weight, bias), (((x, gradient), mean), inverse)) in sums.zip(inputs) {
            *weight += gradient * (x - mean) * inverse;
            *bias += gradient;
        }
    }
}
