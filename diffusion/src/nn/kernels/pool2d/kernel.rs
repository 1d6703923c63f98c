//! Pooling on the CPU, and its derivatives.

use std::ops::Range;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{PoolWindow, Pooling};
use crate::cpu_level::CpuLevel;
use crate::nn::kernels::instructions::vectorised;
use crate::nn::kernels::slices::{add_scaled, dims, tensor, values, zeros};
use crate::nn::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct Pool {
    pub(in crate::nn::kernels) pooling: Pooling,
    pub(in crate::nn::kernels) window: PoolWindow,
}

impl Kernel<1> for Pool {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let level = CpuLevel::in_force();
        let [images, height, width, channels] = dims(&x);
        let [out_height, out_width] = [height, width].map(|side| self.window.places(side));
        let mut output = zeros(images * out_height * out_width * channels);
        let pixels = values(&x);
        let image = height * width * channels;
        output
            .par_chunks_mut((out_width * channels).max(1))
            .enumerate()
            .for_each(|(line, output)| {
                let source = &pixels[line / out_height * image..][..image];
                let rows = self.window.covered(line % out_height, height);
                vectorised(
                    level,
                    #[inline(always)]
                    |_| {
                        for (column, target) in output.chunks_exact_mut(channels).enumerate() {
                            let place = Place {
                                rows: rows.clone(),
                                columns: self.window.covered(column, width),
                                width,
                            };
                            match self.pooling {
                                Pooling::Maximum => place.maximum(source, target),
                                Pooling::Mean => place.mean(source, target),
                            }
                        }
                    },
                );
            });
        (tensor(output, [images, out_height, out_width, channels]), x)
    }

    fn backward(&self, x: FlexTensor, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let [images, height, width, channels] = dims(&x);
        let [_, out_height, out_width, _]: [usize; 4] = dims(&gradient);
        let mut of_image = vec![0.0; images * height * width * channels];
        of_image
            .par_chunks_mut((height * width * channels).max(1))
            .zip(values(&x).par_chunks((height * width * channels).max(1)))
            .zip(values(&gradient).par_chunks((out_height * out_width * channels).max(1)))
            .for_each(|((target, source), gradient)| {
                for (index, gradient) in gradient.chunks_exact(channels).enumerate() {
                    let place = Place {
                        rows: self.window.covered(index / out_width, height),
                        columns: self.window.covered(index % out_width, width),
                        width,
                    };
                    match self.pooling {
                        Pooling::Maximum => place.give_to_largest(source, target, gradient),
                        Pooling::Mean => place.give_to_all(target, gradient),
                    }
                }
            });
        [Some(tensor(of_image, [images, height, width, channels]))]
    }
}

/// The pixels under one window of an image.
struct Place {
    rows: Range<usize>,
    columns: Range<usize>,
    /// Of the image.
    width: usize,
}

impl Place {
    /// Where the values of each row lie, of pixels of so many channels.
    fn runs(&self, channels: usize) -> impl Iterator<Item = Range<usize>> {
        let (columns, width) = (self.columns.clone(), self.width);
        self.rows
            .clone()
            .map(move |row| (row * width + columns.start) * channels..(row * width + columns.end) * channels)
    }

    #[inline(always)]
    fn maximum(&self, source: &[f32], target: &mut [f32]) {
        target.fill(f32::NEG_INFINITY);
        for run in self.runs(target.len()) {
            for pixel in source[run].chunks_exact(target.len()) {
                for (target, value) in target.iter_mut().zip(pixel) {
                    *target = if *value > *target { *value } else { *target };
                }
            }
        }
    }

    #[inline(always)]
    fn mean(&self, source: &[f32], target: &mut [f32]) {
        target.fill(0.0);
        for run in self.runs(target.len()) {
            for pixel in source[run].chunks_exact(target.len()) {
                add_scaled(target, 1.0, pixel);
            }
        }
        let count = self.count();
        for target in target {
            *target /= count;
        }
    }

    fn count(&self) -> f32 {
        (self.rows.len() * self.columns.len()) as f32
    }

    fn give_to_all(&self, target: &mut [f32], gradient: &[f32]) {
        let share = self.count().recip();
        for run in self.runs(gradient.len()) {
            for pixel in target[run].chunks_exact_mut(gradient.len()) {
                add_scaled(pixel, share, gradient);
            }
        }
    }

    /// The first of equal pixels takes it, as in PyTorch.
    fn give_to_largest(&self, source: &[f32], target: &mut [f32], gradient: &[f32]) {
        let channels = gradient.len();
        for (channel, gradient) in gradient.iter().enumerate() {
            let places = self.runs(channels).flat_map(|run| run.step_by(channels));
            let larger = |best: usize, place: usize| match source[place] > source[best] {
                true => place,
                false => best,
            };
            if let Some(best) = places.map(|start| start + channel).reduce(larger) {
                target[best] += gradient;
            }
        }
    }
}
