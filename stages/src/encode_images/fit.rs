//! How an image gets the size that is encoded: what it is resized to, which part is kept, and whether it is mirrored.

use std::ops::Range;

use mitune_diffusion::model::ModelDirectory;
use mitune_store::Value;

use super::choice::{CropPlace, Flip, Resize};
use super::config::EncodeImagesConfig;
use super::error::EncodeSettingError;
use crate::contract::{StageError, setting_limits};
use crate::draws::Draws;
use crate::ingest::images::error::ImageProblem;
use crate::models::latent_shape::side_step;

/// The sizes of a stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    resize: Resize,
    crop: CropPlace,
    flip: Flip,
    seed: u64,
    /// Pixels of a side; of the model's own where images keep their size, which then says nothing.
    side: usize,
    /// Of what the sides of images must be multiples.
    step: usize,
}

/// What becomes of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// Rows and columns it is resized to.
    pub(super) resized: [usize; 2],
    /// Which of them are kept.
    pub(super) kept: [Range<usize>; 2],
    /// Whether left and right change places then.
    pub(super) flipped: bool,
}

impl Fit {
    /// Takes the size from the settings or else from the model.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the model cannot halve it as often as it has to.
    pub(super) fn new(
        config: &EncodeImagesConfig,
        seed: u64,
        directory: &ModelDirectory,
    ) -> Result<Self, StageError> {
        let denoiser = directory.denoiser_shape();
        let step = side_step(&denoiser, directory.vae_config());
        let own = denoiser
            .sample_size
            .map(|side| side * directory.vae_config().downscale());
        let side = match (config.resize, config.size, own) {
            (Resize::None, _, _) => step,
            (_, Some(size), _) => size as usize,
            (_, None, Some(own)) => own,
            (_, None, None) => return Err(StageError::configuration(EncodeSettingError::Unknown)),
        };
        let found = side;
        match side > 0 && side.is_multiple_of(step) && side <= setting_limits::LARGEST_SIDE as usize {
            true => Ok(Self {
                resize: config.resize,
                crop: config.crop,
                flip: config.flip,
                seed,
                side,
                step,
            }),
            false => Err(StageError::configuration(EncodeSettingError::Step {
                found,
                step,
            })),
        }
    }

    /// What the latents of images depend on here, for the key of their family.
    pub(super) fn keyed(&self) -> Result<Value, StageError> {
        Ok(Value::map([
            ("resize", Value::from_serialize(&self.resize)?),
            ("crop", Value::from_serialize(&self.crop)?),
            ("flip", Value::from_serialize(&self.flip)?),
            ("side", Value::from(self.side as u64)),
            ("step", Value::from(self.step as u64)),
        ]))
    }

    /// Whether anything is drawn.
    pub(super) fn draws(&self) -> bool {
        self.crop == CropPlace::Random || self.flip == Flip::Random
    }

    /// Places an image of this digest and of this height and width.
    ///
    /// # Errors
    /// [`ImageProblem::TooSmall`] if it keeps its size and nothing is left of it.
    pub(super) fn place(
        &self,
        image: &blake3::Hash,
        [height, width]: [u32; 2],
    ) -> Result<Placement, ImageProblem> {
        let sides = [height as usize, width as usize];
        let step = self.step;
        if sides.contains(&0) || (self.resize == Resize::None && sides.iter().any(|side| *side < step)) {
            return Err(ImageProblem::TooSmall {
                width,
                height,
                least: if self.resize == Resize::None { step } else { 1 },
            });
        }
        let (resized, lengths) = match self.resize {
            Resize::ShorterSide => (shorter_side(sides, self.side), [self.side; 2]),
            Resize::Exact => ([self.side; 2], [self.side; 2]),
            Resize::None => (sides, sides.map(|side| side / step * step)),
        };
        let mut draws = Draws::new("crop of an image", self.seed, index_of(image));
        let [rows, columns] = [0, 1].map(|axis| {
            let surplus = resized[axis] - lengths[axis];
            let first = match self.crop {
                CropPlace::Center => middle(surplus),
                CropPlace::Random => draws.below(u32::try_from(surplus + 1).unwrap_or(u32::MAX)) as usize,
            };
            first..first + lengths[axis]
        });
        Ok(Placement {
            resized,
            kept: [rows, columns],
            flipped: self.flips(image),
        })
    }

    /// Whether an image is mirrored.
    pub(super) fn flips(&self, image: &blake3::Hash) -> bool {
        self.flip == Flip::Random && Draws::new("flip of an image", self.seed, index_of(image)).chance(0.5)
    }
}

/// Height and width where the shorter one becomes `side` and the other keeps the proportion, cut off as torchvision does.
fn shorter_side([height, width]: [usize; 2], side: usize) -> [usize; 2] {
    let longer = |short: usize, long: usize| ((side * long) as f64 / short as f64) as usize;
    match width <= height {
        true => [longer(width, height), side],
        false => [side, longer(height, width)],
    }
}

/// Where the middle begins, to the nearest even pixel of two as Python's `round` does.
fn middle(surplus: usize) -> usize {
    let half = surplus / 2;
    half + (surplus % 2) * (half % 2)
}

/// The first digits of a digest, which name the draws of an image.
fn index_of(image: &blake3::Hash) -> u64 {
    image
        .as_bytes()
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(resize: Resize, crop: CropPlace, flip: Flip) -> Fit {
        Fit {
            resize,
            crop,
            flip,
            seed: 3,
            side: 32,
            step: 16,
        }
    }

    fn placed(fit: &Fit, number: u32, size: [u32; 2]) -> Placement {
        fit.place(&blake3::hash(&number.to_le_bytes()), size).unwrap()
    }

    #[test]
    fn the_middle_is_that_of_torchvision() {
        let fit = fit(Resize::ShorterSide, CropPlace::Center, Flip::None);
        let placement = placed(&fit, 0, [30, 40]);
        assert_eq!(placement.resized, [32, 42]);
        assert_eq!(placement.kept, [0..32, 5..37]);
        assert!(!placement.flipped);
        assert_eq!([0, 1, 2, 3, 5, 7].map(middle), [0, 0, 1, 2, 2, 4]);
        assert_eq!(placed(&fit, 0, [1000, 10]).resized, [3200, 32]);
    }

    #[test]
    fn shapes_are_dropped_or_kept() {
        let exact = fit(Resize::Exact, CropPlace::Center, Flip::None);
        assert_eq!(placed(&exact, 0, [10, 90]).resized, [32, 32]);
        let kept = fit(Resize::None, CropPlace::Center, Flip::None);
        let placement = placed(&kept, 0, [35, 64]);
        assert_eq!((placement.resized, placement.kept), ([35, 64], [2..34, 0..64]));
        let problem = kept.place(&blake3::hash(b""), [64, 15]).unwrap_err().to_string();
        assert_eq!(
            problem,
            "it has 15 x 64 pixels, expected at least 16 along each side"
        );
    }

    #[test]
    fn what_is_drawn_depends_on_the_image_alone() {
        let fit = fit(Resize::ShorterSide, CropPlace::Random, Flip::Random);
        let placements: Vec<Placement> = (0..200).map(|number| placed(&fit, number, [32, 40])).collect();
        assert_eq!(placements[7], placed(&fit, 7, [32, 40]));
        let flipped = placements.iter().filter(|placement| placement.flipped).count();
        assert!((60..140).contains(&flipped), "{flipped}");
        for first in 0..=8 {
            let starts = placements
                .iter()
                .any(|placement| placement.kept[1].start == first);
            assert!(starts, "{first}");
        }
        assert!(placements.iter().all(|placement| placement.kept[1].len() == 32));
    }
}
