//! Private files on their way into the store.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use ulid::Ulid;

use crate::path_error::{AtPath, PathError};
use crate::publish::{KnownDirectories, ensure_directory};

/// The directory that one open store stages its files in; removed with it when empty.
#[derive(Debug)]
pub(crate) struct Staging {
    directory: PathBuf,
    next: AtomicU64,
    known: Arc<KnownDirectories>,
}

impl Staging {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            next: AtomicU64::new(0),
            known: Arc::default(),
        }
    }

    pub(crate) fn known(&self) -> &KnownDirectories {
        &self.known
    }

    /// Names the owner of a staging directory: host, boot, process and a random part.
    pub(crate) fn owner() -> String {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot: String = boot.chars().filter(char::is_ascii_hexdigit).take(12).collect();
        format!(
            "{}.{boot}.{}.{}",
            host_name(),
            std::process::id(),
            Ulid::generate()
        )
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Fails while a file is still staged, which then stays for the collector of old staging directories.
        let _ = std::fs::remove_dir(&self.directory);
    }
}

/// Returns the host name with everything but letters, digits and `-` replaced, so that it can be part of a file name.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    };
    name.chars().take(64).map(safe).collect()
}

/// A file being written in the staging directory; dropping it removes it.
#[derive(Debug)]
pub(crate) struct StagedFile {
    file: File,
    path: PathBuf,
    written: u64,
    reserved: u64,
    known: Arc<KnownDirectories>,
}

impl StagedFile {
    /// Creates an empty private file and reserves room for it if its size is known.
    pub(crate) fn create(staging: &Staging, size: Option<u64>) -> Result<Self, PathError> {
        let number = staging.next.fetch_add(1, Ordering::Relaxed);
        let path = staging.directory.join(number.to_string());
        let create = || {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed())
                .open(&path)
        };
        let mut file = create();
        if matches!(&file, Err(error) if error.kind() == std::io::ErrorKind::NotFound) {
            ensure_directory(&staging.directory)?;
            file = create();
        }
        let mut staged = Self {
            file: file.at("create", &path)?,
            path,
            written: 0,
            reserved: 0,
            known: staging.known.clone(),
        };
        if let Some(size) = size.filter(|size| *size > 0) {
            staged.reserve(size)?;
        }
        Ok(staged)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn known(&self) -> &KnownDirectories {
        &self.known
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        self.file.write_all(bytes).at("write", &self.path)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives back unused room and makes the file read-only for everybody.
    pub(crate) fn seal(&self) -> Result<(), PathError> {
        if self.reserved > self.written {
            self.file.set_len(self.written).at("truncate", &self.path)?;
        }
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(0o444)).at("set the mode of", &self.path)
    }

    /// Reserves blocks without changing the size, so that a full disk is found before hours of work are streamed.
    fn reserve(&mut self, size: u64) -> Result<(), PathError> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, size) {
            Ok(()) => self.reserved = size,
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            Err(error) => return Err(error).at("reserve space for", &self.path),
        }
        Ok(())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // After a rename the name is already gone.
        let _ = std::fs::remove_file(&self.path);
    }
}
