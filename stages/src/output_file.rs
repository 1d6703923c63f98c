//! Files that commands write for the user: complete or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use mitune_bounded_file::{BoundedFileError, place_of};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::contract::StageError;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputFileError {
    /// The system refused.
    #[error("Cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Something else than a file has the name.
    #[error(transparent)]
    Place(#[from] BoundedFileError),
    /// A file of another kind has the name.
    #[error("`{}` is there already, is no file of this kind, and is not overwritten", path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// Something else stands where a folder is to be.
    #[error("`{}` is no folder", path.display())]
    NoFolder {
        /// What stands there.
        path: PathBuf,
    },
    /// Rows cannot be written as Parquet.
    #[error("Cannot encode the rows of `{}` as Parquet", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The encoder's reason.
        source: ParquetError,
    },
}

impl OutputFileError {
    /// What the user can change, where nothing has been done yet.
    pub(crate) fn before_work(self) -> StageError {
        StageError::configuration(self)
    }

    fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// Writes a file beside its place and moves it there, so that a file of that name is always whole.
///
/// A link stays a link, what it leads to is replaced.
///
/// # Errors
/// [`OutputFileError`] if the system refuses or something else than a file has the name; it is then what it was before.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), OutputFileError> {
    let place = place_of(path)?;
    let draft = draft_of(&place);
    let written = File::create(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, &place));
    written.map_err(|source| {
        // Nothing better can be done about a draft that cannot be removed.
        let _ = fs::remove_file(&draft);
        OutputFileError::write(path, source)
    })
}

/// Finds out before hours of work whether a file can be written, replacing one that begins with `magic` or is empty; an
/// empty `magic` is that of no file.
///
/// # Errors
/// [`OutputFileError`] if the system refuses, or something has the name that must not be lost.
pub(crate) fn check_place(path: &Path, magic: &'static [u8]) -> Result<(), OutputFileError> {
    let place = place_of(path)?;
    let mut start = Vec::new();
    if let Ok(file) = File::open(&place) {
        let read = file.take(magic.len().max(1) as u64).read_to_end(&mut start);
        read.map_err(|source| OutputFileError::write(path, source))?;
        if !start.is_empty() && start != magic {
            return Err(OutputFileError::Other {
                path: path.to_owned(),
            });
        }
    }
    let draft = draft_of(&place);
    let tried = File::create(&draft).and_then(|_| fs::remove_file(&draft));
    tried.map_err(|source| OutputFileError::write(path, source))
}

/// Finds out before hours of work whether files can be written into a folder, which need not be there yet.
///
/// # Errors
/// [`OutputFileError`] if the system refuses, or a file stands where the folder should be.
pub(crate) fn check_folder(folder: &Path) -> Result<(), OutputFileError> {
    let folder = std::path::absolute(folder).map_err(|source| OutputFileError::write(folder, source))?;
    let there = folder.ancestors().find(|above| above.symlink_metadata().is_ok());
    let Some(there) = there.filter(|there| there.is_dir()) else {
        return Err(OutputFileError::NoFolder {
            path: there.unwrap_or(&folder).to_owned(),
        });
    };
    let draft = draft_of(&there.join("mitune"));
    let tried = File::create(&draft).and_then(|_| fs::remove_file(&draft));
    tried.map_err(|source| OutputFileError::write(&folder, source))
}

/// Writes a table as Parquet, in the way of [`write_file`]; metadata of the schema under `mitune.` also goes into the
/// footer.
///
/// # Errors
/// [`OutputFileError`] if a batch has other columns than the table or the system refuses.
pub(crate) fn write_table(
    path: &Path,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<(), OutputFileError> {
    write_file(
        path,
        &encode(schema, batches).map_err(|source| OutputFileError::Encode {
            path: path.to_owned(),
            source,
        })?,
    )
}

fn encode(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema.clone(), Some(properties))?;
    for batch in batches {
        writer.write(batch)?;
    }
    // Readers that do not know Arrow's schema find our own entries in the footer.
    for (key, value) in schema.metadata() {
        if key.starts_with("mitune.") {
            writer.append_key_value_metadata(KeyValue::new(key.clone(), value.clone()));
        }
    }
    writer.close()?;
    Ok(bytes)
}

/// A name in the same folder that no other process uses.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_file(&path, b"first, which is longer").unwrap();
        write_file(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/a.bin");
        let error = write_file(&path, b"x").unwrap_err();
        assert_eq!(error.to_string(), format!("Cannot write `{}`", path.display()));
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(write_file(&taken, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_must_not_be_lost_is_found_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        check_place(&path, b"PAR1").unwrap();
        fs::write(&path, b"PAR1 and more").unwrap();
        check_place(&path, b"PAR1").unwrap();
        fs::write(&path, b"an image").unwrap();
        let error = check_place(&path, b"PAR1").unwrap_err();
        assert!(matches!(error, OutputFileError::Other { .. }), "{error}");
        assert!(check_place(&path, b"").is_err());
        assert!(check_place(&path.join("b"), b"").is_err());
        check_folder(&folder.path().join("new/newer")).unwrap();
        for folder in [path.clone(), path.join("below")] {
            let error = check_folder(&folder).unwrap_err();
            assert_eq!(error.to_string(), format!("`{}` is no folder", path.display()));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_only_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, socket] = ["a.bin", "link", "socket"].map(|name| folder.path().join(name));
        fs::write(&file, b"first").unwrap();
        std::os::unix::fs::symlink("a.bin", &link).unwrap();
        write_file(&link, b"second").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"second");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [socket.as_path(), Path::new("/dev/null")] {
            let error = write_file(path, b"x").unwrap_err();
            assert!(error.to_string().ends_with("not a regular file"), "{error}");
        }
        fs::remove_file(&file).unwrap();
        assert!(write_file(&link, b"x").is_err());
    }
}
