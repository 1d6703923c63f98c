//! Why a distance cannot be said.

use burn::tensor::TensorReadError;

use super::resampling::ResamplingError;

/// A failure to compare sets of images.
#[derive(Debug, thiserror::Error)]
pub enum SetDistanceError {
    /// A set has too few images for what is asked of it.
    #[error(
        "The set has {found} {}, but {purpose} needs at least {needed}",
        if *found == 1 { "image" } else { "images" }
    )]
    TooFew {
        /// Images of the set.
        found: usize,
        /// Images it takes.
        needed: usize,
        /// What for, with its article.
        purpose: &'static str,
    },
    /// Features of different networks meet.
    #[error("Features have {found} numbers where {expected} are expected; both sets take one network")]
    Width {
        /// Numbers of each other row.
        expected: usize,
        /// Numbers of this one.
        found: usize,
    },
    /// A row holds what is no number.
    #[error("The features of image {image} hold NaN or infinite numbers")]
    NotFinite {
        /// Which image of the set, from 0.
        image: usize,
    },
    /// A row has no direction.
    #[error("The features of image {image} are all 0, so that they have no direction")]
    Zero {
        /// Which image of the set, from 0.
        image: usize,
    },
    /// A product of matrices was not given back.
    #[error("Cannot read a product of matrices")]
    Unreadable {
        /// The device's reason.
        source: TensorReadError,
    },
    /// Singular values did not settle, which a matrix of finite numbers has not been seen to cause.
    #[error("The singular values of a {rows} x {columns} matrix did not settle")]
    NotSettled {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// Whoever watched it did not want it to go on.
    #[error("The computation was stopped")]
    Stopped,
    /// The settings of an interval make none.
    #[error(transparent)]
    Resampling(#[from] ResamplingError),
}
