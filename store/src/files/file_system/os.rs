//! The file system of the operating system.

use std::fs::{DirBuilder, DirEntry, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{Advice, CWD, FallocateFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::FileSystem;
use super::share::share;

/// Asks the operating system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OsFileSystem;

impl FileSystem for OsFileSystem {
    fn create(&self, path: &Path) -> io::Result<File> {
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(flags)
            .open(path)
    }

    fn append(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        OpenOptions::new()
            .append(true)
            .create(true)
            .custom_flags(flags)
            .open(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        // A pipe under a name of the store must not hold its reader up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn read(&self, mut file: &File, bytes: &mut [u8]) -> io::Result<usize> {
        file.read(bytes)
    }

    fn reserve(&self, file: &File, bytes: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes)?)
    }

    fn set_length(&self, file: &File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
    }

    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        file.set_modified(time)
    }

    fn begin_write_back(&self, file: &File, offset: u64, bytes: u64) {
        // Linux begins to write dirty pages that are said to be needed no more, and keeps them until they are written.
        let _ = rustix::fs::fadvise(file, offset, NonZeroU64::new(bytes), Advice::DontNeed);
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_everything(&self, directory: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(directory)?)?)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match rustix::fs::fsync(File::open(path)?) {
            Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            synced => Ok(synced?),
        }
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o777).create(path)
    }

    fn share_directory(&self, path: &Path, like: &Path) {
        share(path, like);
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn rename_exclusive(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(
            CWD,
            from,
            CWD,
            to,
            RenameFlags::NOREPLACE,
        )?)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        path.symlink_metadata()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        std::fs::read_dir(path)?.collect()
    }
}
