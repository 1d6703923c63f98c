//! The blocks, named in their fields as torchvision names them.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use mitune_diffusion::nn::kernels::{PoolWindow, Pooling, join_channels, pool2d};

use super::convolution::BasicConv2d;

/// Kernels in a row and in a column that together stand for a square one.
const ROW: [usize; 2] = [1, 7];
const COLUMN: [usize; 2] = [7, 1];

/// 35 x 35 places: kernels of 1, 5, 3 and 3, and a pool.
#[derive(Module, Debug)]
pub(super) struct InceptionA {
    branch1x1: BasicConv2d,
    branch5x5_1: BasicConv2d,
    branch5x5_2: BasicConv2d,
    branch3x3dbl_1: BasicConv2d,
    branch3x3dbl_2: BasicConv2d,
    branch3x3dbl_3: BasicConv2d,
    branch_pool: BasicConv2d,
}

impl InceptionA {
    pub(super) fn new(input: usize, pool: usize, device: &Device) -> Self {
        Self {
            branch1x1: BasicConv2d::pointwise([input, 64], device),
            branch5x5_1: BasicConv2d::pointwise([input, 48], device),
            branch5x5_2: BasicConv2d::same([48, 64], [5, 5], device),
            branch3x3dbl_1: BasicConv2d::pointwise([input, 64], device),
            branch3x3dbl_2: BasicConv2d::same([64, 96], [3, 3], device),
            branch3x3dbl_3: BasicConv2d::same([96, 96], [3, 3], device),
            branch_pool: BasicConv2d::pointwise([input, pool], device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let once = self.branch1x1.forward(x.clone());
        let wide = through(x.clone(), [&self.branch5x5_1, &self.branch5x5_2]);
        let double = through(
            x.clone(),
            [&self.branch3x3dbl_1, &self.branch3x3dbl_2, &self.branch3x3dbl_3],
        );
        let pooled = self.branch_pool.forward(around(x, Pooling::Mean));
        join_channels(vec![once, wide, double, pooled])
    }
}

/// From 35 x 35 places to 17 x 17.
#[derive(Module, Debug)]
pub(super) struct InceptionB {
    branch3x3: BasicConv2d,
    branch3x3dbl_1: BasicConv2d,
    branch3x3dbl_2: BasicConv2d,
    branch3x3dbl_3: BasicConv2d,
}

impl InceptionB {
    pub(super) fn new(input: usize, device: &Device) -> Self {
        Self {
            branch3x3: BasicConv2d::valid([input, 384], 3, 2, device),
            branch3x3dbl_1: BasicConv2d::pointwise([input, 64], device),
            branch3x3dbl_2: BasicConv2d::same([64, 96], [3, 3], device),
            branch3x3dbl_3: BasicConv2d::valid([96, 96], 3, 2, device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let once = self.branch3x3.forward(x.clone());
        let double = through(
            x.clone(),
            [&self.branch3x3dbl_1, &self.branch3x3dbl_2, &self.branch3x3dbl_3],
        );
        join_channels(vec![once, double, halved(x)])
    }
}

/// 17 x 17 places: kernels of 7 in rows and columns.
#[derive(Module, Debug)]
pub(super) struct InceptionC {
    branch1x1: BasicConv2d,
    branch7x7_1: BasicConv2d,
    branch7x7_2: BasicConv2d,
    branch7x7_3: BasicConv2d,
    branch7x7dbl_1: BasicConv2d,
    branch7x7dbl_2: BasicConv2d,
    branch7x7dbl_3: BasicConv2d,
    branch7x7dbl_4: BasicConv2d,
    branch7x7dbl_5: BasicConv2d,
    branch_pool: BasicConv2d,
}

impl InceptionC {
    pub(super) fn new(input: usize, inner: usize, device: &Device) -> Self {
        Self {
            branch1x1: BasicConv2d::pointwise([input, 192], device),
            branch7x7_1: BasicConv2d::pointwise([input, inner], device),
            branch7x7_2: BasicConv2d::same([inner, inner], ROW, device),
            branch7x7_3: BasicConv2d::same([inner, 192], COLUMN, device),
            branch7x7dbl_1: BasicConv2d::pointwise([input, inner], device),
            branch7x7dbl_2: BasicConv2d::same([inner, inner], COLUMN, device),
            branch7x7dbl_3: BasicConv2d::same([inner, inner], ROW, device),
            branch7x7dbl_4: BasicConv2d::same([inner, inner], COLUMN, device),
            branch7x7dbl_5: BasicConv2d::same([inner, 192], ROW, device),
            branch_pool: BasicConv2d::pointwise([input, 192], device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let once = self.branch1x1.forward(x.clone());
        let wide = through(
            x.clone(),
            [&self.branch7x7_1, &self.branch7x7_2, &self.branch7x7_3],
        );
        let double = through(
            x.clone(),
            [
                &self.branch7x7dbl_1,
                &self.branch7x7dbl_2,
                &self.branch7x7dbl_3,
                &self.branch7x7dbl_4,
                &self.branch7x7dbl_5,
            ],
        );
        let pooled = self.branch_pool.forward(around(x, Pooling::Mean));
        join_channels(vec![once, wide, double, pooled])
    }
}

/// From 17 x 17 places to 8 x 8.
#[derive(Module, Debug)]
pub(super) struct InceptionD {
    branch3x3_1: BasicConv2d,
    branch3x3_2: BasicConv2d,
    branch7x7x3_1: BasicConv2d,
    branch7x7x3_2: BasicConv2d,
    branch7x7x3_3: BasicConv2d,
    branch7x7x3_4: BasicConv2d,
}

impl InceptionD {
    pub(super) fn new(input: usize, device: &Device) -> Self {
        Self {
            branch3x3_1: BasicConv2d::pointwise([input, 192], device),
            branch3x3_2: BasicConv2d::valid([192, 320], 3, 2, device),
            branch7x7x3_1: BasicConv2d::pointwise([input, 192], device),
            branch7x7x3_2: BasicConv2d::same([192, 192], ROW, device),
            branch7x7x3_3: BasicConv2d::same([192, 192], COLUMN, device),
            branch7x7x3_4: BasicConv2d::valid([192, 192], 3, 2, device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let narrow = through(x.clone(), [&self.branch3x3_1, &self.branch3x3_2]);
        let wide = through(
            x.clone(),
            [
                &self.branch7x7x3_1,
                &self.branch7x7x3_2,
                &self.branch7x7x3_3,
                &self.branch7x7x3_4,
            ],
        );
        join_channels(vec![narrow, wide, halved(x)])
    }
}

/// 8 x 8 places: rows and columns of 3 side by side.
#[derive(Module, Debug)]
pub(super) struct InceptionE {
    branch1x1: BasicConv2d,
    branch3x3_1: BasicConv2d,
    branch3x3_2a: BasicConv2d,
    branch3x3_2b: BasicConv2d,
    branch3x3dbl_1: BasicConv2d,
    branch3x3dbl_2: BasicConv2d,
    branch3x3dbl_3a: BasicConv2d,
    branch3x3dbl_3b: BasicConv2d,
    branch_pool: BasicConv2d,
}

impl InceptionE {
    pub(super) fn new(input: usize, device: &Device) -> Self {
        let row = || BasicConv2d::same([384, 384], [1, 3], device);
        let column = || BasicConv2d::same([384, 384], [3, 1], device);
        Self {
            branch1x1: BasicConv2d::pointwise([input, 320], device),
            branch3x3_1: BasicConv2d::pointwise([input, 384], device),
            branch3x3_2a: row(),
            branch3x3_2b: column(),
            branch3x3dbl_1: BasicConv2d::pointwise([input, 448], device),
            branch3x3dbl_2: BasicConv2d::same([448, 384], [3, 3], device),
            branch3x3dbl_3a: row(),
            branch3x3dbl_3b: column(),
            branch_pool: BasicConv2d::pointwise([input, 192], device),
        }
    }

    /// The first of the two blocks of this kind pools means, the second maxima.
    pub(super) fn forward(&self, x: Tensor<4>, pooling: Pooling) -> Tensor<4> {
        let once = self.branch1x1.forward(x.clone());
        let single = self.branch3x3_1.forward(x.clone());
        let double = through(x.clone(), [&self.branch3x3dbl_1, &self.branch3x3dbl_2]);
        let pooled = self.branch_pool.forward(around(x, pooling));
        join_channels(vec![
            once,
            self.branch3x3_2a.forward(single.clone()),
            self.branch3x3_2b.forward(single),
            self.branch3x3dbl_3a.forward(double.clone()),
            self.branch3x3dbl_3b.forward(double),
            pooled,
        ])
    }
}

/// The largest of 3 x 3 pixels at every second place.
pub(super) fn halved(x: Tensor<4>) -> Tensor<4> {
    let window = PoolWindow {
        size: 3,
        stride: 2,
        padding: 0,
    };
    pool2d(x, Pooling::Maximum, window)
}

/// The 3 x 3 pixels around each, at the edge fewer.
fn around(x: Tensor<4>, pooling: Pooling) -> Tensor<4> {
    let window = PoolWindow {
        size: 3,
        stride: 1,
        padding: 1,
    };
    pool2d(x, pooling, window)
}

fn through<const N: usize>(x: Tensor<4>, layers: [&BasicConv2d; N]) -> Tensor<4> {
    layers.into_iter().fold(x, |x, layer| layer.forward(x))
}
