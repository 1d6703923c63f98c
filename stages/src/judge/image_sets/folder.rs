//! The images of a folder.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mitune_bounded_file::{BoundedFileError, open_regular, read_open};
use mitune_diffusion::image::ImageError;
use mitune_judges::picture::Picture;
use rayon::prelude::*;

use crate::contract::{FileIdentity, StageError};

/// A folder whose images are known by their names.
pub(crate) struct ImageFolder {
    path: PathBuf,
    /// The names of the images, in their order.
    images: Vec<OsString>,
    /// The names of everything else.
    others: Vec<OsString>,
}

/// Why a folder cannot be compared.
#[derive(Debug, thiserror::Error)]
enum ImageFolderError {
    #[error("Folder `{}` cannot be listed", path.display())]
    List { path: PathBuf, source: std::io::Error },
    #[error("There are no images in `{}`, expected PNG, JPEG or WebP files", path.display())]
    Empty { path: PathBuf },
    #[error("Image `{}` cannot be read", path.display())]
    Unreadable { path: PathBuf, source: BoundedFileError },
    #[error("Image `{}` cannot be read", path.display())]
    Undecodable { path: PathBuf, source: ImageError },
}

/// Most bytes of an encoded image; one of a hundred million pixels seldom has as many.
const MOST_BYTES: u64 = 512 << 20;

/// Ends of names of files that should be images, whatever they hold.
const ENDS: [&str; 4] = [".png", ".jpg", ".jpeg", ".webp"];

/// Names that are told of files left out.
const TOLD: usize = 5;

impl ImageFolder {
    /// Lists a folder: an image is what begins as one or is named as one. Folders inside are left out.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if it cannot be listed or has no images.
    pub(crate) fn list(path: &Path) -> Result<Self, StageError> {
        let failed = |source| {
            let path = path.to_owned();
            StageError::configuration(ImageFolderError::List { path, source })
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        names.sort_unstable();
        let (images, others): (Vec<OsString>, Vec<OsString>) =
            names.into_iter().partition(|name| is_image(path, name));
        if images.is_empty() {
            let path = path.to_owned();
            return Err(StageError::configuration(ImageFolderError::Empty { path }));
        }
        Ok(Self {
            path: path.to_owned(),
            images,
            others,
        })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the images.
    pub(crate) fn images(&self) -> &[OsString] {
        &self.images
    }

    /// Number of the images.
    pub(crate) fn len(&self) -> u64 {
        self.images.len() as u64
    }

    /// What was left out, if anything.
    pub(crate) fn note(&self) -> Option<String> {
        let count = self.others.len();
        let told: Vec<String> = self
            .others
            .iter()
            .take(TOLD)
            .map(|name| format!("`{}`", name.display()))
            .collect();
        let more = match count.saturating_sub(TOLD) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let folder = self.path.display();
        (count > 0).then(|| {
            format!(
                "Left out of `{folder}`, as they are no images: {}{more}",
                told.join(", ")
            )
        })
    }

    /// Decodes images.
    ///
    /// # Errors
    /// [`StageError::Configuration`] that names the first that cannot be decoded.
    pub(crate) fn read(&self, names: &[OsString]) -> Result<Vec<Picture>, StageError> {
        names.par_iter().map(|name| self.picture(name)).collect()
    }

    fn picture(&self, name: &OsStr) -> Result<Picture, StageError> {
        let (bytes, _) = self.bytes(name)?;
        self.decoded(name, &bytes)
    }

    /// Reads the file of an image whole, and says which one it was.
    ///
    /// # Errors
    /// [`StageError::Configuration`] that names it if it cannot be read.
    pub(crate) fn bytes(&self, name: &OsStr) -> Result<(Vec<u8>, FileIdentity), StageError> {
        let path = self.path.join(name);
        let read = open_regular(&path).and_then(|(file, metadata)| {
            let bytes = read_open(&file, &metadata, &path, MOST_BYTES)?;
            Ok((bytes, FileIdentity::of(&metadata)))
        });
        read.map_err(|source| StageError::configuration(ImageFolderError::Unreadable { path, source }))
    }

    /// Decodes the bytes of an image.
    ///
    /// # Errors
    /// [`StageError::Configuration`] that names it if they are no image.
    pub(crate) fn decoded(&self, name: &OsStr, bytes: &[u8]) -> Result<Picture, StageError> {
        let path = self.path.join(name);
        Picture::decode(bytes)
            .map_err(|source| StageError::configuration(ImageFolderError::Undecodable { path, source }))
    }
}

fn is_image(folder: &Path, name: &OsStr) -> bool {
    let path = folder.join(name);
    // Before opening, which would wait for ever for the other end of a pipe.
    if !path.is_file() {
        return false;
    }
    let lower = name.to_string_lossy().to_lowercase();
    ENDS.iter().any(|end| lower.ends_with(end)) || begins_as_image(&path)
}

fn begins_as_image(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(12).read_to_end(&mut start));
    if read.is_err() {
        return false;
    }
    matches!(
        start.as_slice(),
        [0x89, b'P', b'N', b'G', ..]
            | [0xff, 0xd8, 0xff, ..]
            | [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..]
    )
}
