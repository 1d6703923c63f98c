//! The files of a source by their content: tables, archives, and images that lie in files of their own.

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mitune_bounded_file::is_link_loop;
use mitune_store::{ContentDigest, Digest};
use rayon::prelude::*;

use super::error::ImagesError;
use super::place::ImagePlace;
use super::rows::{RowImages, RowPlace};
use super::source::ImageSource;
use crate::contract::{Digested, ExternalDigests, FileIdentity, StageError};
use crate::ingest::prompts::text_file::open_input;
use crate::ingest::prompts::{PromptsError, file_digest};

/// The hash domain. A change of meaning takes a new one.
const CONTEXT: &str = "mitune 2026 images as data";

/// Files that are digested and remembered together: one that changes costs reading so many, and each is compared with all
/// others of its group.
const GROUP: usize = 1_024;

/// The files of a source, in the order in which they are read.
pub(crate) struct SourceFiles {
    /// Tables and archives.
    pub(crate) files: Vec<PathBuf>,
    /// Images that rows name by a path, each once.
    images: Vec<PathBuf>,
}

/// What the files were when they were digested.
pub(crate) struct DigestedFiles {
    /// The digest of all of them, for the key: content in the order of rows, whatever the files are called.
    pub(crate) digest: ContentDigest,
    identities: Vec<FileIdentity>,
    images: HashMap<PathBuf, blake3::Hash>,
}

/// A file that was read: its digest and which one it was. Nothing for an image that is not there or is none, which is
/// content too: what becomes of it is for the reader to say.
type ReadFile = Option<(blake3::Hash, FileIdentity)>;

impl SourceFiles {
    /// Lists the files of a resolved source; `seed` says which captions count.
    ///
    /// # Errors
    /// A path that stands for nothing, or a table that cannot be read.
    pub(crate) fn list(source: &ImageSource, seed: u64) -> Result<Self, ImagesError> {
        let files = source.files()?;
        for path in &files {
            open_input(path)?;
        }
        let images = match source.names_files()? {
            true => named_images(source, &files, seed)?,
            false => Vec::new(),
        };
        Ok(Self { files, images })
    }

    /// Digests the files for the keys, each group of them remembered.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn external(&self, digests: &dyn ExternalDigests) -> Result<ContentDigest, StageError> {
        let mut groups = Vec::new();
        for group in self.groups() {
            let (there, purpose) = purpose_of(&group);
            groups.push(digests.digest(&purpose, &there, &mut || {
                let read = read_group(&group).map_err(ImagesError::into_stage_error)?;
                Ok(Digested {
                    digest: digest_of_group(&read),
                    read: read.into_iter().flatten().map(|(_, identity)| identity).collect(),
                })
            })?);
        }
        Ok(digest_of_all(&groups))
    }

    /// Digests the files, and keeps what each of them was.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn digested(&self) -> Result<DigestedFiles, ImagesError> {
        let (mut groups, mut identities, mut images) = (Vec::new(), Vec::new(), HashMap::new());
        for group in self.groups() {
            let read = read_group(&group)?;
            groups.push(digest_of_group(&read));
            for (path, read) in group.into_iter().zip(read) {
                let Some((digest, identity)) = read else { continue };
                if identities.len() < self.files.len() {
                    identities.push(identity);
                } else {
                    images.insert(path.to_owned(), digest);
                }
            }
        }
        Ok(DigestedFiles {
            digest: digest_of_all(&groups),
            identities,
            images,
        })
    }

    /// Checks that tables and archives are still those that were digested.
    ///
    /// # Errors
    /// [`ImagesError::Changed`] if one is not.
    pub(crate) fn check_unchanged(&self, digested: &DigestedFiles) -> Result<(), ImagesError> {
        for (path, before) in self.files.iter().zip(&digested.identities) {
            let now = std::fs::metadata(path).map_err(ImagesError::file(path))?;
            if FileIdentity::of(&now) != *before {
                return Err(ImagesError::Changed);
            }
        }
        Ok(())
    }

    /// Names a row, in a sentence.
    pub(crate) fn name(&self, at: RowPlace) -> String {
        match self.files.get(at.file) {
            Some(path) => format!("row {} of `{}`", at.row, path.display()),
            None => format!("row {}", at.row),
        }
    }

    /// Tables and archives first, which all are there, then images.
    fn groups(&self) -> Vec<Vec<&Path>> {
        let chunks = self.files.chunks(GROUP).chain(self.images.chunks(GROUP));
        chunks
            .map(|chunk| chunk.iter().map(PathBuf::as_path).collect())
            .collect()
    }
}

impl DigestedFiles {
    /// Tells whether an image lay in a file of its own when the files were digested.
    pub(crate) fn had(&self, place: &ImagePlace) -> bool {
        match place {
            ImagePlace::File(path) => self.images.contains_key(path),
            _ => false,
        }
    }

    /// Tells whether these are the bytes of an image that were digested, where it lies in a file of its own.
    pub(crate) fn has(&self, place: &ImagePlace, digest: &blake3::Hash) -> bool {
        match place {
            ImagePlace::File(path) => self.images.get(path) == Some(digest),
            _ => true,
        }
    }
}

/// The paths of images that rows name, in their order.
fn named_images(source: &ImageSource, files: &[PathBuf], seed: u64) -> Result<Vec<PathBuf>, ImagesError> {
    let (mut known, mut images) = (HashSet::new(), Vec::new());
    source.read(files, seed, &mut |row| {
        let places = match row.images {
            RowImages::One(image) => vec![image.place],
            RowImages::Pair { winner, loser } => vec![winner.place, loser.place],
            RowImages::Tie => Vec::new(),
        };
        for place in places {
            if let ImagePlace::File(path) = place
                && known.insert(path.clone())
            {
                images.push(path);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(images)
}

fn read_group(group: &[&Path]) -> Result<Vec<ReadFile>, ImagesError> {
    group
        .par_iter()
        .map(|path| match file_digest(path) {
            Ok(read) => Ok(Some(read)),
            Err(PromptsError::Unbounded(_)) => Ok(None),
            Err(PromptsError::Read { ref source, .. }) if is_of_the_name(source) => Ok(None),
            Err(error) => Err(error.into()),
        })
        .collect()
}

/// Whether nothing can be read under a name, as long as nobody changes what lies there.
fn is_of_the_name(error: &io::Error) -> bool {
    let lasts = matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
            | ErrorKind::PermissionDenied
    );
    lasts || is_link_loop(error)
}

/// The files of a group that are there, and what their digest is remembered for: which others are not belongs to it.
fn purpose_of<'p>(group: &[&'p Path]) -> (Vec<&'p Path>, String) {
    let (mut there, mut purpose) = (Vec::new(), "images as data/1".to_owned());
    for (place, path) in group.iter().enumerate() {
        match path.is_file() {
            true => there.push(*path),
            false => purpose.push_str(&format!(" without {place}")),
        }
    }
    (there, purpose)
}

fn digest_of_group(read: &[ReadFile]) -> ContentDigest {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for file in read {
        match file {
            Some((digest, _)) => hasher.update(&[1]).update(digest.as_bytes()),
            None => hasher.update(&[0]),
        };
    }
    ContentDigest::new(Digest::from(hasher.finalize()))
}

fn digest_of_all(groups: &[ContentDigest]) -> ContentDigest {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for group in groups {
        hasher.update(group.to_string().as_bytes());
    }
    ContentDigest::new(Digest::from(hasher.finalize()))
}
