//! What can be wrong with pairs.

use std::path::PathBuf;

use mitune_diffusion::forward_scores::ForwardScoreError;
use mitune_diffusion::image::ImageError;

/// Why pairs could not be scored.
#[derive(Debug, thiserror::Error)]
pub(super) enum GivenPairsError {
    #[error("There are no pairs in `{}`", path.display())]
    Empty { path: PathBuf },
    #[error("The scores would overwrite the pairs in `{}`", path.display())]
    SameFile { path: PathBuf },
    #[error("Cannot write `{}`: it is a folder", path.display())]
    Folder { path: PathBuf },
    #[error("{image} cannot be read")]
    Undecodable { image: String, source: ImageError },
    #[error(
        "{image} has {width} x {height} pixels, expected a width and a height that are multiples of {step}{trained}"
    )]
    Size {
        image: String,
        width: u32,
        height: u32,
        step: usize,
        trained: String,
    },
    #[error("{image} could not be scored")]
    Score {
        image: String,
        source: ForwardScoreError,
    },
}
