//! Writing artifacts out of the store.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use mitune_bounded_file::place_of;
use ulid::Ulid;

use super::artifact::{Artifact, ArtifactKind};
use super::table::write_parquet;
use crate::error::{Fate, StoreError};
use crate::files::{AtPath, FileSystem, OsFileSystem, PathError, ensure_outside};
use crate::names::FileDigest;
use crate::store::Artifacts;

impl Artifacts<'_> {
    /// Writes an artifact to a path outside the store: a table as one Parquet file, tensors, JSON and pages as a file,
    /// a directory as a directory.
    ///
    /// What appears at the path is whole. A file that is there is replaced, a directory only if it is empty.
    ///
    /// # Errors
    /// [`StoreError::ExportExists`] for a directory that holds something, or any error of reading or writing; then
    /// nothing is left at the path or beside it.
    pub fn export(&self, artifact: &Artifact, destination: &Path) -> Result<(), StoreError> {
        let destination = std::path::absolute(destination).at("resolve", destination)?;
        let destination = match destination.is_dir() {
            true => destination,
            false => place_of(&destination).at("replace", &destination)?,
        };
        let Some(parent) = destination.parent() else {
            return Err(StoreError::ExportExists(destination.display().to_string()));
        };
        ensure_outside(&OsFileSystem, parent)?;
        let name = destination
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let partial = Partial(parent.join(format!(".{name}.{}.partial", Ulid::generate())));
        if artifact.kind == ArtifactKind::Directory {
            self.export_directory(artifact, &partial.0)?;
            if destination.symlink_metadata().is_ok() {
                // Removes an empty directory and nothing else.
                let error = |_| StoreError::ExportExists(destination.display().to_string());
                std::fs::remove_dir(&destination).map_err(error)?;
            }
        } else if destination.is_dir() {
            return Err(StoreError::ExportExists(destination.display().to_string()));
        } else if artifact.kind == ArtifactKind::Parts {
            self.export_parts(artifact, &partial.0)?;
        } else {
            self.export_blob(&artifact.file, &partial.0)?;
        }
        std::fs::rename(&partial.0, &destination).at("rename to", &destination)?;
        Ok(OsFileSystem.sync_directory(parent).at("sync", parent)?)
    }

    fn export_directory(&self, artifact: &Artifact, destination: &Path) -> Result<(), StoreError> {
        let files = self.read_directory(artifact)?;
        ensure_outside(&OsFileSystem, destination)?;
        for file in files {
            let path = destination.join(&file.name);
            if let Some(parent) = path.parent() {
                ensure_outside(&OsFileSystem, parent)?;
            }
            self.export_blob(&file.file, &path)?;
        }
        Ok(())
    }

    fn export_parts(&self, artifact: &Artifact, destination: &Path) -> Result<(), StoreError> {
        let reader = self.read_table(artifact, None)?;
        let schema = reader.schema().clone();
        let mut output = Remembering {
            file: create(destination)?,
            path: destination,
            failure: None,
        };
        let written = write_parquet(&mut output, &schema, reader);
        if let Some(failure) = output.failure {
            return Err(failure.into());
        }
        let (content, _) = written?;
        if content != artifact.content {
            let reason = "its rows have another content than recorded".to_owned();
            return Err(StoreError::CorruptBlob {
                file: artifact.file,
                reason,
                fate: Fate::Untouched,
            });
        }
        Ok(output
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .at("write", destination)?)
    }

    fn export_blob(&self, file: &FileDigest, destination: &Path) -> Result<(), StoreError> {
        let source = self.store.blobs().path(file)?;
        let mut input = File::open(&source).at("open", &source)?;
        let mut output = create(destination)?;
        io::copy(&mut input, output.get_mut()).at("write", destination)?;
        Ok(output.get_ref().sync_all().at("sync", destination)?)
    }
}

/// A file or directory that is removed unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        if self.0.is_dir() {
            let _ = std::fs::remove_dir_all(&self.0);
        } else {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

/// Keeps the first error with its path, which the Parquet writer would turn into text.
struct Remembering<'p> {
    file: BufWriter<File>,
    path: &'p Path,
    failure: Option<PathError>,
}

impl Write for Remembering<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).at("write", self.path).map_err(|failure| {
            let error = io::Error::new(failure.io().kind(), failure.to_string());
            self.failure.get_or_insert(failure);
            error
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn create(path: &Path) -> Result<BufWriter<File>, PathError> {
    Ok(BufWriter::new(File::create_new(path).at("create", path)?))
}
