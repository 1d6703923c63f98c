use std::path::{Path, PathBuf};

use crate::contract::StageError;

/// A path that is taken.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is there already and is not overwritten", path.display())]
struct Taken {
    path: PathBuf,
}

/// A folder that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("Cannot write `{}`", path.display())]
pub(super) struct WriteError {
    pub(super) path: PathBuf,
    pub(super) source: std::io::Error,
}

/// Refuses a path where something is already, be it a broken link.
pub(super) fn check_free(path: &Path) -> Result<(), StageError> {
    match path.symlink_metadata() {
        Ok(_) => Err(StageError::configuration(Taken {
            path: path.to_owned(),
        })),
        Err(_) => Ok(()),
    }
}

/// Fills a new folder beside its place and moves it there, so that a folder of that name is always whole.
pub(super) fn write_folder(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let failed = |path: &Path, source| {
        StageError::failed(WriteError {
            path: path.to_owned(),
            source,
        })
    };
    check_free(path)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let draft = tempfile::Builder::new()
        .prefix(".mitune-")
        .tempdir_in(parent)
        .map_err(|source| failed(path, source))?;
    fill(draft.path())?;
    readable(draft.path()).map_err(|source| failed(path, source))?;
    check_free(path)?;
    std::fs::rename(draft.path(), path).map_err(|source| failed(path, source))?;
    // Moved away: there is nothing left to remove.
    let _ = draft.keep();
    Ok(())
}

/// Gives a temporary folder, which only its owner may read, the permissions of a usual one.
fn readable(folder: &Path) -> std::io::Result<()> {
    let usual = folder.join(".permissions");
    std::fs::create_dir(&usual)?;
    let permissions = std::fs::metadata(&usual)?.permissions();
    std::fs::remove_dir(&usual)?;
    std::fs::set_permissions(folder, permissions)
}
