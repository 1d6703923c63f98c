//! Images read by their places.

use std::fs::File;
use std::path::{Path, PathBuf};

use mitune_bounded_file::{open_regular, read};

use super::error::{ImageProblem, ImagesError};
use super::parquet_images::ParquetImages;
use super::place::ImagePlace;
use super::zip_archive::{ZipEntry, read_entry};
use crate::ingest::prompts::pairs::MOST_IMAGE_BYTES;

/// Reads images of a source, quickly where they are asked for in the order of their rows.
pub(crate) struct ImageReader<'a> {
    files: &'a [PathBuf],
    parquet: Option<ParquetImages>,
    archive: Option<(usize, File)>,
}

impl<'a> ImageReader<'a> {
    /// Reads from these tables and archives of a source.
    pub(crate) fn new(files: &'a [PathBuf]) -> Self {
        Self {
            files,
            parquet: None,
            archive: None,
        }
    }

    /// Reads the bytes of an image, or says why there are none.
    ///
    /// # Errors
    /// A table or archive that cannot be read at all.
    pub(crate) fn read(&mut self, place: &ImagePlace) -> Result<Result<Vec<u8>, ImageProblem>, ImagesError> {
        match place {
            ImagePlace::File(path) => Ok(read(path, MOST_IMAGE_BYTES).map_err(ImageProblem::from)),
            ImagePlace::Parquet { file, row, column } => self.of_row(*file, *row, column),
            ImagePlace::Zip { file, entry } => self.of_entry(*file, entry),
            ImagePlace::Shapes(image) => Ok(image.png().map_err(ImageProblem::from)),
            ImagePlace::Nowhere => Ok(Err(ImageProblem::Absent)),
        }
    }

    fn of_row(
        &mut self,
        file: usize,
        row: u64,
        column: &str,
    ) -> Result<Result<Vec<u8>, ImageProblem>, ImagesError> {
        let near = self
            .parquet
            .take()
            .filter(|parquet| parquet.file == file && parquet.is_near(row));
        let opened = match near {
            Some(parquet) => parquet,
            None => ParquetImages::open(file, self.path(file), row)?,
        };
        let bytes = self.parquet.insert(opened).image(row, column)?;
        Ok(bytes.ok_or(ImageProblem::Absent))
    }

    fn of_entry(
        &mut self,
        file: usize,
        entry: &ZipEntry,
    ) -> Result<Result<Vec<u8>, ImageProblem>, ImagesError> {
        let opened = match self.archive.take().filter(|(number, _)| *number == file) {
            Some((_, opened)) => opened,
            None => open_regular(self.path(file))?.0,
        };
        let (_, opened) = self.archive.insert((file, opened));
        Ok(read_entry(opened, entry, MOST_IMAGE_BYTES).map_err(ImageProblem::from))
    }

    fn path(&self, file: usize) -> &'a Path {
        // Places have the numbers of the files they were found in.
        self.files.get(file).map_or(Path::new(""), PathBuf::as_path)
    }
}
