//! Describing a store: reading its `FORMAT`, and creating one where there is none.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ulid::Ulid;

use crate::error::StoreError;
use crate::files::{
    AtPath, FileIdentity, FileSystem, Format, FormatError, StagedFile, Staging, ensure_directory,
    ensure_outside, move_if_same, parent, publish,
};
use crate::names::{DIRECTORIES, Layout, ON_DEMAND};

/// Bytes that no `FORMAT` reaches.
const FORMAT_LIMIT: u64 = 64 << 10;

pub(super) fn read_format(files: &dyn FileSystem, layout: &Layout) -> Result<Option<Format>, StoreError> {
    let path = layout.format();
    let read = files
        .open_regular(&path)
        .and_then(|(file, metadata)| files.read_at_most(&file, metadata.len(), FORMAT_LIMIT));
    match read {
        Ok(bytes) => {
            let format: Format =
                serde_json::from_slice(&bytes).map_err(|source| FormatError::Unreadable {
                    path: path.display().to_string(),
                    source,
                })?;
            format.check_identity(&path.display())?;
            Ok(Some(format))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            let path = path.display().to_string();
            Err(FormatError::NotAFile { path }.into())
        }
        Err(error) => Ok(Err(error).at("read", &path)?),
    }
}

/// Creates the directories, then `FORMAT` last, so that a directory with `FORMAT` is a whole store.
pub(super) fn create(layout: &Layout, staging: &Staging) -> Result<Format, StoreError> {
    let volume = staging.volume();
    if ensure_outside(volume.files(), layout.root())? {
        share_root(volume.files(), layout.root());
    }
    refuse_foreign_entries(volume.files(), layout)?;
    for name in DIRECTORIES {
        ensure_directory(volume.files(), &layout.directory(name))?;
    }
    place(staging, &layout.ignore_file(), b"*\n")?;
    let format = Format::new(Ulid::generate().to_string());
    let text = serde_json::to_vec(&format).map_err(StoreError::unwritten)?;
    place(staging, &layout.format(), &text)?;
    // Another process may have been first.
    Ok(read_format(volume.files(), layout)?.unwrap_or(format))
}

/// Shares a new store with a group whose folder it lies in: one with the set-group bit that the group may write.
fn share_root(files: &dyn FileSystem, root: &Path) {
    const GROUP_WRITES: u32 = 0o2020;
    let mode = files.metadata(parent(root)).map(|metadata| metadata.mode());
    if mode.is_ok_and(|mode| mode & GROUP_WRITES == GROUP_WRITES) {
        files.share_directory(root, parent(root));
    }
}

/// Describes a store anew whose `FORMAT` is damaged, if all else in it is of this format.
pub(super) fn create_again(layout: &Layout, staging: &Staging) -> Result<Format, StoreError> {
    let (files, path) = (staging.volume().files(), layout.format());
    refuse_foreign_entries(files, layout)?;
    if let Ok(metadata) = files.metadata(&path) {
        let aside = layout.quarantine(&format!("format.{}.FORMAT", Ulid::generate()));
        move_if_same(files, &path, &aside, &FileIdentity::of(&metadata));
    }
    create(layout, staging)
}

/// Writes a file at the top of the store unless it is there; the names beside it are durable afterwards.
fn place(staging: &Staging, destination: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut staged = StagedFile::create(staging, None)?;
    staged.write_all(bytes)?;
    publish(&staged, destination)?;
    Ok(())
}

/// Refuses a directory in use for something else; what an interrupted creation left is welcome.
pub(super) fn refuse_foreign_entries(files: &dyn FileSystem, layout: &Layout) -> Result<(), StoreError> {
    for entry in files.list_if_there(layout.root()).at("list", layout.root())? {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| {
            DIRECTORIES.contains(&name)
                || ON_DEMAND.contains(&name)
                || [layout.ignore_file(), layout.format()]
                    .iter()
                    .any(|own| own.ends_with(name))
        });
        if !ours {
            let path = layout.root().display().to_string();
            let found = name.to_string_lossy().into_owned();
            let error = match files.exists(&layout.format()) {
                true => FormatError::Guess { path, found },
                false => FormatError::NotAStore { path, found },
            };
            return Err(error.into());
        }
    }
    Ok(())
}
