//! From a picture to the numbers a network takes, for each judge as its reference does it.
//!
//! The references disagree in what they resize with, in where they crop, and in when alpha goes; each of these moves
//! scores. Results of 8 bits are those of the references to the bit.

mod bilinear;
mod clip_image_settings;
mod error;
mod geometry;
mod normalisation;
mod pillow;
mod pixels;
mod resampling;
mod several;
mod torch;

use std::borrow::Cow;

use serde::Serialize;

pub use bilinear::resize_bilinear;
pub use clip_image_settings::{ClipImageSettings, ImageBackend};
pub use error::PreprocessingError;
pub use pixels::Pixels;
pub use several::UnpreparedPicture;

use self::geometry::{Axis, Crop, Size, framed};
use self::normalisation::{CLIP, IMAGE_NET, Normalisation};
use crate::picture::Picture;

/// Most pixels along a side that a network is given.
const MOST_SIDE: usize = 4096;

/// Most pixels along a side of a picture: as many as a JPEG can have.
const LONGEST_SIDE: u32 = u16::MAX as u32;

/// What becomes of a picture; as it is, it is part of the keys of what is computed with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preprocessing {
    colours: Colours,
    region: Region,
    size: Size,
    resize: Resize,
    crop: Crop,
    normalisation: Normalisation,
}

/// When a picture becomes red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Colours {
    /// Before anything else; alpha is dropped.
    First,
    /// Before anything else, on white.
    FirstOnWhite,
    /// After resizing, which so happens in the picture's mode.
    Last,
}

/// What is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Region {
    Whole,
    MiddleSquare,
}

/// What a picture is resized with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Resize {
    /// Pillow, to 8 bits.
    Pillow,
    /// Pillow, to numbers of 32 bits.
    PillowFloats,
    /// torch, from and to numbers of 32 bits.
    Torch { antialias: bool },
    /// torch with antialiasing, to 8 bits.
    TorchBytes,
}

impl Preprocessing {
    /// Of openai/CLIP, ImageReward and the LAION aesthetics, whose predictors stand on it.
    ///
    /// Resized and cropped first, RGB last: colours with alpha are resized multiplied by it.
    pub fn open_ai_clip(side: usize) -> Self {
        Self {
            colours: Colours::Last,
            region: Region::Whole,
            size: Size::ShorterSide(side),
            resize: Resize::Pillow,
            crop: Crop::Nearest {
                height: side,
                width: side,
            },
            normalisation: Normalisation::Divided(CLIP),
        }
    }

    /// Of transformers' `CLIPImageProcessor`, which PickScore and CLIPScore of transformers' models use.
    pub fn transformers_clip(settings: ClipImageSettings) -> Self {
        let ClipImageSettings {
            size,
            crop,
            factor,
            moments,
            backend,
        } = settings;
        let is_pillow = backend == ImageBackend::Pillow;
        Self {
            colours: if is_pillow {
                Colours::First
            } else {
                Colours::FirstOnWhite
            },
            region: Region::Whole,
            size,
            resize: if is_pillow {
                Resize::Pillow
            } else {
                Resize::TorchBytes
            },
            crop: match (crop, is_pillow) {
                (None, _) => Crop::None,
                (Some([height, width]), true) => Crop::Before { height, width },
                (Some([height, width]), false) => Crop::BeforeZerosBehind { height, width },
            },
            normalisation: match is_pillow {
                true => Normalisation::Multiplied { factor, moments },
                false => Normalisation::Fused { factor, moments },
            },
        }
    }

    /// Of HPSv2 and 2.1: the longer side is resized as numbers, with zeros around it before they are normalised.
    ///
    /// Its authors' scores were made without antialiasing, which torchvision does by default since 0.17. The reference
    /// fails at alpha, which is dropped here, and at images of the right longer side that are no squares, which get their
    /// zeros here.
    pub fn hps(side: usize, antialias: bool) -> Self {
        Self {
            colours: Colours::First,
            region: Region::Whole,
            size: Size::LongerSide(side),
            resize: Resize::Torch { antialias },
            crop: Crop::None,
            normalisation: Normalisation::Divided(CLIP),
        }
    }

    /// Of BLIP, as T2I-CompBench asks it: resized to a square whatever the shape was.
    pub fn blip(side: usize) -> Self {
        Self {
            colours: Colours::First,
            region: Region::Whole,
            size: Size::Exact {
                height: side,
                width: side,
            },
            resize: Resize::Pillow,
            crop: Crop::None,
            normalisation: Normalisation::Divided(CLIP),
        }
    }

    /// Of clean-fid's mode "clean" before Inception: resized to 299 x 299 without rounding.
    pub fn clean_fid() -> Self {
        let side = 299;
        Self {
            colours: Colours::First,
            region: Region::Whole,
            size: Size::Exact {
                height: side,
                width: side,
            },
            resize: Resize::PillowFloats,
            crop: Crop::None,
            normalisation: Normalisation::Centred,
        }
    }

    /// Of dgm-eval before DINOv2: BLIP's, with the moments of ImageNet.
    pub fn dgm_eval(side: usize) -> Self {
        Self {
            normalisation: Normalisation::Divided(IMAGE_NET),
            ..Self::blip(side)
        }
    }

    /// Of CMMD: the square in the middle, then resized.
    ///
    /// The reference fails at alpha and takes the numbers of a palette for greys; here both become RGB first.
    pub fn cmmd(side: usize) -> Self {
        Self {
            region: Region::MiddleSquare,
            ..Self::blip(side)
        }
    }

    /// Makes a picture into what the network takes.
    ///
    /// # Errors
    /// For pictures that are empty, longer than any JPEG or too thin for the reference, and for networks of absurd size.
    pub fn apply(&self, picture: &Picture) -> Result<Pixels, PreprocessingError> {
        self.check(picture)?;
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        let (height, width) = match self.region {
            Region::Whole => (height, width),
            Region::MiddleSquare => (height.min(width), height.min(width)),
        };
        let [rows, columns] = self.crop.apply(self.size.axes(height, width));
        if rows.resized == 0 || columns.resized == 0 {
            return Err(PreprocessingError::TooThin {
                width: picture.width(),
                height: picture.height(),
                side: rows.length.max(columns.length),
            });
        }
        Ok(Pixels {
            height: rows.length,
            width: columns.length,
            values: self.values(picture, [&rows, &columns]),
        })
    }

    fn values(&self, picture: &Picture, axes: [&Axis; 2]) -> Vec<f32> {
        let bytes = |resized: Vec<u8>| self.normalisation.bytes(&framed::<_, 3>(resized, axes));
        let floats = |resized: Vec<f32>| self.normalisation.floats(framed::<_, 3>(resized, axes));
        match (self.resize, self.colours) {
            (Resize::Pillow, Colours::Last) => {
                bytes(pillow::resize(picture.samples(), axes).to_rgb().into_owned())
            }
            (Resize::Pillow, _) => bytes(pillow::resize_rgb(&self.colours_of(picture), axes)),
            (Resize::PillowFloats, _) => floats(pillow::resize_floats(&self.colours_of(picture), axes)),
            (Resize::Torch { antialias }, _) => {
                floats(torch::resize_floats(&self.colours_of(picture), axes, antialias))
            }
            (Resize::TorchBytes, _) => bytes(torch::resize_bytes(&self.colours_of(picture), axes)),
        }
    }

    /// Red, green and blue of what is resized.
    fn colours_of<'a>(&self, picture: &'a Picture) -> Cow<'a, [u8]> {
        let colours = match self.colours {
            Colours::FirstOnWhite => picture.rgb_on_white(),
            Colours::First | Colours::Last => picture.rgb(),
        };
        match self.region {
            Region::Whole => colours,
            Region::MiddleSquare => {
                pillow::middle_square(colours, picture.height() as usize, picture.width() as usize)
            }
        }
    }

    fn check(&self, picture: &Picture) -> Result<(), PreprocessingError> {
        let (width, height) = (picture.width(), picture.height());
        if width == 0 || height == 0 {
            return Err(PreprocessingError::Empty { width, height });
        }
        if width.max(height) > LONGEST_SIDE {
            return Err(PreprocessingError::TooLong {
                width,
                height,
                limit: LONGEST_SIDE,
            });
        }
        // A crop comes with the same side, or from settings that were checked.
        let sides = match self.size {
            Size::Unchanged => [1, 1],
            Size::ShorterSide(side) | Size::LongerSide(side) => [side, side],
            Size::Exact { height, width } => [height, width],
        };
        match sides_are_supported(&sides) {
            true => Ok(()),
            false => Err(PreprocessingError::Side {
                side: sides[0].max(sides[1]),
                limit: MOST_SIDE,
            }),
        }
    }
}

fn sides_are_supported(sides: &[usize]) -> bool {
    sides.iter().all(|side| (1..=MOST_SIDE).contains(side))
}

#[cfg(test)]
mod tests;
