//! Convolution on the CPU, and its derivatives.
//!
//! Convolutions go by [`direct`](super::direct), as does the gradient of the image where the kernel moves by one pixel.
//! The gradient of the weight, and that of the image for wider steps, are products with [`patches`](super::patches).

use burn_flex::FlexTensor;
use burn_flex::ops::matmul::matmul;
use rayon::prelude::*;

use super::Window;
use super::direct::{Direct, pad};
use super::patches::{Sizes, gather_patches, patches};
use super::weight::{Stored, as_matrix, as_weight, channels_last, in_storage};
use crate::kernels::slices::{add_scaled, dims, tensor, values};
use crate::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::kernels) struct Convolution(pub(in crate::kernels) Window);

impl Sizes {
    /// The convolution of an image that has its margins.
    fn direct(&self, out: usize) -> Direct {
        let Window {
            stride,
            before,
            after,
        } = self.window;
        Direct {
            images: self.images,
            padded: [self.height + before + after, self.width + before + after],
            channels: self.channels,
            kernel: self.kernel,
            stride,
            places: [self.out_height, self.out_width],
            out,
        }
    }

    /// The gradient of the image where it is itself a convolution, of the output's gradient with the kernel turned
    /// around: every kernel that moves by one pixel and does not reach further out than it is wide.
    fn spread(&self, weight: &FlexTensor, gradient: &[f32]) -> Option<Vec<f32>> {
        let Window {
            stride,
            before,
            after,
        } = self.window;
        let margins = [before, after].map(|side| (self.kernel - 1).checked_sub(side));
        let ([Some(top), Some(bottom)], 1, false) = (margins, stride, self.is_pointwise()) else {
            return None;
        };
        let [out, ..] = dims::<4>(weight);
        let padded = pad(gradient, [self.out_height, self.out_width, out], [top, bottom]);
        let direct = Direct {
            images: self.images,
            padded: [self.out_height + top + bottom, self.out_width + top + bottom],
            channels: out,
            kernel: self.kernel,
            stride: 1,
            places: [self.height, self.width],
            out: self.channels,
        };
        let storage = in_storage(weight);
        let stored = Stored::of(weight, &storage);
        let squared = self.kernel * self.kernel;
        let turned = |channel: usize, position: usize| {
            let (place, output) = (position / out, position % out);
            stored.at(output, (squared - 1 - place) * self.channels + channel)
        };
        Some(direct.convolve(&padded, turned, |_| None))
    }
}

impl Kernel<3> for Convolution {
    type Saved = [FlexTensor; 3];

    /// Takes a weight whose channels lie next to each other in memory as it is.
    fn arrange(&self, index: usize, input: FlexTensor) -> FlexTensor {
        match index == WEIGHT && channels_last(&input).is_contiguous() {
            true => input,
            false => input.to_contiguous(),
        }
    }

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let [out, _, kernel, _] = dims(&weight);
        let sizes = Sizes::new(dims(&x), kernel, self.0);
        let output = match sizes.is_pointwise() {
            true => pointwise(values(&x), as_matrix(&weight), &bias, &sizes),
            false => {
                let Window { before, after, .. } = self.0;
                let image = [sizes.height, sizes.width, sizes.channels];
                let padded = pad(values(&x), image, [before, after]);
                let storage = in_storage(&weight);
                let stored = Stored::of(&weight, &storage);
                let weight = |output, position| stored.at(output, position);
                let bias = |image| Some(bias_of(&bias, image));
                sizes.direct(out).convolve(&padded, weight, bias)
            }
        };
        let shape = [sizes.images, sizes.out_height, sizes.out_width, out];
        (tensor(output, shape), [x, weight, bias])
    }

    fn backward(
        &self,
        [x, weight, bias]: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [out, _, kernel, _] = dims(&weight);
        let sizes = Sizes::new(dims(&x), kernel, self.0);
        let images = (sizes.lines() / sizes.out_height).max(1);
        let (image, gradients) = (images * sizes.image(), images * sizes.places() * out);
        let x_gradient = || {
            if let Some(gradient) = sizes.spread(&weight, values(&gradient)) {
                return tensor(gradient, dims::<4>(&x));
            }
            let matrix = as_matrix(&weight).transpose(0, 1);
            let mut x_gradient = vec![0.0; sizes.images * sizes.image()];
            x_gradient
                .par_chunks_mut(image)
                .zip(values(&gradient).par_chunks(gradients))
                .for_each(|(target, gradient)| {
                    for (lines, gradient) in sizes.blocks(gradient, out) {
                        let product = matmul(as_rows(gradient, out), matrix.clone());
                        gather_patches(target, values(&product), &sizes, lines.start);
                    }
                });
            tensor(x_gradient, dims::<4>(&x))
        };
        let weight_gradient = || {
            let products: Vec<Vec<f32>> = values(&x)
                .par_chunks(image)
                .zip(values(&gradient).par_chunks(gradients))
                .map(|(x, gradient)| {
                    let mut sum = vec![0.0; sizes.patch() * out];
                    for (lines, gradient) in sizes.blocks(gradient, out) {
                        let patches = patches(x, &sizes, lines).transpose(0, 1);
                        add_scaled(&mut sum, 1.0, values(&matmul(patches, as_rows(gradient, out))));
                    }
                    sum
                })
                .collect();
            let mut total = vec![0.0; sizes.patch() * out];
            for product in &products {
                add_scaled(&mut total, 1.0, product);
            }
            as_weight(&total, dims(&weight))
        };
        let bias_gradient = || sum_places(values(&gradient), dims(&bias), sizes.places());
        [
            wanted[0].then(x_gradient),
            wanted[1].then(weight_gradient),
            wanted[2].then(bias_gradient),
        ]
    }
}

/// Convolution with a kernel of one pixel: a product of matrices.
fn pointwise(x: &[f32], matrix: FlexTensor, bias: &FlexTensor, sizes: &Sizes) -> Vec<f32> {
    let [_, out] = dims(&matrix);
    let mut output = vec![0.0; sizes.images * sizes.places() * out];
    output
        .par_chunks_mut(sizes.lines() * sizes.out_width * out)
        .enumerate()
        .for_each(|(chunk, output)| {
            let first = chunk * sizes.lines();
            let lines = output.len() / (sizes.out_width * out);
            let product = matmul(patches(x, sizes, first..first + lines), matrix.clone());
            let products = values(&product).chunks_exact(sizes.out_width * out);
            let outputs = output.chunks_exact_mut(sizes.out_width * out);
            for (line, (output, product)) in (first..).zip(outputs.zip(products)) {
                add_bias(output, product, bias_of(bias, line / sizes.out_height));
            }
        });
    output
}

/// Position of the weight among the inputs.
const WEIGHT: usize = 1;

/// `[rows, out]`.
fn as_rows(gradient: &[f32], out: usize) -> FlexTensor {
    tensor(gradient.to_vec(), [gradient.len() / out, out])
}

/// The bias of one image.
fn bias_of(bias: &FlexTensor, image: usize) -> &[f32] {
    let [images, out] = dims(bias);
    &values(bias)[image % images * out..][..out]
}

fn add_bias(output: &mut [f32], product: &[f32], bias: &[f32]) {
    let rows = output
        .chunks_exact_mut(bias.len())
        .zip(product.chunks_exact(bias.len()));
    for (output, product) in rows {
        for ((output, product), bias) in output.iter_mut().zip(product).zip(bias) {
            *output = product + bias;
        }
    }
}

/// Gradient of the bias, per image or over all of them as the bias is.
fn sum_places(gradient: &[f32], [images, out]: [usize; 2], places: usize) -> FlexTensor {
    let mut sums = vec![0.0; images * out];
    for (index, row) in gradient.chunks_exact(out).enumerate() {
        let image = (index / places) % images;
        add_scaled(&mut sums[image * out..][..out], 1.0, row);
    }
    tensor(sums, [images, out])
}
