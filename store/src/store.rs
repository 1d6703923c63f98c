//! An open store: what it is opened with, and what all else in this crate works on.

mod creation;
mod elsewhere;
mod fan_out;
mod folders;
mod handles;
mod own_files;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use self::creation::{create, create_again, read_format, refuse_foreign_entries};
pub(crate) use self::elsewhere::Elsewhere;
pub use self::handles::{Artifacts, Blobs, Catalog, Pins, Records, Remotes, Runs, Shards};
pub(crate) use self::handles::{Objects, Trash};
use crate::error::StoreError;
use crate::files::{AtPath, FileSystem, Format, FormatError, Staging, Volume};
use crate::index::{IndexHandle, Verified};
use crate::lease::LeaseMemory;
use crate::names::{FileDigest, Layout};
use crate::open_options::OpenOptions;

/// An open store; clones share it, and any number of processes may open the same directory.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    layout: Layout,
    format: Format,
    /// There is no store yet, and none is to be made.
    absent: bool,
    staging: Staging,
    verified: Verified,
    index: Arc<IndexHandle>,
    leases: Arc<LeaseMemory>,
    elsewhere: OnceLock<Box<dyn Elsewhere>>,
    lost: Mutex<HashSet<FileDigest>>,
    renew_after: Duration,
}

impl Store {
    /// Opens the store in a directory, creating it if the directory is absent or empty.
    ///
    /// A store of a newer format whose readers this program satisfies opens read-only.
    ///
    /// # Errors
    /// [`StoreError::Format`] if the directory holds something else or needs a newer program, [`StoreError::Path`] if
    /// it cannot be read or created.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, OpenOptions::default())
    }

    /// Opens the store in a directory without creating one: an absent store is an empty one that cannot be written.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_or_empty(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, OpenOptions::default().create(false))
    }

    /// Opens the store in a directory as the options say.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_with(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, StoreError> {
        let root = std::path::absolute(path.as_ref()).at("resolve", path.as_ref())?;
        let volume = Arc::new(Volume::new(options.file_system, root.clone()));
        let layout = Layout::new(root);
        let staging = Staging::new(layout.staging(&Staging::owner()), volume);
        let (format, absent) = match read_format(staging.volume().files(), &layout) {
            Ok(Some(format)) => (format, false),
            Ok(None) if options.create => (create(&layout, &staging)?, false),
            Ok(None) => {
                refuse_foreign_entries(staging.volume().files(), &layout)?;
                (Format::new(String::new()), true)
            }
            Err(StoreError::Format(_)) if options.create => (create_again(&layout, &staging)?, false),
            Err(error) => return Err(error),
        };
        format.check_readable(&layout.format().display())?;
        let index = Arc::new(IndexHandle::new(&options.index, &format.store_id));
        Ok(Self {
            shared: Arc::new(Shared {
                layout,
                format,
                absent,
                staging,
                verified: Verified::new(Arc::clone(&index)),
                index,
                leases: Arc::new(LeaseMemory::new(options.leases)),
                elsewhere: OnceLock::new(),
                lost: Mutex::default(),
                renew_after: options.renew_after,
            }),
        })
    }

    /// Returns the directory of the store.
    pub fn root(&self) -> &Path {
        self.layout().root()
    }

    /// Returns the description in `FORMAT`.
    pub fn format(&self) -> &Format {
        &self.shared.format
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    pub(crate) fn verified(&self) -> &Verified {
        &self.shared.verified
    }

    /// What this host remembers of the store; it never fails, it only knows nothing.
    pub(crate) fn index(&self) -> &IndexHandle {
        if self.shared.index.take_rebuild() {
            self.rebuild_index();
        }
        &self.shared.index
    }

    /// Fills an index that took the place of a broken one, in the background, as long as somebody has the store open.
    fn rebuild_index(&self) {
        let store = self.clone();
        let rebuild = move || {
            // Records that cannot be listed are not indexed, which is no harm.
            let _ = store
                .catalog()
                .index_records(&|| Arc::strong_count(&store.shared) > 1);
        };
        // Without a thread the index fills as records are read.
        let _ = std::thread::Builder::new()
            .name("mitune-reindex".to_owned())
            .spawn(rebuild);
    }

    pub(crate) fn lease_memory(&self) -> Arc<LeaseMemory> {
        Arc::clone(&self.shared.leases)
    }

    /// Attaches other places and a key for as long as the store is open; returns false if some are attached already.
    pub(crate) fn attach_elsewhere(&self, elsewhere: Box<dyn Elsewhere>) -> bool {
        self.shared.elsewhere.set(elsewhere).is_ok()
    }

    pub(crate) fn elsewhere(&self) -> Option<&dyn Elsewhere> {
        self.shared.elsewhere.get().map(|elsewhere| &**elsewhere)
    }

    /// Blobs that somebody relied on and that were nowhere to be had.
    pub(crate) fn lost(&self) -> MutexGuard<'_, HashSet<FileDigest>> {
        // A panic elsewhere cannot leave the set half changed.
        self.shared.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn renew_after(&self) -> Duration {
        self.shared.renew_after
    }

    /// The system calls of this store.
    pub(crate) fn files(&self) -> &dyn FileSystem {
        self.volume().files()
    }

    pub(crate) fn volume(&self) -> &Volume {
        self.shared.staging.volume()
    }

    pub(crate) fn writable(&self) -> bool {
        self.check_writable().is_ok()
    }

    pub(crate) fn check_writable(&self) -> Result<(), FormatError> {
        if self.shared.absent {
            let path = self.root().display().to_string();
            return Err(FormatError::Absent { path });
        }
        let file = self.layout().format();
        self.shared.format.check_writable(&file.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::DIRECTORIES;

    #[test]
    fn opening_twice_gives_the_same_store() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("deep/store");
        let first = Store::open(&path).unwrap();
        let second = Store::open(&path).unwrap();
        assert_eq!(first.format(), second.format());
        assert_eq!(first.root(), path);
        for name in DIRECTORIES {
            assert!(path.join(name).is_dir(), "{name}");
        }
    }

    #[test]
    fn an_interrupted_creation_is_finished() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("blobs")).unwrap();
        std::fs::create_dir_all(root.path().join("tmp/dead")).unwrap();
        Store::open(root.path()).unwrap();
    }

    #[test]
    fn looking_for_a_store_makes_none() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("store");
        let absent = Store::open_or_empty(&path).unwrap();
        assert_eq!(absent.catalog().actions().unwrap().count(), 0);
        assert!(absent.runs().list().unwrap().is_empty());
        let writes = [
            absent.blobs().put_bytes(b"x").map(|_| ()),
            crate::RunLog::create(&absent, "tiny").map(|_| ()),
        ];
        for written in writes {
            let error = written.unwrap_err();
            assert!(
                matches!(error, StoreError::Format(FormatError::Absent { .. })),
                "{error}"
            );
        }
        assert!(!path.exists());
        let made = Store::open(&path).unwrap();
        let found = Store::open_or_empty(&path).unwrap();
        assert_eq!(found.format(), made.format());
        found.blobs().put_bytes(b"x").unwrap();
    }

    #[test]
    fn a_directory_of_something_else_is_refused() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("thesis.tex"), "x").unwrap();
        let error = Store::open_or_empty(root.path()).unwrap_err();
        assert!(error.to_string().contains("`thesis.tex`"), "{error}");
        let error = Store::open(root.path()).unwrap_err();
        assert!(error.to_string().contains("`thesis.tex`"), "{error}");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn newer_formats_are_read_only_or_refused() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let blob = store.blobs().put_bytes(b"old").unwrap();
        let write = |format: &Format| {
            std::fs::remove_file(root.path().join("FORMAT")).unwrap();
            std::fs::write(root.path().join("FORMAT"), serde_json::to_vec(format).unwrap()).unwrap();
        };
        let mut format = store.format().clone();
        format.min_writer = 2;
        write(&format);
        let newer = Store::open(root.path()).unwrap();
        assert_eq!(newer.blobs().read(&blob).unwrap(), b"old");
        let error = newer.blobs().put_bytes(b"new").unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Format(FormatError::NeedsNewerWriter { needed: 2, .. })
            ),
            "{error}"
        );

        format.min_reader = 2;
        write(&format);
        let error = Store::open(root.path()).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Format(FormatError::NeedsNewerReader { needed: 2, .. })
            ),
            "{error}"
        );

        format.min_reader = 1;
        format.hash = "md5".to_owned();
        write(&format);
        let error = Store::open(root.path()).unwrap_err();
        assert!(
            matches!(error, StoreError::Format(FormatError::Hash { .. })),
            "{error}"
        );
        let file = root.path().join("FORMAT");
        for text in [file.to_str().unwrap(), "`md5`", "move it away"] {
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_description_that_is_of_no_use_is_named_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("FORMAT");
        Store::open(root.path()).unwrap();
        std::fs::write(root.path().join(".DS_Store"), "x").unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "").unwrap();
        let error = Store::open(root.path()).unwrap_err();
        for text in ["FORMAT` is damaged", "`.DS_Store`", "move that away"] {
            assert!(error.to_string().contains(text), "{error}");
        }
        std::fs::remove_file(root.path().join(".DS_Store")).unwrap();

        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        let error = Store::open_or_empty(root.path()).unwrap_err();
        assert!(
            matches!(error, StoreError::Format(FormatError::NotAFile { .. })),
            "{error}"
        );
        Store::open(root.path()).unwrap();
        assert!(file.is_file());
    }
}
