//! Blobs: bytes named by their hash.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::StoreError;
use crate::id::FileDigest;
use crate::identity::Identity;
use crate::path_error::{AtPath, PathError};
use crate::publish::{Placed, publish};
use crate::staging::StagedFile;
use crate::store::Store;

/// How closely a blob is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Existence and size.
    Size,
    /// Also the bytes, once per process while the file stays the same.
    Once,
    /// Also the bytes, always.
    Again,
}

/// Why a blob cannot be relied on.
#[derive(Debug)]
pub(crate) enum Doubt {
    Missing(FileDigest),
    Corrupt { file: FileDigest, reason: String },
    Unreadable(PathError),
}

impl From<Doubt> for StoreError {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Missing(file) => Self::MissingBlob(file),
            Doubt::Corrupt { file, reason } => Self::CorruptBlob { file, reason },
            Doubt::Unreadable(error) => Self::Path(error),
        }
    }
}

const CHUNK: usize = 1 << 20;

/// Names a blob is touched after this long, so that a collector sees it is in use.
const TOUCH_AFTER: Duration = Duration::from_secs(24 * 3600);

impl Store {
    /// Stores bytes and returns their digest; bytes already there are not stored again.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<FileDigest, StoreError> {
        let mut writer = self.writer(Some(bytes.len() as u64))?;
        writer.append(bytes)?;
        writer.finish()
    }

    /// Begins a blob that is written in pieces; a size hint finds a full disk before the first byte.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn writer(&self, size_hint: Option<u64>) -> Result<BlobWriter, StoreError> {
        let staged = self.stage(size_hint)?;
        Ok(BlobWriter {
            store: self.clone(),
            staged,
            hasher: blake3::Hasher::new(),
            failure: None,
        })
    }

    /// Reads a blob, hashing it.
    ///
    /// # Errors
    /// [`StoreError::MissingBlob`], or [`StoreError::CorruptBlob`] after setting the blob aside.
    pub fn read(&self, file: &FileDigest) -> Result<Vec<u8>, StoreError> {
        let path = self.layout().blob(file);
        let (mut handle, metadata) = match open(&path) {
            Ok(opened) => opened,
            Err(error) => return Err(self.unopened(file, error)),
        };
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        handle.read_to_end(&mut bytes).at("read", &path)?;
        let identity = Identity::of(&metadata);
        let found = FileDigest::of(&bytes);
        if found != *file {
            return Err(self.condemn(file, &identity, found).into());
        }
        self.verified().insert(*file, identity);
        Ok(bytes)
    }

    /// Returns the path of a blob, hashing it if this process has not yet done so for the file that is there.
    ///
    /// # Errors
    /// [`StoreError::MissingBlob`], or [`StoreError::CorruptBlob`] after setting the blob aside.
    pub fn path(&self, file: &FileDigest) -> Result<PathBuf, StoreError> {
        self.inspect(file, None, Look::Once)?;
        Ok(self.layout().blob(file))
    }

    /// Looks at a blob; one that is damaged is set aside.
    ///
    /// Returns its size.
    pub(crate) fn inspect(&self, file: &FileDigest, size: Option<u64>, look: Look) -> Result<u64, Doubt> {
        let path = self.layout().blob(file);
        let (mut handle, metadata) = match open(&path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Doubt::Missing(*file)),
            Err(error) => return Err(Doubt::Unreadable(at_read(error, &path))),
        };
        let identity = Identity::of(&metadata);
        if let Some(size) = size.filter(|size| *size != identity.size) {
            self.verified().remove(file);
            self.set_aside("blob", &path, &identity);
            let reason = format!("it has {} bytes instead of {size}", identity.size);
            return Err(Doubt::Corrupt { file: *file, reason });
        }
        if look == Look::Size || (look == Look::Once && self.verified().contains(file, &identity)) {
            return Ok(identity.size);
        }
        let found = hash(&mut handle).map_err(|error| Doubt::Unreadable(at_read(error, &path)))?;
        if found != *file {
            return Err(self.condemn(file, &identity, found));
        }
        self.verified().insert(*file, identity);
        Ok(identity.size)
    }

    /// Gives a staged file its name as a blob, replacing a damaged one that holds the name.
    pub(crate) fn place_blob(&self, file: &FileDigest, staged: &StagedFile) -> Result<(), StoreError> {
        let path = self.layout().blob(file);
        for _ in 0..4 {
            if publish(staged, &path)? == Placed::New || self.keep_existing(file, staged.written())? {
                return Ok(());
            }
        }
        Err(StoreError::Contention(path.display().to_string()))
    }

    /// Checks a blob that was there before; returns whether it can stay.
    pub(crate) fn keep_existing(&self, file: &FileDigest, size: u64) -> Result<bool, StoreError> {
        match self.inspect(file, Some(size), Look::Once) {
            Ok(_) => {
                self.touch(file);
                Ok(true)
            }
            Err(Doubt::Unreadable(error)) => Err(error.into()),
            Err(Doubt::Missing(_) | Doubt::Corrupt { .. }) => Ok(false),
        }
    }

    fn unopened(&self, file: &FileDigest, error: io::Error) -> StoreError {
        if error.kind() == io::ErrorKind::NotFound {
            return StoreError::MissingBlob(*file);
        }
        StoreError::Path(at_read(error, &self.layout().blob(file)))
    }

    fn condemn(&self, file: &FileDigest, identity: &Identity, found: FileDigest) -> Doubt {
        self.verified().remove(file);
        self.set_aside("blob", &self.layout().blob(file), identity);
        Doubt::Corrupt {
            file: *file,
            reason: format!("its bytes hash to `{}`", found.short()),
        }
    }

    /// Renews the time of a blob that is relied on again; only its owner may, so failing is no error.
    fn touch(&self, file: &FileDigest) {
        let path = self.layout().blob(file);
        let Ok((handle, before)) = open(&path) else { return };
        let now = SystemTime::now();
        let recent = before
            .modified()
            .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age < TOUCH_AFTER));
        if recent || handle.set_modified(now).is_err() {
            return;
        }
        if let Ok(after) = handle.metadata()
            && self.verified().contains(file, &Identity::of(&before))
        {
            self.verified().insert(*file, Identity::of(&after));
        }
    }
}

/// A blob being written; dropping it before [`BlobWriter::finish`] leaves nothing behind.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    staged: StagedFile,
    hasher: blake3::Hasher,
    failure: Option<PathError>,
}

impl BlobWriter {
    /// Returns the bytes written so far.
    pub fn written(&self) -> u64 {
        self.staged.written()
    }

    /// Makes the blob durable and returns its digest.
    ///
    /// # Errors
    /// [`StoreError::Path`], also for an earlier write that failed.
    pub fn finish(mut self) -> Result<FileDigest, StoreError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure.into());
        }
        let file = FileDigest::new(self.hasher.finalize().into());
        self.store.place_blob(&file, &self.staged)?;
        Ok(file)
    }

    /// Appends bytes, with an error that names the path.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        self.staged.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Takes the error that a write through [`Write`] had to flatten.
    pub(crate) fn take_failure(&mut self) -> Option<PathError> {
        self.failure.take()
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(|failure| {
            let error = io::Error::new(failure.io().kind(), failure.to_string());
            self.failure.get_or_insert(failure);
            error
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let handle: File = rustix::fs::open(
        path,
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?
    .into();
    let metadata = handle.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
    }
    Ok((handle, metadata))
}

fn hash(handle: &mut File) -> io::Result<FileDigest> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match handle.read(&mut chunk) {
            Ok(0) => return Ok(FileDigest::new(hasher.finalize().into())),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
    }
}

fn at_read(error: io::Error, path: &Path) -> PathError {
    PathError::Io {
        action: "read",
        path: path.to_path_buf(),
        source: error,
    }
}
