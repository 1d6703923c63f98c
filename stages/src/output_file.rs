//! Files that commands write for the user: complete or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputFileError {
    /// The system refused.
    #[error("Cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
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

/// Writes a file beside its place and moves it there, so that a file of that name is always whole.
///
/// # Errors
/// [`OutputFileError::Write`] if the system refuses; the file is then what it was before.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), OutputFileError> {
    let draft = draft_of(path);
    let written = File::create(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path));
    written.map_err(|source| {
        // Nothing better can be done about a draft that cannot be removed.
        let _ = fs::remove_file(&draft);
        OutputFileError::Write {
            path: path.to_owned(),
            source,
        }
    })
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
}
