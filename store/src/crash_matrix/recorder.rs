//! A file system that writes down every change, and fails or lies where it is told to.

use std::collections::HashMap;
use std::fs::{DirEntry, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use rustix::io::Errno;

use super::fault::{Call, Fault, How, Lie};
use super::journal::{Entry, Journal, Mutation, Node};
use super::schedule::Schedule;
use crate::files::{FileSystem, OsFileSystem};

#[derive(Debug)]
pub(super) struct Recorder {
    base: PathBuf,
    pub(super) journal: Journal,
    schedule: Option<Schedule>,
    lie: Lie,
    fault: Mutex<Option<Fault>>,
    calls: AtomicUsize,
    hit: Mutex<Option<Call>>,
    nodes: Mutex<HashMap<u64, Node>>,
    next: AtomicUsize,
}

impl Recorder {
    pub(super) fn new(base: &Path, schedule: Option<Schedule>, lie: Lie) -> Arc<Self> {
        Arc::new(Self {
            base: base.to_path_buf(),
            journal: Journal::default(),
            schedule,
            lie,
            fault: Mutex::default(),
            calls: AtomicUsize::new(0),
            hit: Mutex::default(),
            nodes: Mutex::default(),
            next: AtomicUsize::new(0),
        })
    }

    pub(super) fn fail(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap() = fault;
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Returns what kind of call the fault met.
    pub(super) fn hit(&self) -> Option<Call> {
        *self.hit.lock().unwrap()
    }

    pub(super) fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref()
    }

    /// Overwrites a file behind the back of the store.
    pub(super) fn damage(&self, path: &Path, bytes: Vec<u8>) {
        let node = self.node(&File::open(path).unwrap());
        std::fs::write(path, &bytes).unwrap();
        // A change within one tick of the clock would go unnoticed until the next process.
        let later = SystemTime::now() + std::time::Duration::from_secs(1);
        File::open(path).unwrap().set_modified(later).unwrap();
        self.log(Mutation::Damage { node, bytes });
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.base)
            .unwrap_or(Path::new(""))
            .to_path_buf()
    }

    fn log(&self, mutation: Mutation) {
        self.journal.push(Entry::Disk(mutation));
    }

    fn node(&self, file: &File) -> Node {
        self.nodes.lock().unwrap()[&file.metadata().unwrap().ino()]
    }

    fn new_file(&self, path: &Path, act: impl FnOnce() -> io::Result<File>) -> io::Result<File> {
        let fault = self.enter(Call::Change);
        if let Some(fault) = fault.filter(|fault| fault.how != How::After) {
            return Err(fault.errno.into());
        }
        let file = act()?;
        let node = self.next.fetch_add(1, Ordering::Relaxed);
        self.nodes.lock().unwrap().insert(file.metadata()?.ino(), node);
        self.log(Mutation::Create {
            path: self.relative(path),
            node,
        });
        fault.map_or(Ok(file), |fault| Err(fault.errno.into()))
    }

    /// Counts a call and tells how it is to fail.
    fn enter(&self, call: Call) -> Option<Fault> {
        if let Some(schedule) = &self.schedule {
            schedule.turn();
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let fault = (*self.fault.lock().unwrap())?;
        if !fault.meets(number, call) || !fault.is_sensible(call) {
            return None;
        }
        self.hit.lock().unwrap().get_or_insert(call);
        Some(fault)
    }

    fn change(&self, mutation: Mutation, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.enter(Call::Change) {
            None => {
                act()?;
                self.log(mutation);
                Ok(())
            }
            Some(fault) if fault.how == How::After => {
                act()?;
                self.log(mutation);
                Err(fault.errno.into())
            }
            Some(fault) => {
                match mutation {
                    Mutation::Sync { node } => self.log(Mutation::SyncFailed { node }),
                    Mutation::SyncEverything => self.log(Mutation::SyncEverythingFailed),
                    _ => {}
                }
                Err(fault.errno.into())
            }
        }
    }

    fn look<T>(&self, call: Call, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.enter(call) {
            Some(fault) => Err(fault.errno.into()),
            None => act(),
        }
    }

    fn sync_unless(&self, lies: bool, mutation: Mutation) -> io::Result<()> {
        if lies {
            self.enter(Call::Change);
            return Ok(());
        }
        // The real disk below is memory: only the journal knows what is durable.
        self.change(mutation, || Ok(()))
    }

    /// Tells whether a directory holds directories rather than files.
    fn is_above(&self, path: &Path) -> bool {
        let depth = self.relative(path).components().count();
        depth <= 2
    }
}

impl FileSystem for Recorder {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.new_file(path, || OsFileSystem.create(path))
    }

    fn append(&self, path: &Path) -> io::Result<File> {
        if path.exists() {
            return self.look(Call::Change, || OsFileSystem.append(path));
        }
        self.new_file(path, || OsFileSystem.append(path))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.look(Call::Read, || OsFileSystem.open(path))
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        let fault = self.enter(Call::Write);
        let whole = match fault {
            None => true,
            Some(fault) => fault.how == How::After && fault.errno != Errno::INTR,
        };
        let bytes = if whole { bytes } else { &bytes[..bytes.len() / 2] };
        if fault.is_none_or(|fault| fault.errno != Errno::INTR) {
            let mut rest = bytes;
            while !rest.is_empty() {
                rest = &rest[OsFileSystem.write(file, rest)?..];
            }
            let node = self.node(file);
            self.log(Mutation::Append {
                node,
                bytes: bytes.to_vec(),
            });
        }
        fault.map_or(Ok(bytes.len()), |fault| Err(fault.errno.into()))
    }

    fn read(&self, file: &File, bytes: &mut [u8]) -> io::Result<usize> {
        self.look(Call::Read, || OsFileSystem.read(file, bytes))
    }

    fn reserve(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.look(Call::Change, || OsFileSystem.reserve(file, bytes))
    }

    fn set_length(&self, file: &File, bytes: u64) -> io::Result<()> {
        let node = self.node(file);
        self.change(Mutation::SetLength { node, bytes }, || {
            OsFileSystem.set_length(file, bytes)
        })
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        self.look(Call::Change, || OsFileSystem.set_mode(file, mode))
    }

    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        self.look(Call::Change, || OsFileSystem.set_modified(file, time))
    }

    fn begin_write_back(&self, _file: &File, _offset: u64, _bytes: u64) {}

    fn sync(&self, file: &File) -> io::Result<()> {
        let node = self.node(file);
        self.sync_unless(self.lie == Lie::Files, Mutation::Sync { node })
    }

    fn sync_everything(&self, _directory: &Path) -> io::Result<()> {
        self.sync_unless(self.lie == Lie::Everything, Mutation::SyncEverything)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let lies = match self.lie {
            Lie::Directories => true,
            Lie::DirectoriesAbove => self.is_above(path),
            Lie::None | Lie::Files | Lie::Everything => false,
        };
        std::fs::metadata(path)?;
        self.sync_unless(
            lies,
            Mutation::SyncDirectory {
                path: self.relative(path),
            },
        )
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mutation = Mutation::CreateDirectory {
            path: self.relative(path),
        };
        self.change(mutation, || OsFileSystem.create_directory(path))
    }

    fn share_directory(&self, path: &Path, like: &Path) {
        OsFileSystem.share_directory(path, like);
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mutation = Mutation::Link {
            from: self.relative(from),
            to: self.relative(to),
        };
        self.change(mutation, || OsFileSystem.link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mutation = Mutation::Rename {
            from: self.relative(from),
            to: self.relative(to),
        };
        self.change(mutation, || OsFileSystem.rename(from, to))
    }

    fn rename_exclusive(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mutation = Mutation::Rename {
            from: self.relative(from),
            to: self.relative(to),
        };
        self.change(mutation, || OsFileSystem.rename_exclusive(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mutation = Mutation::Remove {
            path: self.relative(path),
        };
        self.change(mutation, || OsFileSystem.remove_file(path))
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mutation = Mutation::Remove {
            path: self.relative(path),
        };
        self.change(mutation, || OsFileSystem.remove_directory(path))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.look(Call::Look, || OsFileSystem.metadata(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.look(Call::Look, || OsFileSystem.list(path))
    }
}
