//! Two-dimensional convolution of images in `[batch, height, width, channels]` order.

use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;

/// Where a convolution's kernel is placed on the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Pixels from one place to the next, both ways.
    pub stride: usize,
    /// Zeros before the first row and before the first column.
    pub before: usize,
    /// Zeros after the last row and after the last column.
    pub after: usize,
}

/// Convolves `x` and adds a bias per image and channel.
///
/// # Shapes
/// - x: `[batch, height, width, in]`
/// - weight: `[out, in, kernel, kernel]`
/// - bias: `[batch, out]` or `[1, out]`
/// - output: `[batch, (height + before + after - kernel) / stride + 1, .., out]`
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<2>, window: Window) -> Tensor<4> {
    #[cfg(feature = "kernels")]
    if kernel::fits(&x, &weight, window) {
        let inputs = [
            x.clone().into_dispatch(),
            weight.clone().into_dispatch(),
            bias.clone().into_dispatch(),
        ];
        if let Some(output) = super::tape::apply(kernel::Convolution(window), inputs) {
            return output;
        }
    }
    composed(x, weight, bias, window)
}

fn composed(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<2>, window: Window) -> Tensor<4> {
    let Window {
        stride,
        before,
        after,
    } = window;
    let sides = [(before, after), (before, after)];
    let options = ConvOptions::<2>::new_with_padding([stride, stride], sides, [1, 1], 1);
    let x = x.permute([0, 3, 1, 2]);
    let [images, out] = bias.dims();
    if images == 1 {
        let output = burn::tensor::module::conv2d(x, weight, Some(bias.reshape([out])), options);
        return output.permute([0, 2, 3, 1]);
    }
    let output = burn::tensor::module::conv2d(x, weight, None, options);
    output.permute([0, 2, 3, 1]) + bias.reshape([images, 1, 1, out])
}

#[cfg(feature = "kernels")]
mod kernel {
    use burn::tensor::Tensor;
    use burn_flex::FlexTensor;
    use burn_flex::ops::matmul::matmul;
    use rayon::prelude::*;

    use super::super::slices::{add_scaled, dims, tensor, values, vectorised};
    use super::super::tape::Kernel;
    use super::Window;

    /// Most values that are laid out at once; 64 MiB.
    const MOST_VALUES: usize = 1 << 24;

    /// Whether all patches may be in memory at once; beyond that tiles are better.
    pub(super) fn fits(x: &Tensor<4>, weight: &Tensor<4>, window: Window) -> bool {
        let sizes = Sizes::new(x.dims(), weight.dims()[2], window);
        sizes.is_pointwise() || sizes.images * sizes.places() * sizes.patch() <= MOST_VALUES
    }

    #[derive(Clone, Debug)]
    pub(super) struct Convolution(pub(super) Window);

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
            let mut output = matmul(patches(&x, &sizes), as_matrix(&weight));
            add_bias(output.storage_mut(), &bias, sizes.places());
            let shape = [sizes.images, sizes.out_height, sizes.out_width, out];
            (output.reshape(shape.into()), [x, weight, bias])
        }

        fn backward(
            &self,
            [x, weight, bias]: Self::Saved,
            gradient: FlexTensor,
            wanted: [bool; 3],
        ) -> [Option<FlexTensor>; 3] {
            let [out, _, kernel, _] = dims(&weight);
            let sizes = Sizes::new(dims(&x), kernel, self.0);
            let rows = sizes.images * sizes.places();
            let flat = gradient.reshape([rows, out].into());
            let x_gradient = || {
                let patches = matmul(flat.clone(), as_matrix(&weight).transpose(0, 1));
                gather_patches(patches, &sizes)
            };
            let weight_gradient = || {
                let product = matmul(patches(&x, &sizes).transpose(0, 1), flat.clone());
                product
                    .reshape([kernel, kernel, sizes.channels, out].into())
                    .permute(&[3, 2, 0, 1])
                    .to_contiguous()
            };
            let bias_gradient = || sum_places(values(&flat), dims(&bias), sizes.places());
            [
                wanted[0].then(x_gradient),
                wanted[1].then(weight_gradient),
                wanted[2].then(bias_gradient),
            ]
        }
    }

    /// `[kernel * kernel * in, out]`.
    fn as_matrix(weight: &FlexTensor) -> FlexTensor {
        let [out, channels, kernel, _] = dims(weight);
        if kernel == 1 {
            return weight.reshape([out, channels].into()).transpose(0, 1);
        }
        weight
            .permute(&[2, 3, 1, 0])
            .reshape([kernel * kernel * channels, out].into())
    }

    /// What lies under the kernel at each place, `[images * places, patch]`.
    fn patches(x: &FlexTensor, sizes: &Sizes) -> FlexTensor {
        let rows = sizes.images * sizes.places();
        if sizes.is_pointwise() {
            return x.reshape([rows, sizes.channels].into());
        }
        let patch = sizes.patch();
        let mut patches = vec![0.0; rows * patch];
        let image = sizes.height * sizes.width * sizes.channels;
        patches
            .par_chunks_mut(sizes.out_width * patch)
            .zip((0..sizes.images * sizes.out_height).into_par_iter())
            .for_each(|(target, index)| {
                let (number, row) = (index / sizes.out_height, index % sizes.out_height);
                let source = &values(x)[number * image..][..image];
                sizes.overlaps(row, |column, in_patch, in_image, length| {
                    target[column * patch + in_patch..][..length]
                        .copy_from_slice(&source[in_image..][..length]);
                });
            });
        tensor(patches, [rows, patch])
    }

    /// Adds up the gradients of what lay under the kernel, `[images, height, width, in]`.
    fn gather_patches(patches: FlexTensor, sizes: &Sizes) -> FlexTensor {
        let shape = [sizes.images, sizes.height, sizes.width, sizes.channels];
        if sizes.is_pointwise() {
            return patches.reshape(shape.into());
        }
        let patch = sizes.patch();
        let image = sizes.height * sizes.width * sizes.channels;
        let mut gathered = vec![0.0; sizes.images * image];
        gathered
            .par_chunks_mut(image)
            .zip(values(&patches).par_chunks(sizes.places() * patch))
            .for_each(|(target, source)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (row, source) in source.chunks(sizes.out_width * patch).enumerate() {
                            sizes.overlaps(row, |column, in_patch, in_image, length| {
                                let source = &source[column * patch + in_patch..][..length];
                                add_scaled(&mut target[in_image..][..length], 1.0, source);
                            });
                        }
                    },
                );
            });
        tensor(gathered, shape)
    }

    fn add_bias(output: &mut [f32], bias: &FlexTensor, places: usize) {
        let [_, out] = dims(bias);
        let bias = values(bias);
        output
            .par_chunks_mut(places * out)
            .enumerate()
            .for_each(|(image, output)| {
                let bias = &bias[(image * out) % bias.len()..][..out];
                vectorised(
                    #[inline(always)]
                    || {
                        output
                            .chunks_exact_mut(out)
                            .for_each(|row| add_scaled(row, 1.0, bias))
                    },
                );
            });
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
}
