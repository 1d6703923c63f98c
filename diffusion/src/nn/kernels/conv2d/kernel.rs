//! Convolution on the CPU, and its derivatives.
//!
//! Convolutions are products of [windows](super::padded) and the weight, as is the gradient of the image where the
//! kernel moves by one pixel. The gradient of the weight, and that of the image for wider steps, are products with
//! [`patches`](super::patches).

use std::fmt::Debug;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::padded::Padded;
use super::patches::{gather_patches, patches};
use super::sizes::Sizes;
use super::weight::{as_matrix, as_weight, channels_last};
use super::{RectangularWindow, Window};
use crate::cpu_level::CpuLevel;
use crate::nn::kernels::column_sums::column_sums;
use crate::nn::kernels::instructions::vectorised;
use crate::nn::kernels::product::{Across, Addend, Along, Operand, Product, Starts, multiply};
use crate::nn::kernels::slices::{add_scaled, dims, tensor, values, zeros};
use crate::nn::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct Convolution<W = Window>(pub(in crate::nn::kernels) W);

/// Values of one task that cuts.
const PART: usize = 1 << 14;

/// Puts zero in the place of each value below it; what is no number stays.
pub(in crate::nn::kernels) fn cut_below_zero(values: &mut [f32]) {
    let level = CpuLevel::in_force();
    values.par_chunks_mut(PART).for_each(|values| {
        vectorised(
            level,
            #[inline(always)]
            |_| {
                for value in values {
                    *value = if *value <= 0.0 { 0.0 } else { *value };
                }
            },
        );
    });
}

/// Position of the weight among the inputs.
const WEIGHT: usize = 1;

/// What the derivatives need.
#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct Saved {
    /// For the gradient of the weight.
    x: Option<FlexTensor>,
    x_shape: [usize; 4],
    weight: FlexTensor,
    bias_shape: [usize; 2],
}

impl<W> Kernel<3> for Convolution<W>
where
    W: Into<RectangularWindow> + Copy + Debug + Send + 'static,
{
    type Saved = Saved;

    /// Takes a weight whose channels lie next to each other in memory as it is.
    fn arrange(&self, index: usize, input: FlexTensor) -> FlexTensor {
        match index == WEIGHT && channels_last(&input).is_contiguous() {
            true => input,
            false => input.to_contiguous(),
        }
    }

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let [out, _, height, width] = dims(&weight);
        let kernel = [height, width];
        let RectangularWindow {
            stride,
            rows,
            columns,
        } = self.0.into();
        let sizes = Sizes::new(dims(&x), kernel, self.0.into());
        let padded = Padded::new(
            values(&x),
            [sizes.height, sizes.width, sizes.channels],
            rows,
            columns,
        );
        let places = [sizes.out_height, sizes.out_width];
        let matrix = as_matrix(&weight);
        let [images, _] = dims(&bias);
        let product = Product {
            addend: Some(Addend {
                values: values(&bias),
                rows: sizes.places(),
                count: images,
            }),
            ..Product::new(
                Operand::Along(padded.windows(places, kernel, stride)),
                Operand::Along(Along::every(values(&matrix), sizes.patch())),
                [sizes.rows(), sizes.patch(), out],
            )
        };
        let mut output = zeros(sizes.rows() * out);
        multiply(CpuLevel::in_force(), &product, &mut output);
        let shape = [sizes.images, sizes.out_height, sizes.out_width, out];
        let saved = Saved {
            x_shape: dims(&x),
            bias_shape: dims(&bias),
            x: Some(x),
            weight,
        };
        (tensor(output, shape), saved)
    }

    fn keep(&self, saved: Saved, wanted: [bool; 3]) -> Saved {
        Saved {
            x: saved.x.filter(|_| wanted[WEIGHT]),
            ..saved
        }
    }

    fn backward(&self, saved: Saved, gradient: FlexTensor, wanted: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let weight = &saved.weight;
        let [out, _, height, width] = dims(weight);
        let convolution = Derivative {
            level: CpuLevel::in_force(),
            sizes: Sizes::new(saved.x_shape, [height, width], self.0.into()),
            out,
            gradient: values(&gradient),
        };
        let of_image = || {
            let matrix = as_matrix(weight);
            let of_image = convolution
                .spread(values(&matrix))
                .unwrap_or_else(|| convolution.scatter(values(&matrix)));
            tensor(of_image, saved.x_shape)
        };
        let of_weight = |x: &FlexTensor| as_weight(convolution.of_weight(values(x)), dims(weight));
        [
            wanted[0].then(of_image),
            saved.x.as_ref().map(of_weight),
            wanted[2].then(|| convolution.of_bias(saved.bias_shape)),
        ]
    }
}

/// What the derivatives of one convolution share.
struct Derivative<'a> {
    level: CpuLevel,
    sizes: Sizes,
    /// Channels of the output.
    out: usize,
    /// Of the output.
    gradient: &'a [f32],
}

impl Derivative<'_> {
    /// The gradient of the image where it is itself a convolution, of the output's gradient with the kernel turned
    /// around: every kernel that moves by one pixel and does not reach further out than it is wide.
    fn spread(&self, weight: &[f32]) -> Option<Vec<f32>> {
        let Self { sizes, out, .. } = *self;
        let [height, width] = sizes.kernel;
        let margins = |kernel: usize, [before, after]: [usize; 2]| {
            Some([
                (kernel - 1).checked_sub(before)?,
                (kernel - 1).checked_sub(after)?,
            ])
        };
        let RectangularWindow {
            stride,
            rows,
            columns,
        } = sizes.window;
        let (Some(rows), Some(columns), 1) = (margins(height, rows), margins(width, columns), stride) else {
            return None;
        };
        let padded = Padded::new(
            self.gradient,
            [sizes.out_height, sizes.out_width, out],
            rows,
            columns,
        );
        let area = height * width;
        let turned = Across {
            values: weight,
            starts: Starts::Turned {
                outputs: out,
                area,
                channels: sizes.channels,
            },
        };
        let places = [sizes.height, sizes.width];
        let pixels = sizes.images * sizes.height * sizes.width;
        let product = Product::new(
            Operand::Along(padded.windows(places, sizes.kernel, 1)),
            Operand::Across(turned),
            [pixels, area * out, sizes.channels],
        );
        let mut of_image = vec![0.0; pixels * sizes.channels];
        multiply(self.level, &product, &mut of_image);
        Some(of_image)
    }

    /// The gradient of the image, from that of each patch.
    fn scatter(&self, weight: &[f32]) -> Vec<f32> {
        let Self { sizes, out, .. } = *self;
        let images = (sizes.lines() / sizes.out_height).max(1);
        let mut of_image = vec![0.0; sizes.images * sizes.image()];
        of_image
            .par_chunks_mut(images * sizes.image())
            .zip(self.gradient.par_chunks(images * sizes.places() * out))
            .for_each(|(target, gradient)| {
                for (lines, gradient) in sizes.blocks(gradient, out) {
                    let rows = gradient.len() / out;
                    let product = Product::new(
                        Operand::Along(Along::every(gradient, out)),
                        Operand::Across(Across::every(weight, sizes.patch())),
                        [rows, out, sizes.patch()],
                    );
                    let mut patches = vec![0.0; rows * sizes.patch()];
                    multiply(self.level, &product, &mut patches);
                    vectorised(
                        self.level,
                        #[inline(always)]
                        |_| gather_patches(target, &patches, &sizes, lines.start),
                    );
                }
            });
        of_image
    }

    /// The gradient of the weight, `[out, height * width * in]`.
    fn of_weight(&self, x: &[f32]) -> Vec<f32> {
        let Self { sizes, out, .. } = *self;
        let mut of_weight = vec![0.0; out * sizes.patch()];
        for (lines, gradient) in sizes.blocks(self.gradient, out) {
            let rows = gradient.len() / out;
            let patches = patches(x, &sizes, lines);
            let product = Product {
                accumulate: true,
                ..Product::new(
                    Operand::Across(Across::every(gradient, out)),
                    Operand::Across(Across::every(&patches, sizes.patch())),
                    [out, rows, sizes.patch()],
                )
            };
            multiply(self.level, &product, &mut of_weight);
        }
        of_weight
    }

    /// The gradient of the bias, per image or over all of them as the bias is.
    fn of_bias(&self, [images, out]: [usize; 2]) -> FlexTensor {
        let mut sums = vec![0.0; images * out];
        let gradients = self.gradient.chunks_exact(self.sizes.places() * out);
        for (index, gradient) in gradients.enumerate() {
            let of_image = column_sums(self.level, gradient, out);
            add_scaled(&mut sums[index % images * out..][..out], 1.0, &of_image);
        }
        tensor(sums, [images, out])
    }
}
