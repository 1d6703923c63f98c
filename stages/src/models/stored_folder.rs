//! Folders as artifacts of the store.

use std::path::{Path, PathBuf};

use mitune_store::{Artifact, DirectoryEntry};

use crate::contract::{StageContext, StageError};

/// A folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be read", path.display())]
struct FolderError {
    path: PathBuf,
    source: std::io::Error,
}

/// Stores all files below a folder; what the store holds already is not stored again.
///
/// One file at a time is in memory, since those of a model fill it.
///
/// # Errors
/// [`StageError::Failed`] if a file cannot be read, or any error of the store.
pub(crate) fn put_folder(context: &StageContext<'_>, folder: &Path) -> Result<Artifact, StageError> {
    let mut files = Vec::new();
    collect_files(folder, "", &mut files).map_err(StageError::failed)?;
    files.sort();
    let mut entries = Vec::with_capacity(files.len());
    for (name, path) in files {
        let bytes =
            std::fs::read(&path).map_err(|source| StageError::failed(FolderError { path, source }))?;
        let blob = context.store().blobs().put_bytes(&bytes)?;
        entries.push((name, DirectoryEntry::Blob(blob)));
    }
    Ok(context.store().artifacts().put_directory(&entries)?)
}

fn collect_files(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), FolderError> {
    let failed = |source| FolderError {
        path: folder.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            collect_files(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}
