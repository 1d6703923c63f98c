//! Published architectures of judges, and networks of them with random weights.
//!
//! What a judge says depends on its weights, how fast and in how much memory only on its architecture. So both can be
//! measured at full size without gigabytes from elsewhere.

mod published;
mod random_judge;

use std::fmt;
use std::str::FromStr;

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::nn::weights::WeightsError;

pub use random_judge::RandomJudge;

use crate::blip::BlipError;
use crate::clip::ClipError;
use crate::dino::{DinoError, DinoSettings};
use crate::preprocessing::Preprocessing;

/// An architecture that a judge can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgeArchitecture {
    /// CLIP ViT-B/32, that of most CLIPScores.
    ClipB32,
    /// CLIP ViT-L/14, below the aesthetic predictors.
    ClipL14,
    /// CLIP ViT-L/14 at 336 pixels, that of CMMD.
    ClipL14At336,
    /// CLIP ViT-H/14, that of PickScore and HPSv2.
    ClipH14,
    /// CLIP ViT-bigG/14.
    ClipBigG14,
    /// BLIP base for questions, at the 480 pixels of T2I-CompBench.
    BlipVqaBase,
    /// ImageReward, on BLIP large.
    ImageReward,
    /// DINOv2 ViT-L/14, that of FD-DINO.
    DinoV2L,
    /// Inception v3, that of FID.
    Inception,
}

/// A name that is no architecture of a judge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Architecture `{found}` is unknown, expected one of {}", names())]
pub struct UnknownJudgeArchitecture {
    /// The name.
    pub found: String,
}

/// A network that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RandomJudgeError {
    /// A CLIP cannot be made.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// A BLIP cannot be made.
    #[error(transparent)]
    Blip(#[from] BlipError),
    /// A DINOv2 cannot be made.
    #[error(transparent)]
    Dino(#[from] DinoError),
    /// Weights do not fit their network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl JudgeArchitecture {
    /// Every architecture.
    pub const ALL: [Self; 9] = [
        Self::ClipB32,
        Self::ClipL14,
        Self::ClipL14At336,
        Self::ClipH14,
        Self::ClipBigG14,
        Self::BlipVqaBase,
        Self::ImageReward,
        Self::DinoV2L,
        Self::Inception,
    ];

    /// The name that options take.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClipB32 => "clip-b-32",
            Self::ClipL14 => "clip-l-14",
            Self::ClipL14At336 => "clip-l-14-336",
            Self::ClipH14 => "clip-h-14",
            Self::ClipBigG14 => "clip-big-g-14",
            Self::BlipVqaBase => "blip-vqa-base",
            Self::ImageReward => "image-reward",
            Self::DinoV2L => "dinov2-l",
            Self::Inception => "inception",
        }
    }

    /// Side of the images that the network sees, in pixels.
    pub fn side(self) -> usize {
        match self {
            Self::ClipB32 | Self::ClipL14 | Self::ClipH14 | Self::ClipBigG14 | Self::ImageReward => 224,
            Self::ClipL14At336 => 336,
            Self::BlipVqaBase => 480,
            Self::DinoV2L => DinoSettings::default().side,
            Self::Inception => 299,
        }
    }

    /// What becomes of a picture before the network sees it.
    pub fn preprocessing(self) -> Preprocessing {
        match self {
            Self::BlipVqaBase => Preprocessing::blip(self.side()),
            Self::DinoV2L => Preprocessing::dgm_eval(self.side()),
            Self::Inception => Preprocessing::clean_fid(),
            _ => Preprocessing::open_ai_clip(self.side()),
        }
    }

    /// Makes the network with weights that follow from a seed, on a device.
    ///
    /// # Errors
    /// None but a fault of this program.
    pub fn network(
        self,
        seed: u64,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<RandomJudge, RandomJudgeError> {
        RandomJudge::new(self, seed, device, dtype)
    }
}

fn names() -> String {
    let names = JudgeArchitecture::ALL.map(|architecture| format!("`{}`", architecture.name()));
    names.join(", ")
}

impl fmt::Display for JudgeArchitecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for JudgeArchitecture {
    type Err = UnknownJudgeArchitecture;

    fn from_str(name: &str) -> Result<Self, UnknownJudgeArchitecture> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| UnknownJudgeArchitecture {
            found: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;
    use mitune_diffusion::image::RgbImage;

    #[test]
    fn names_are_read_back() {
        for architecture in JudgeArchitecture::ALL {
            assert_eq!(architecture.name().parse::<JudgeArchitecture>(), Ok(architecture));
        }
        let error = "clip".parse::<JudgeArchitecture>().unwrap_err().to_string();
        assert!(error.contains("`clip-b-32`"), "{error}");
    }

    #[test]
    fn pictures_are_prepared_as_the_network_sees_them() {
        let image = RgbImage::new(40, 30, vec![7; 40 * 30 * 3]).unwrap();
        for architecture in JudgeArchitecture::ALL {
            let pixels = architecture
                .preprocessing()
                .apply(&Picture::from_rgb(&image))
                .unwrap();
            assert_eq!(
                [pixels.height, pixels.width],
                [architecture.side(); 2],
                "{architecture}"
            );
        }
    }
}
