//! Private files on their way into the store.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use ulid::Ulid;

use super::file_system::{FileSystem, leads_to_none};
use super::host::{boot_id, host_name};
use super::path_error::{AtPath, PathError};
use super::volume::Volume;

/// The directory that one open store stages its files in; removed with it when empty.
#[derive(Debug)]
pub(crate) struct Staging {
    directory: PathBuf,
    next: AtomicU64,
    volume: Arc<Volume>,
}

impl Staging {
    pub(crate) fn new(directory: PathBuf, volume: Arc<Volume>) -> Self {
        Self {
            directory,
            next: AtomicU64::new(0),
            volume,
        }
    }

    pub(crate) fn volume(&self) -> &Volume {
        &self.volume
    }

    /// Names the owner of a staging directory: host, boot, process and a random part.
    pub(crate) fn owner() -> String {
        format!(
            "{}.{}.{}.{}",
            host_name(),
            boot_id(),
            std::process::id(),
            Ulid::generate()
        )
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Fails while a file is still staged, which then stays for the collector of old staging directories.
        let _ = self.volume.files().remove_directory(&self.directory);
    }
}

/// Bytes after which the disk is asked to begin.
const SENT: usize = 4 << 20;

/// A file being written in the staging directory; dropping it removes it.
#[derive(Debug)]
pub(crate) struct StagedFile {
    /// `None` once it was closed.
    file: Option<File>,
    path: PathBuf,
    written: u64,
    /// Bytes the disk was asked to begin with.
    sent: u64,
    reserved: u64,
    volume: Arc<Volume>,
}

impl StagedFile {
    /// Creates an empty private file and reserves room for it if its size is known.
    pub(crate) fn create(staging: &Staging, size: Option<u64>) -> Result<Self, PathError> {
        let number = staging.next.fetch_add(1, Ordering::Relaxed);
        let path = staging.directory.join(number.to_string());
        let files = staging.volume.files();
        let mut file = files.create(&path);
        if matches!(&file, Err(error) if leads_to_none(error)) {
            staging.volume.ensure_directory(&staging.directory)?;
            file = files.create(&path);
        }
        let mut staged = Self {
            file: Some(file.at("create", &path)?),
            path,
            written: 0,
            sent: 0,
            reserved: 0,
            volume: staging.volume.clone(),
        };
        if let Some(size) = size.filter(|size| *size > 0) {
            staged.reserve(size)?;
        }
        Ok(staged)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn volume(&self) -> &Volume {
        &self.volume
    }

    pub(crate) fn files(&self) -> &dyn FileSystem {
        self.volume.files()
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        let file = self.open_file().at("write", &self.path)?;
        let (mut written, mut sent) = (self.written, self.sent);
        for piece in bytes.chunks(SENT) {
            self.files().write_all(file, piece).at("write", &self.path)?;
            written += piece.len() as u64;
            if written - sent >= SENT as u64 {
                // The disk works while the rest is made, and the sync at the end has little left to wait for.
                self.files().begin_write_back(file, sent, written - sent);
                sent = written;
            }
        }
        (self.written, self.sent) = (written, sent);
        Ok(())
    }

    /// Gives back unused room, makes the file read-only for everybody and its bytes durable.
    pub(crate) fn seal(&self) -> Result<(), PathError> {
        self.finish()?;
        match &self.file {
            Some(file) => self.files().sync(file).at("sync", &self.path),
            None => Ok(()),
        }
    }

    /// Ends the writing without making anything durable; a sync of everything must follow.
    pub(crate) fn close(&mut self) -> Result<(), PathError> {
        self.finish()?;
        self.file = None;
        Ok(())
    }

    fn finish(&self) -> Result<(), PathError> {
        let Some(file) = &self.file else { return Ok(()) };
        if self.reserved > self.written {
            self.files()
                .set_length(file, self.written)
                .at("truncate", &self.path)?;
        }
        self.files()
            .set_mode_if_known(file, 0o444)
            .at("set the mode of", &self.path)
    }

    /// Reserves blocks without changing the size, so that a full disk is found before hours of work are streamed.
    fn reserve(&mut self, size: u64) -> Result<(), PathError> {
        let file = self.open_file().at("reserve space for", &self.path)?;
        let Err(error) = self.files().reserve(file, size) else {
            self.reserved = size;
            return Ok(());
        };
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            _ => Err(error).at("reserve space for", &self.path),
        }
    }

    pub(crate) fn open_file(&self) -> std::io::Result<&File> {
        self.file.as_ref().ok_or_else(|| Errno::BADF.into())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // After a rename the name is already gone.
        let _ = self.files().remove_file(&self.path);
    }
}
