//! Where an image lies.

use std::path::PathBuf;

use super::shapes_images::ShapesImage;
use super::zip_archive::ZipEntry;

/// Where an image lies, so that it can be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImagePlace {
    /// In a file of its own.
    File(PathBuf),
    /// In a row of Parquet.
    Parquet {
        /// The file of the source, from 0.
        file: usize,
        /// The row, from 1.
        row: u64,
        /// The column.
        column: &'static str,
    },
    /// In an archive.
    Zip {
        /// The file of the source, from 0.
        file: usize,
        /// Where it begins, and how it is packed.
        entry: ZipEntry,
    },
    /// In no file: it is rendered.
    Shapes(ShapesImage),
    /// Nowhere: the row names an image that is not there.
    Nowhere,
}
