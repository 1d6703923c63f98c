//! Pictures that nothing can be made of.

/// A picture that cannot be brought into the form that a network needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreprocessingError {
    /// It has no pixels.
    #[error("It has {width} x {height} pixels, expected at least one")]
    Empty {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Weights and lines between would take more memory than the picture.
    #[error("It has {width} x {height} pixels, more than {limit} along a side; cut it into parts")]
    TooLong {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Most pixels along a side.
        limit: u32,
    },
    /// Its shorter side is less than half a pixel once its longer side fits.
    #[error(
        "It has {width} x {height} pixels, of which nothing is left along its shorter side when the longer one is \
         brought to {side}; the reference fails too; crop it"
    )]
    TooThin {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Pixels of the longer side.
        side: usize,
    },
    /// The network's own side is no size of an image.
    #[error("Images of {side} pixels along a side are asked for, expected 1 to {limit}")]
    Side {
        /// Pixels along a side.
        side: usize,
        /// Most that are supported.
        limit: usize,
    },
}
