//! The passes of a group norm over one image.

use rayon::prelude::*;

use super::GroupNormOptions;
use crate::cpu_level::CpuLevel;
use crate::nn::kernels::instructions::{Arithmetic, vectorised};
use crate::nn::kernels::slices::{add_scaled, sigmoid};

/// Places of one task. Sums are over so many places first, whatever the threads.
const PLACES: usize = 1024;

/// One image, `[places, channels]`.
pub(super) struct Image<'a> {
    pub(super) level: CpuLevel,
    pub(super) options: GroupNormOptions,
    pub(super) channels: usize,
    pub(super) x: &'a [f32],
}

/// One image's normalisation and affine map: `(x - mean) * inverse * weight + bias`.
pub(super) struct Affine<'a> {
    means: &'a [f32],
    inverse: &'a [f32],
    weight: &'a [f32],
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl<'a> Affine<'a> {
    pub(super) fn new(means: &'a [f32], inverse: &'a [f32], weight: &'a [f32], bias: &'a [f32]) -> Self {
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

/// Slope and offset per channel of what the normalisation takes from a gradient: its mean over the group and its
/// projection on the normalised values.
pub(super) struct Lines {
    slopes: Vec<f32>,
    offsets: Vec<f32>,
}

impl Lines {
    /// `sums` are those of [`Image::sum_channels`].
    pub(super) fn new(image: &Image<'_>, affine: &Affine<'_>, sums: &[f32]) -> Self {
        let (weight_sums, bias_sums) = sums.split_at(image.channels);
        let weighted = |sums: &[f32]| {
            let mut weighted: Vec<f32> = sums.iter().zip(affine.weight).map(|(a, b)| a * b).collect();
            image.share_in_groups(&mut weighted);
            weighted
        };
        let (projection, mean) = (weighted(weight_sums), weighted(bias_sums));
        let slope = |(inverse, projection): (&f32, &f32)| inverse * inverse * projection;
        let offset = |(inverse, mean): (&f32, &f32)| inverse * mean;
        Self {
            slopes: affine.inverse.iter().zip(&projection).map(slope).collect(),
            offsets: affine.inverse.iter().zip(&mean).map(offset).collect(),
        }
    }
}

impl Image<'_> {
    /// Two passes, because a mean square minus a squared mean cancels.
    pub(super) fn statistics(&self, means: &mut [f32], inverse_deviations: &mut [f32]) {
        self.sum_blocks(
            means,
            #[inline(always)]
            |x, sums| {
                for row in x.chunks_exact(self.channels) {
                    add_scaled(sums, 1.0, row);
                }
            },
        );
        self.share_in_groups(means);
        self.sum_blocks(
            inverse_deviations,
            #[inline(always)]
            |x, sums| {
                for row in x.chunks_exact(self.channels) {
                    for ((sum, x), mean) in sums.iter_mut().zip(row).zip(&*means) {
                        *sum += (x - mean) * (x - mean);
                    }
                }
            },
        );
        self.share_in_groups(inverse_deviations);
        for value in inverse_deviations {
            *value = 1.0 / (*value + self.options.epsilon as f32).sqrt();
        }
    }

    pub(super) fn normalise(&self, affine: &Affine<'_>, output: &mut [f32]) {
        let silu = self.options.silu;
        self.map_blocks(
            output,
            #[inline(always)]
            |arithmetic, x, output| {
                let rows = output
                    .chunks_exact_mut(self.channels)
                    .zip(x.chunks_exact(self.channels));
                for (output, x) in rows {
                    let inputs = x.iter().zip(&affine.scale).zip(&affine.shift);
                    for (output, ((x, scale), shift)) in output.iter_mut().zip(inputs) {
                        let y = x * scale + shift;
                        *output = if silu { y * sigmoid(arithmetic, y) } else { y };
                    }
                }
            },
        );
    }

    /// Gradient of what SiLU is applied to.
    pub(super) fn before_activation(&self, gradient: &[f32], affine: &Affine<'_>, target: &mut [f32]) {
        target.copy_from_slice(gradient);
        if !self.options.silu {
            return;
        }
        self.map_blocks(
            target,
            #[inline(always)]
            |arithmetic, x, target| {
                let rows = target
                    .chunks_exact_mut(self.channels)
                    .zip(x.chunks_exact(self.channels));
                for (target, x) in rows {
                    let inputs = x.iter().zip(&affine.scale).zip(&affine.shift);
                    for (target, ((x, scale), shift)) in target.iter_mut().zip(inputs) {
                        let y = x * scale + shift;
                        let s = sigmoid(arithmetic, y);
                        *target = *target * s * (1.0 + y * (1.0 - s));
                    }
                }
            },
        );
    }

    /// Gradients of weight and bias, one after the other.
    pub(super) fn sum_channels(&self, gradient: &[f32], affine: &Affine<'_>, sums: &mut [f32]) {
        let block = PLACES * self.channels;
        let blocks = self.x.par_chunks(block).zip(gradient.par_chunks(block));
        let parts = blocks.map(|(x, gradient)| {
            let mut sums = vec![0.0; 2 * self.channels];
            let (weight, bias) = sums.split_at_mut(self.channels);
            vectorised(
                self.level,
                #[inline(always)]
                |_| sum_rows(x, gradient, affine, weight, bias),
            );
            sums
        });
        for part in &parts.collect::<Vec<_>>() {
            add_scaled(sums, 1.0, part);
        }
    }

    /// Takes from the gradient what the normalisation removes.
    pub(super) fn centre(&self, target: &mut [f32], affine: &Affine<'_>, lines: &Lines) {
        self.map_blocks(
            target,
            #[inline(always)]
            |_, x, target| {
                let rows = target
                    .chunks_exact_mut(self.channels)
                    .zip(x.chunks_exact(self.channels));
                for (target, x) in rows {
                    let inputs = x.iter().zip(affine.means).zip(&affine.scale);
                    let lines = lines.slopes.iter().zip(&lines.offsets);
                    for ((target, ((x, mean), scale)), (slope, offset)) in
                        target.iter_mut().zip(inputs).zip(lines)
                    {
                        *target = *target * scale - (x - mean) * slope - offset;
                    }
                }
            },
        );
    }

    /// Replaces each channel's sum by the mean over its group.
    fn share_in_groups(&self, sums: &mut [f32]) {
        let factor = self.options.groups as f32 / self.x.len() as f32;
        for group in sums.chunks_exact_mut(self.channels / self.options.groups) {
            let mean = group.iter().sum::<f32>() * factor;
            group.fill(mean);
        }
    }

    /// Adds up what `add` makes of each block of places.
    fn sum_blocks(&self, sums: &mut [f32], add: impl Fn(&[f32], &mut [f32]) + Sync) {
        let parts = self.x.par_chunks(PLACES * self.channels).map(|x| {
            let mut sums = vec![0.0; self.channels];
            vectorised(
                self.level,
                #[inline(always)]
                |_| add(x, &mut sums),
            );
            sums
        });
        for part in &parts.collect::<Vec<_>>() {
            add_scaled(sums, 1.0, part);
        }
    }

    /// Changes each block of places of `target`, which lies as the image does.
    fn map_blocks(&self, target: &mut [f32], change: impl Fn(Arithmetic, &[f32], &mut [f32]) + Sync) {
        target
            .par_chunks_mut(PLACES * self.channels)
            .zip(self.x.par_chunks(PLACES * self.channels))
            .for_each(|(target, x)| {
                vectorised(
                    self.level,
                    #[inline(always)]
                    |arithmetic| change(arithmetic, x, target),
                );
            });
    }
}

/// A function of its own, because only of arguments does the compiler know that they do not overlap.
#[inline(always)]
fn sum_rows(x: &[f32], gradient: &[f32], affine: &Affine<'_>, weight: &mut [f32], bias: &mut [f32]) {
    let channels = weight.len();
    for (x, gradient) in x.chunks_exact(channels).zip(gradient.chunks_exact(channels)) {
        let inputs = x.iter().zip(gradient).zip(affine.means).zip(affine.inverse);
        let sums = weight.iter_mut().zip(bias.iter_mut());
        for ((weight, bias), (((x, gradient), mean), inverse)) in sums.zip(inputs) {
            *weight += gradient * (x - mean) * inverse;
            *bias += gradient;
        }
    }
}
