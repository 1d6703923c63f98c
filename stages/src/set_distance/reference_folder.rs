//! A folder of images that sets are compared with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mitune_judges::picture::Picture;
use mitune_store::{ContentDigest, Digest};
use rayon::prelude::*;

use super::stage::REFERENCE_FOLDER;
use crate::contract::{Digested, ExternalDigests, FileIdentity, StageError};
use crate::judge::image_sets::folder::ImageFolder;

/// The hash domain. A change of meaning takes a new one.
const CONTEXT: &str = "mitune 2026 images of a folder";

/// The images of a folder in the order of the digests of their bytes: names mean nothing.
pub(super) struct ReferenceFolder {
    folder: ImageFolder,
    images: Vec<KnownImage>,
}

/// An image of the folder.
pub(super) struct KnownImage {
    /// The digest of its bytes.
    pub(super) digest: blake3::Hash,
    name: OsString,
}

impl ReferenceFolder {
    /// Digests the images of a folder for the keys.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if it cannot be listed, has no images, or one cannot be read.
    pub(super) fn external(path: &Path, digests: &dyn ExternalDigests) -> Result<ContentDigest, StageError> {
        let folder = ImageFolder::list(path)?;
        let paths: Vec<PathBuf> = folder.images().iter().map(|name| path.join(name)).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        digests.digest("images of a folder/1", &paths, &mut || {
            let (opened, read) = Self::read_all(ImageFolder::list(path)?)?;
            Ok(Digested {
                digest: opened.digest(),
                read,
            })
        })
    }

    /// Opens the folder, every image of which is read for its digest.
    ///
    /// # Errors
    /// As [`Self::external`].
    pub(super) fn open(path: &Path) -> Result<Self, StageError> {
        let (opened, _) = Self::read_all(ImageFolder::list(path)?)?;
        Ok(opened)
    }

    fn read_all(folder: ImageFolder) -> Result<(Self, Vec<FileIdentity>), StageError> {
        let read = folder.images().par_iter().map(|name| {
            let (bytes, identity) = folder.bytes(name)?;
            let digest = blake3::hash(&bytes);
            let name = name.clone();
            Ok((KnownImage { digest, name }, identity))
        });
        let read = read.collect::<Result<Vec<_>, StageError>>()?;
        let (mut images, identities): (Vec<KnownImage>, Vec<FileIdentity>) = read.into_iter().unzip();
        images.sort_by(|one, other| one.digest.as_bytes().cmp(other.digest.as_bytes()));
        Ok((Self { folder, images }, identities))
    }

    /// The digest of all images, whatever they are called.
    pub(super) fn digest(&self) -> ContentDigest {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        for image in &self.images {
            hasher.update(image.digest.as_bytes());
        }
        ContentDigest::new(Digest::from(hasher.finalize()))
    }

    /// The images, in their order.
    pub(super) fn images(&self) -> &[KnownImage] {
        &self.images
    }

    /// The file of a row.
    pub(super) fn path_of(&self, row: usize) -> PathBuf {
        self.folder.path().join(&self.images[row].name)
    }

    /// What was left out of the folder, if anything.
    pub(super) fn note(&self) -> Option<String> {
        self.folder.note()
    }

    /// Decodes the images of rows.
    ///
    /// # Errors
    /// [`StageError::Changed`] if one is another by now, [`StageError::Configuration`] that names one that cannot be
    /// decoded.
    pub(super) fn read(&self, rows: &[usize]) -> Result<Vec<Picture>, StageError> {
        rows.par_iter()
            .map(|row| self.picture(&self.images[*row]))
            .collect()
    }

    fn picture(&self, image: &KnownImage) -> Result<Picture, StageError> {
        let (bytes, _) = self.folder.bytes(&image.name)?;
        if blake3::hash(&bytes) != image.digest {
            return Err(StageError::Changed {
                input: REFERENCE_FOLDER.to_owned(),
            });
        }
        self.folder.decoded(&image.name, &bytes)
    }
}
