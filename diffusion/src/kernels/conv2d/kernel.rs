//! Convolution on the CPU: patches of the image times the weight as a matrix.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use burn_flex::ops::matmul::matmul;
use rayon::prelude::*;

use super::Window;
use crate::kernels::slices::{add_scaled, dims, tensor, values, vectorised};
use crate::kernels::tape::Kernel;

/// Most values of patches laid out for one image; beyond 64 MiB tiles are better.
const MOST_VALUES: usize = 1 << 24;
/// Values of patches worked on together, so that they stay in the cache.
const CHUNK_VALUES: usize = 1 << 18;

/// Whether the patches of an image may be in memory at once.
pub(in crate::kernels) fn fits(x: &Tensor<4>, weight: &Tensor<4>, window: Window) -> bool {
    let sizes = Sizes::new(x.dims(), weight.dims()[2], window);
    sizes.places() * sizes.patch() <= MOST_VALUES
}

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

    /// Images worked on together.
    fn chunk(&self) -> usize {
        (CHUNK_VALUES / (self.places() * self.patch())).max(1)
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

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let [out, _, kernel, _] = dims(&weight);
        let sizes = Sizes::new(dims(&x), kernel, self.0);
        let matrix = as_matrix(&weight);
        let mut output = vec![0.0; sizes.images * sizes.places() * out];
        output
            .par_chunks_mut(sizes.chunk() * sizes.places() * out)
            .zip(values(&x).par_chunks(sizes.chunk() * sizes.image()))
            .enumerate()
            .for_each(|(chunk, (output, x))| {
                let product = matmul(patches(x, &sizes), matrix.clone());
                let images = output.chunks_exact_mut(sizes.places() * out);
                let products = values(&product).chunks_exact(sizes.places() * out);
                for (image, (output, product)) in images.zip(products).enumerate() {
                    let index = chunk * sizes.chunk() + image;
                    add_bias(output, product, bias_of(&bias, index));
                }
            });
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
        let matrix = as_matrix(&weight).transpose(0, 1);
        let size = sizes.image();
        let mut x_gradient = vec![0.0; if wanted[0] { sizes.images * size } else { 0 }];
        if wanted[0] {
            x_gradient
                .par_chunks_mut(sizes.chunk() * size)
                .zip(values(&gradient).par_chunks(sizes.chunk() * sizes.places() * out))
                .for_each(|(target, gradient)| {
                    let product = matmul(as_rows(gradient, out), matrix.clone());
                    gather_patches(target, values(&product), &sizes);
                });
        }
        let weight_gradient = || {
            let products: Vec<FlexTensor> = values(&x)
                .par_chunks(sizes.chunk() * size)
                .zip(values(&gradient).par_chunks(sizes.chunk() * sizes.places() * out))
                .map(|(x, gradient)| matmul(patches(x, &sizes).transpose(0, 1), as_rows(gradient, out)))
                .collect();
            let mut total = vec![0.0; sizes.patch() * out];
            for product in &products {
                add_scaled(&mut total, 1.0, values(product));
            }
            as_weight(&total, dims(&weight))
        };
        let bias_gradient = || sum_places(values(&gradient), dims(&bias), sizes.places());
        [
            wanted[0].then(|| tensor(x_gradient, dims::<4>(&x))),
            wanted[1].then(weight_gradient),
            wanted[2].then(bias_gradient),
        ]
    }
}

/// `[rows, out]`.
fn as_rows(gradient: &[f32], out: usize) -> FlexTensor {
    tensor(gradient.to_vec(), [gradient.len() / out, out])
}

/// `[kernel * kernel * in, out]` of a weight `[out, in, kernel, kernel]`.
fn as_matrix(weight: &FlexTensor) -> FlexTensor {
    let [out, channels, kernel, _] = dims(weight);
    let squared = kernel * kernel;
    let mut matrix = vec![0.0; squared * channels * out];
    for (index, weight) in values(weight).chunks_exact(squared).enumerate() {
        let (to, from) = (index / channels, index % channels);
        for (position, weight) in weight.iter().enumerate() {
            matrix[(position * channels + from) * out + to] = *weight;
        }
    }
    tensor(matrix, [squared * channels, out])
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

/// What lies under the kernel at each place of some images, `[images * places, patch]`.
fn patches(x: &[f32], sizes: &Sizes) -> FlexTensor {
    if sizes.is_pointwise() {
        return tensor(x.to_vec(), [x.len() / sizes.channels, sizes.channels]);
    }
    let patch = sizes.patch();
    let rows = x.len() / sizes.image() * sizes.places();
    let mut patches = vec![0.0; rows * patch];
    let lines = patches.chunks_exact_mut(sizes.out_width * patch);
    for (index, target) in lines.enumerate() {
        let (image, row) = (index / sizes.out_height, index % sizes.out_height);
        let source = &x[image * sizes.image()..][..sizes.image()];
        sizes.overlaps(row, |column, in_patch, in_image, length| {
            target[column * patch + in_patch..][..length].copy_from_slice(&source[in_image..][..length]);
        });
    }
    tensor(patches, [rows, patch])
}

/// Adds up the gradients of what lay under the kernel.
fn gather_patches(target: &mut [f32], patches: &[f32], sizes: &Sizes) {
    if sizes.is_pointwise() {
        return target.copy_from_slice(patches);
    }
    let patch = sizes.patch();
    vectorised(
        #[inline(always)]
        || {
            for (index, source) in patches.chunks_exact(sizes.out_width * patch).enumerate() {
                let (image, row) = (index / sizes.out_height, index % sizes.out_height);
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
