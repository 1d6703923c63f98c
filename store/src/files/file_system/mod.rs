//! The system calls of the store, so that tests can record each of them and let each of them fail.
//!
//! Everything the store does to its own files goes through [`FileSystem`]. Readers of Parquet and safetensors open the
//! verified path of a blob themselves: they change nothing, and their errors are errors of the blob.

mod os;
mod share;

use std::fmt;
use std::fs::{DirEntry, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::time::SystemTime;

use rustix::io::Errno;

pub(crate) use os::OsFileSystem;

/// Bytes read and hashed in one go, few enough to stay in the cache of a core.
const PIECE: u64 = 256 << 10;

/// What the store asks of a file system, one system call each.
///
/// Errors are those of the operating system. Nothing retries or loops in here, so that a test can fail any one call.
pub(crate) trait FileSystem: fmt::Debug + Send + Sync {
    /// Creates a file of mode 0600 for writing; it must not exist, and links are not followed.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Opens a file whose writes all go to its end, creating it if it is absent.
    fn append(&self, path: &Path) -> io::Result<File>;
    /// Opens a file for reading; a symbolic link is an error.
    fn open(&self, path: &Path) -> io::Result<File>;
    /// Writes some of the bytes where the file stands.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize>;
    /// Reads some bytes from where the file stands.
    fn read(&self, file: &File, bytes: &mut [u8]) -> io::Result<usize>;
    /// Reserves room without changing the size.
    fn reserve(&self, file: &File, bytes: u64) -> io::Result<()>;
    /// Cuts a file or gives back what was reserved behind its end.
    fn set_length(&self, file: &File, bytes: u64) -> io::Result<()>;
    /// Sets the mode of a file.
    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()>;
    /// Sets the time of modification; only the owner of a file may.
    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()>;
    /// Asks the disk to begin writing bytes of a file, without waiting and without a promise.
    fn begin_write_back(&self, file: &File, offset: u64, bytes: u64);
    /// Makes the bytes of a file durable, not its name.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Makes all bytes and all names of the file system that holds a directory durable.
    fn sync_everything(&self, directory: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable, where the file system knows how.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory; the one above it must exist.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Lets the people who may use one directory use another; a file system that cannot leaves it as it is.
    fn share_directory(&self, path: &Path, like: &Path);
    /// Gives a file a second name, which must be free.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file, replacing one that has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file if the new name is free.
    fn rename_exclusive(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name of a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    /// Describes what stands under a name, a symbolic link itself rather than what it points to.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Lists a directory.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
}

impl dyn FileSystem + '_ {
    /// Opens a regular file and tells what it is.
    pub(crate) fn open_regular(&self, path: &Path) -> io::Result<(File, Metadata)> {
        let file = self.open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidData, "not a regular file"));
        }
        Ok((file, metadata))
    }

    /// Reads the rest of a file that should hold about `size` bytes, hashing each piece while it is at hand.
    pub(crate) fn read_hashing(
        &self,
        file: &File,
        size: u64,
        hasher: &mut blake3::Hasher,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
        loop {
            let before = bytes.len();
            let piece = Reading { files: self, file }
                .take(PIECE)
                .read_to_end(&mut bytes)?;
            hasher.update(&bytes[before..]);
            if piece == 0 {
                return Ok(bytes);
            }
        }
    }

    /// Reads a whole regular file of at most `limit` bytes and tells what it is; anything else is invalid data.
    pub(crate) fn read_bounded(&self, path: &Path, limit: u64) -> io::Result<(Vec<u8>, Metadata)> {
        let (file, metadata) = self.open_regular(path)?;
        let mut size = metadata.len();
        if size <= limit {
            let bytes = self.read_at_most(&file, size, limit.saturating_add(1))?;
            size = bytes.len() as u64;
            if size <= limit {
                return Ok((bytes, metadata));
            }
        }
        let text = format!("it has {size} bytes, at most {limit} are read");
        Err(io::Error::new(ErrorKind::InvalidData, text))
    }

    /// Reads a file that should hold about `size` bytes, but not more of it than a limit, which cuts off the rest.
    pub(crate) fn read_at_most(&self, file: &File, size: u64, limit: u64) -> io::Result<Vec<u8>> {
        let room = size.min(limit).saturating_add(1);
        let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
        let reading = Reading { files: self, file };
        reading.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes all bytes where the file stands.
    pub(crate) fn write_all(&self, file: &File, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(file, bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sets the mode of a file, unless the file system knows no modes.
    pub(crate) fn set_mode_if_known(&self, file: &File, mode: u32) -> io::Result<()> {
        match self.set_mode(file, mode) {
            Err(error) if knows_no_modes(&error) => Ok(()),
            set => set,
        }
    }

    /// Tells whether a name is taken.
    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.metadata(path).is_ok()
    }

    /// Tells from the error of a read whether nothing has the name, also because a directory above it is none.
    pub(crate) fn is_nowhere(&self, path: &Path, error: &io::Error) -> bool {
        let loops = || self.metadata(path).is_err_and(|error| is_loop(&error));
        is_absent(error) || (is_loop(error) && loops())
    }

    /// Lists a directory; one that is absent has no entries, and so has what is none.
    pub(crate) fn list_if_there(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        match self.list(path) {
            Err(error) if leads_to_none(&error) => Ok(Vec::new()),
            entries => entries,
        }
    }
}

/// Tells whether nothing has a name: it is free, or what stands where its directory should be is none.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Tells whether there is no directory: its name is free, or something else has it, such as a link to itself.
pub(crate) fn leads_to_none(error: &io::Error) -> bool {
    is_absent(error) || is_loop(error)
}

fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Tells whether trying again later cannot help: the disk lost the bytes, or the name holds something else than a file.
pub(crate) fn is_lasting(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData
        || matches!(
            error.raw_os_error().map(Errno::from_raw_os_error),
            Some(Errno::IO | Errno::LOOP | Errno::NXIO | Errno::NODEV)
        )
}

/// Tells whether a file system has no modes to set, as those of cameras and of Windows.
fn knows_no_modes(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::PERM | Errno::NOTSUP | Errno::NOSYS)
    )
}

/// A file read through the seam.
pub(crate) struct Reading<'f> {
    pub(crate) files: &'f dyn FileSystem,
    pub(crate) file: &'f File,
}

impl Read for Reading<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.files.read(self.file, bytes)
    }
}
