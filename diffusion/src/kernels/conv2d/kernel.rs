//! Convolution on the CPU: patches of the image times the weight as a matrix.

use std::ops::Range;

use burn::tensor::Shape;
use burn_flex::FlexTensor;
use burn_flex::ops::matmul::matmul;
use rayon::prelude::*;

use super::Window;
use super::direct::{Direct, pad};
use crate::kernels::slices::{add_scaled, dims, tensor, values, vectorised};
use crate::kernels::tape::Kernel;

/// Values of patches worked on together, so that they stay in the cache.
const CHUNK_VALUES: usize = 1 << 18;
/// Places worked on together even where their patches leave the cache: each product arranges the
/// whole weight anew, which only many places repay.
const CHUNK_PLACES: usize = 768;

#[derive(Clone, Debug)]
pub(in crate::kernels) struct Convolution(pub(in crate::kernels) Window);

/// Sizes of one convolution.
#[derive(Clone, Copy)]
struct Sizes {
    images: usize,
    height: usize,
    width: usize,
    channels: usize,
    kernel: usize,
    out_height: usize,
    out_width: usize,
    window: Window,
}

impl Sizes {
    fn new(x: [usize; 4], kernel: usize, window: Window) -> Self {
        let [images, height, width, channels] = x;
        let places = |size| (size + window.before + window.after - kernel) / window.stride + 1;
        Self {
            images,
            height,
            width,
            channels,
            kernel,
            out_height: places(height),
            out_width: places(width),
            window,
        }
    }

    /// Values under the kernel at one place.
    fn patch(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    fn places(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Values of one image of the input.
    fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Lines of the output, over all images, that are worked on together.
    fn lines(&self) -> usize {
        let places = (CHUNK_VALUES / self.patch()).max(CHUNK_PLACES);
        (places / self.out_width).max(1)
    }

    /// Splits the gradient of some images into blocks of lines.
    fn blocks<'a>(&self, gradient: &'a [f32], out: usize) -> impl Iterator<Item = (Range<usize>, &'a [f32])> {
        let line = self.out_width * out;
        let lines = self.lines();
        (0..)
            .step_by(lines)
            .zip(gradient.chunks(lines * line))
            .map(move |(first, gradient)| (first..first + gradient.len() / line, gradient))
    }

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

    fn is_pointwise(&self) -> bool {
        self.kernel == 1
            && self.window
                == Window {
                    stride: 1,
                    before: 0,
                    after: 0,
                }
    }

    /// Calls `visit` with the rows of pixels under the kernel at each place of one image: the
    /// offset in the patch, the offset in the image, and how many values they share.
    #[inline(always)]
    fn overlaps(&self, row: usize, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let Self {
            kernel,
            channels,
            width,
            window,
            ..
        } = *self;
        for column in 0..self.out_width {
            let left = (column * window.stride) as isize - window.before as isize;
            let first = left.max(0) as usize;
            let end = (left + kernel as isize).clamp(0, width as isize) as usize;
            let Some(pixels) = end.checked_sub(first).filter(|&pixels| pixels > 0) else {
                continue;
            };
            let skipped = (first as isize - left) as usize;
            for line in 0..kernel {
                let y = (row * window.stride + line).wrapping_sub(window.before);
                if y < self.height {
                    let in_patch = (line * kernel + skipped) * channels;
                    let in_image = (y * width + first) * channels;
                    visit(column, in_patch, in_image, pixels * channels);
                }
            }
        }
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

/// Values of a weight, and how they lie in memory.
struct Stored<'a> {
    values: &'a [f32],
    channels_last: bool,
    channels: usize,
    kernel: usize,
}

impl<'a> Stored<'a> {
    /// `storage` is the weight's own, see [`in_storage`].
    fn of(weight: &FlexTensor, storage: &'a FlexTensor) -> Self {
        let [_, channels, kernel, _] = dims(weight);
        Self {
            values: values(storage),
            channels_last: channels_last(weight).is_contiguous(),
            channels,
            kernel,
        }
    }

    /// The weight of an output at a position of a patch `[kernel, kernel, channels]`.
    #[inline(always)]
    fn at(&self, output: usize, position: usize) -> f32 {
        let squared = self.kernel * self.kernel;
        let index = match self.channels_last {
            true => output * squared * self.channels + position,
            false => (output * self.channels + position % self.channels) * squared + position / self.channels,
        };
        self.values[index]
    }
}

/// A weight in the order of its values in memory.
fn in_storage(weight: &FlexTensor) -> FlexTensor {
    let by_out = channels_last(weight);
    match by_out.is_contiguous() {
        true => by_out,
        false => weight.clone(),
    }
}

/// Position of the weight among the inputs.
const WEIGHT: usize = 1;

/// A weight `[out, in, kernel, kernel]` seen as `[out, kernel, kernel, in]`.
fn channels_last(weight: &FlexTensor) -> FlexTensor {
    weight.permute(&[0, 2, 3, 1])
}

/// `[rows, out]`.
fn as_rows(gradient: &[f32], out: usize) -> FlexTensor {
    tensor(gradient.to_vec(), [gradient.len() / out, out])
}

/// `[kernel * kernel * in, out]` of a weight `[out, in, kernel, kernel]`, without a copy where its
/// channels lie next to each other.
fn as_matrix(weight: &FlexTensor) -> FlexTensor {
    let [out, channels, kernel, _] = dims(weight);
    let patch = kernel * kernel * channels;
    let by_out = channels_last(weight);
    if by_out.is_contiguous() {
        return by_out.reshape(Shape::from([out, patch])).transpose(0, 1);
    }
    let squared = kernel * kernel;
    let mut matrix = vec![0.0; patch * out];
    for (index, weight) in values(weight).chunks_exact(squared).enumerate() {
        let (to, from) = (index / channels, index % channels);
        for (position, weight) in weight.iter().enumerate() {
            matrix[(position * channels + from) * out + to] = *weight;
        }
    }
    tensor(matrix, [patch, out])
}

/// The weight `[out, in, kernel, kernel]` of a matrix `[kernel * kernel * in, out]`.
fn as_weight(matrix: &[f32], shape: [usize; 4]) -> FlexTensor {
    let [out, channels, kernel, _] = shape;
    let squared = kernel * kernel;
    let mut weight = vec![0.0; matrix.len()];
    for (index, weight) in weight.chunks_exact_mut(squared).enumerate() {
        let (to, from) = (index / channels, index % channels);
        for (position, weight) in weight.iter_mut().enumerate() {
            *weight = matrix[(position * channels + from) * out + to];
        }
    }
    tensor(weight, shape)
}

/// What lies under the kernel at each place of some lines, `[lines * out width, patch]`.
fn patches(x: &[f32], sizes: &Sizes, lines: Range<usize>) -> FlexTensor {
    let patch = sizes.patch();
    let rows = lines.len() * sizes.out_width;
    if sizes.is_pointwise() {
        let start = lines.start * sizes.out_width * patch;
        return tensor(x[start..][..rows * patch].to_vec(), [rows, patch]);
    }
    let mut patches = vec![0.0; rows * patch];
    let targets = patches.chunks_exact_mut(sizes.out_width * patch);
    for (line, target) in lines.zip(targets) {
        let (image, row) = (line / sizes.out_height, line % sizes.out_height);
        let source = &x[image * sizes.image()..][..sizes.image()];
        sizes.overlaps(row, |column, in_patch, in_image, length| {
            target[column * patch + in_patch..][..length].copy_from_slice(&source[in_image..][..length]);
        });
    }
    tensor(patches, [rows, patch])
}

/// Adds up the gradients of what lay under the kernel, from a line on.
fn gather_patches(target: &mut [f32], patches: &[f32], sizes: &Sizes, first: usize) {
    let patch = sizes.patch();
    if sizes.is_pointwise() {
        return target[first * sizes.out_width * patch..][..patches.len()].copy_from_slice(patches);
    }
    vectorised(
        #[inline(always)]
        || {
            for (line, source) in (first..).zip(patches.chunks_exact(sizes.out_width * patch)) {
                let (image, row) = (line / sizes.out_height, line % sizes.out_height);
                let target = &mut target[image * sizes.image()..][..sizes.image()];
                sizes.overlaps(row, |column, in_patch, in_image, length| {
                    let source = &source[column * patch + in_patch..][..length];
                    add_scaled(&mut target[in_image..][..length], 1.0, source);
                });
            }
        },
    );
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
