//! What can be wrong with the settings of the stage, or with all of its rows.

use burn::tensor::TensorReadError;

use crate::ingest::images::error::ImageProblem;

/// A setting that no run can use.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeSettingError {
    #[error("Setting `size` is {0} where `resize` is `none`, which keeps the size; leave one of them out")]
    SizeWithoutResize(u32),
    #[error("Setting `size` is {found}, expected a positive multiple of {step}")]
    Step { found: usize, step: usize },
    #[error("The model does not say for which size it was trained; set `size`")]
    Unknown,
}

/// Rows that cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("{count} pairs have no winner; leave them out with `ties: drop`")]
    Ties { count: u64 },
    #[error(
        "{count} images cannot be used: {}; repair them, or leave their rows out with `broken: skip`",
        named.join("; ")
    )]
    Broken { count: u64, named: Vec<String> },
    #[error("No row of {files} counts: {counts}")]
    NoRows { files: String, counts: String },
    #[error("{image} cannot be used: {problem}")]
    Unusable { image: String, problem: ImageProblem },
    #[error("The autoencoder gives no numbers for {image}")]
    NotFinite { image: String },
    #[error("The latent of {image} cannot be read from the device")]
    Unreadable { image: String, source: TensorReadError },
    #[error(
        "The images of {place} have latents of the shapes {winner:?} and {loser:?}, and a pair needs one; set `resize`"
    )]
    Shapes {
        place: String,
        winner: [usize; 3],
        loser: [usize; 3],
    },
    #[error("The store holds fewer latents than were encoded")]
    Lost,
}
