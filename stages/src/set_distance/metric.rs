//! What is measured of sets of images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::judge::image_sets::SetJudge;

/// What is measured of a set of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetMetric {
    /// The Frechet distance of Inception's features to a reference, in clean-fid's mode "clean".
    Fid,
    /// The Frechet distance of DINOv2's class tokens to a reference.
    FdDino,
    /// The maximum mean discrepancy of CLIP's embeddings to a reference.
    Cmmd,
    /// How much the images of a prompt differ, by CLIP's embeddings: mean pairwise cosine distance and Vendi score.
    DiversityClip,
    /// How much the images of a prompt differ, by DINOv2's class tokens.
    DiversityDino,
}

impl SetMetric {
    /// Whether it is a distance to a reference.
    pub fn is_distance(self) -> bool {
        matches!(self, Self::Fid | Self::FdDino | Self::Cmmd)
    }

    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fid => "fid",
            Self::FdDino => "fd_dino",
            Self::Cmmd => "cmmd",
            Self::DiversityClip => "diversity_clip",
            Self::DiversityDino => "diversity_dino",
        }
    }

    /// The distance whose network makes the features.
    pub(super) fn judge(self) -> SetJudge {
        match self {
            Self::Fid => SetJudge::Fid,
            Self::FdDino | Self::DiversityDino => SetJudge::FdDino,
            Self::Cmmd | Self::DiversityClip => SetJudge::Cmmd,
        }
    }

    /// What keys of features call the network.
    pub(super) fn network(self) -> &'static str {
        match self.judge() {
            SetJudge::Fid => "inception",
            SetJudge::FdDino => "dinov2",
            SetJudge::Cmmd => "clip",
        }
    }
}
