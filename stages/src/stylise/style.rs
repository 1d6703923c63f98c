//! The styles and their settings.

use mitune_diffusion::image::RgbImage;
use mitune_judges::stylisation::{BlurAndSnow, COLOURS, EdgeSketch, Flake, PaletteStyle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draws::Draws;

/// What images become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Dark lines where brightness changes, on white.
    EdgeSketch(EdgeSketchSettings),
    /// Brightness in steps, and few colours.
    Palette(PaletteSettings),
    /// Soft outlines, haze, and snow before them.
    BlurAndSnow(BlurAndSnowSettings),
}

/// A pencil sketch: Sobel's gradient of the luma, inverted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeSketchSettings {
    /// Length of the gradient, from 0 to about 1140, up to which paper stays white. By default, 32.
    pub threshold: f64,
    /// Length of the gradient from which a line is black. By default, 256.
    pub saturation: f64,
}

/// A painting of few colours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PaletteSettings {
    /// The colours, each as red, green and blue from 0 to 255. By default, ten: night blues, warm yellows and earth.
    pub colours: Vec<[u8; 3]>,
    /// Steps that each channel is rounded to before the nearest colour is taken. By default, 8.
    pub levels: u16,
}

/// A winter's day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlurAndSnowSettings {
    /// Pixels to each side that a blur takes the mean of. By default, 1.
    pub radius: u16,
    /// Blurs one after the other. By default, 2.
    pub passes: u16,
    /// Share of white in the haze. By default, 0.25.
    pub haze: f64,
    /// Flakes to 10,000 pixels. By default, 25.
    pub flakes: f64,
    /// Radius of the largest flakes in pixels; the smallest have a quarter of it. By default, 2.
    pub largest_flake: f64,
    /// Seed of the places of flakes, which are others in each image. By default, 0.
    pub seed: u64,
}

/// A style that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum StyleError {
    #[error(
        "Setting `saturation` is {saturation}, expected more than `threshold`, which is {threshold}: lines grow dark \
         from one to the other"
    )]
    Saturation { threshold: f64, saturation: f64 },
    #[error("Setting `colours` is empty, expected at least one colour")]
    NoColours,
}

impl Default for EdgeSketchSettings {
    fn default() -> Self {
        Self {
            threshold: 32.0,
            saturation: 256.0,
        }
    }
}

impl Default for PaletteSettings {
    fn default() -> Self {
        Self {
            colours: COLOURS.to_vec(),
            levels: 8,
        }
    }
}

impl Default for BlurAndSnowSettings {
    fn default() -> Self {
        Self {
            radius: 1,
            passes: 2,
            haze: 0.25,
            flakes: 25.0,
            largest_flake: 2.0,
            seed: 0,
        }
    }
}

impl Style {
    /// The name in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EdgeSketch(_) => "edge_sketch",
            Self::Palette(_) => "palette",
            Self::BlurAndSnow(_) => "blur_and_snow",
        }
    }

    pub(super) fn check(&self) -> Result<(), StyleError> {
        match self {
            // Also false where one of them is no number.
            Self::EdgeSketch(settings) if settings.saturation > settings.threshold => Ok(()),
            Self::EdgeSketch(settings) => Err(StyleError::Saturation {
                threshold: settings.threshold,
                saturation: settings.saturation,
            }),
            Self::Palette(settings) if settings.colours.is_empty() => Err(StyleError::NoColours),
            Self::Palette(_) | Self::BlurAndSnow(_) => Ok(()),
        }
    }

    /// Styles an image: the same pixels always become the same.
    pub(super) fn apply(&self, image: &RgbImage) -> RgbImage {
        match self {
            Self::EdgeSketch(settings) => EdgeSketch {
                threshold: settings.threshold,
                saturation: settings.saturation,
            }
            .apply(image),
            Self::Palette(settings) => PaletteStyle {
                colours: settings.colours.clone(),
                levels: settings.levels,
            }
            .apply(image),
            Self::BlurAndSnow(settings) => BlurAndSnow {
                radius: usize::from(settings.radius),
                passes: usize::from(settings.passes),
                haze: settings.haze,
                flakes: settings.drawn_flakes(image),
            }
            .apply(image),
        }
    }
}

impl BlurAndSnowSettings {
    /// Flakes that are drawn for the pixels of an image, wherever it comes from.
    fn drawn_flakes(&self, image: &RgbImage) -> Vec<Flake> {
        let digest = blake3::hash(image.pixels());
        let mut index = [0; 8];
        index.copy_from_slice(&digest.as_bytes()[..8]);
        let mut draws = Draws::new("snow", self.seed, u64::from_le_bytes(index));
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        let count = (self.flakes * width * height / 10_000.0).round() as usize;
        let mut flake = || Flake {
            x: draws.unit() * width,
            y: draws.unit() * height,
            radius: self.largest_flake * (0.25 + 0.75 * draws.unit()),
            opacity: 0.5 + 0.5 * draws.unit(),
        };
        (0..count).map(|_| flake()).collect()
    }
}
