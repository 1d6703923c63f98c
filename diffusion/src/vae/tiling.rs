//! Large images piece by piece, as diffusers' `enable_tiling` and `enable_slicing`.
//!
//! An autoencoder's memory grows with the image, and at its finest level a single activation of a
//! 2048 x 2048 image takes 2 GiB. Tiles that overlap by a quarter are computed alone and blended. The
//! result is not that of the whole image: each tile has its own norms and its own attention.

use burn::tensor::{DType, Tensor, TensorData};

/// How much memory encoding and decoding may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pieces {
    /// When an image is cut into tiles.
    pub tiling: Tiling,
    /// Whether the images of a batch are computed one after the other.
    pub slicing: Slicing,
}

/// When an image is cut into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiling {
    /// Never; the default of diffusers.
    Never,
    /// Where a side is longer than a tile; diffusers after `enable_tiling`.
    Always,
    /// As [`Always`](Self::Always) for images of more than [`LARGE`] pixels.
    Large,
}

/// When the images of a batch are computed one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slicing {
    /// Never; the default of diffusers.
    Never,
    /// Always; diffusers after `enable_slicing`.
    Always,
    /// For batches of more than [`LARGE`] pixels.
    Large,
}

/// Pixels from which memory counts more than equality with diffusers' defaults: two images of
/// 1024 x 1024, whose decoding takes about 6 GiB in f32.
pub const LARGE: usize = 1 << 21;

impl Pieces {
    /// Everything at once, whatever it takes; the default of diffusers.
    pub const WHOLE: Self = Self {
        tiling: Tiling::Never,
        slicing: Slicing::Never,
    };
    /// Large images in tiles, and large batches image by image.
    pub const LARGE: Self = Self {
        tiling: Tiling::Large,
        slicing: Slicing::Large,
    };

    pub(super) fn slices(self, [batch, pixels]: [usize; 2]) -> bool {
        batch > 1
            && match self.slicing {
                Slicing::Never => false,
                Slicing::Always => true,
                Slicing::Large => batch * pixels > LARGE,
            }
    }

    pub(super) fn tiles(self, pixels: usize) -> bool {
        match self.tiling {
            Tiling::Never => false,
            Tiling::Always => true,
            Tiling::Large => pixels > LARGE,
        }
    }
}

/// Sides of tiles on the way in and on the way out, in the units of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tiles {
    pub(super) input: usize,
    pub(super) output: usize,
}

impl Tiles {
    /// Share of a tile that the next one covers too.
    const OVERLAP: f64 = 0.25;

    /// Whether an image of this height and width is more than one tile.
    pub(super) fn cut(self, sides: [usize; 2]) -> bool {
        sides.iter().any(|side| *side > self.input)
    }

    /// Applies `network` to each tile and puts the blended tiles together.
    ///
    /// Each tile fades in over the last rows of the tile above and the last columns of the tile to
    /// the left, both already blended themselves.
    ///
    /// # Shapes
    /// - x: `[batch, channels, height, width]`
    pub(super) fn apply(self, x: &Tensor<4>, network: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
        let step = ((self.input as f64 * (1.0 - Self::OVERLAP)) as usize).max(1);
        let blend = (self.output as f64 * Self::OVERLAP) as usize;
        let kept = self.output - blend;
        let [_, _, height, width] = x.dims();
        let mut above: Vec<Tensor<4>> = Vec::new();
        let mut rows = Vec::new();
        for top in (0..height).step_by(step) {
            let mut row: Vec<Tensor<4>> = Vec::new();
            for (column, left) in (0..width).step_by(step).enumerate() {
                let tile = x.clone().narrow(2, top, self.input.min(height - top)).narrow(
                    3,
                    left,
                    self.input.min(width - left),
                );
                let mut tile = network(tile);
                if let Some(above) = above.get(column) {
                    tile = faded(above, tile, blend, 2);
                }
                if let Some(left) = row.last() {
                    tile = faded(left, tile, blend, 3);
                }
                row.push(tile);
            }
            let cropped = row.iter().map(|tile| {
                let [_, _, height, width] = tile.dims();
                tile.clone()
                    .narrow(2, 0, kept.min(height))
                    .narrow(3, 0, kept.min(width))
            });
            rows.push(Tensor::cat(cropped.collect(), 3));
            above = row;
        }
        Tensor::cat(rows, 2)
    }
}

/// Lets `tile` fade in over the end of `before` along an axis.
fn faded(before: &Tensor<4>, tile: Tensor<4>, blend: usize, axis: usize) -> Tensor<4> {
    let (earlier, length) = (before.dims()[axis], tile.dims()[axis]);
    let blend = blend.min(earlier).min(length);
    if blend == 0 {
        return tile;
    }
    let mut shape = [1; 4];
    shape[axis] = blend;
    let weights = (0..blend).map(|place| place as f32 / blend as f32).collect();
    let weights = Tensor::<4>::from_data(TensorData::new(weights, shape), (&tile.device(), DType::F32))
        .cast(tile.dtype());
    let end = before.clone().narrow(axis, earlier - blend, blend);
    let begin = tile.clone().narrow(axis, 0, blend);
    let mixed = end * (weights.clone() * -1.0 + 1.0) + begin * weights;
    match length - blend {
        0 => mixed,
        rest => Tensor::cat(vec![mixed, tile.narrow(axis, blend, rest)], axis),
    }
}
