//! Group norm on the CPU, an image at a time and within it a block of places at a time.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::GroupNormOptions;
use super::passes::{Affine, Image, Lines};
use crate::cpu_level::CpuLevel;
use crate::nn::kernels::slices::{add_scaled, dims, tensor, values};
use crate::nn::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct GroupNorm(pub(in crate::nn::kernels) GroupNormOptions);

/// Per image and channel: the mean and inverse deviation of the channel's group.
#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct Statistics {
    means: Vec<f32>,
    inverse_deviations: Vec<f32>,
}

impl Kernel<3> for GroupNorm {
    type Saved = ([FlexTensor; 3], Statistics);

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let level = CpuLevel::in_force();
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
            .for_each(|(((output, x), means), inverse)| {
                let image = Image {
                    level,
                    options: self.0,
                    channels,
                    x,
                };
                image.statistics(means, inverse);
                image.normalise(
                    &Affine::new(means, inverse, values(&weight), values(&bias)),
                    output,
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
        let level = CpuLevel::in_force();
        let shape: [usize; 4] = dims(&x);
        let [images, height, width, channels] = shape;
        let size = height * width * channels;
        let mut x_gradient = vec![0.0; images * size];
        let mut sums = vec![0.0; images * 2 * channels];
        x_gradient
            .par_chunks_mut(size)
            .zip(values(&x).par_chunks(size))
            .zip(values(&gradient).par_chunks(size))
            .zip(statistics.means.par_chunks(channels))
            .zip(statistics.inverse_deviations.par_chunks(channels))
            .zip(sums.par_chunks_mut(2 * channels))
            .for_each(|(((((target, x), gradient), means), inverse), sums)| {
                let image = Image {
                    level,
                    options: self.0,
                    channels,
                    x,
                };
                let affine = Affine::new(means, inverse, values(&weight), values(&bias));
                image.before_activation(gradient, &affine, target);
                image.sum_channels(target, &affine, sums);
                image.centre(target, &affine, &Lines::new(&image, &affine, sums));
            });
        let over_images = |part: usize| {
            let mut total = vec![0.0; channels];
            for sums in sums.chunks_exact(2 * channels) {
                add_scaled(&mut total, 1.0, &sums[part * channels..][..channels]);
            }
            tensor(total, [channels])
        };
        [
            wanted[0].then(|| tensor(x_gradient, shape)),
            wanted[1].then(|| over_images(0)),
            wanted[2].then(|| over_images(1)),
        ]
    }
}
