//! Digests of files outside the store, remembered by file identity.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mitune_stages::stage::{ExternalDigests, StageError};
use mitune_store::ContentDigest;
use mitune_store::bounded_file::read;
use serde::{Deserialize, Serialize};

/// A file changed this recently may change again within the resolution of its times, so it is not remembered.
const SETTLED: Duration = Duration::from_secs(2);

/// Bytes that the memory stays far below.
const SIZE_LIMIT: u64 = 64 << 20;

/// Digests remembered in one small file, which may be deleted at any time.
#[derive(Debug, Default)]
pub struct RememberedDigests {
    file: Option<PathBuf>,
    memory: RefCell<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    entries: BTreeMap<String, Entry>,
    changed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    files: Vec<Identity>,
    digest: ContentDigest,
}

/// What changes whenever the bytes of a file may have changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

/// A file that a stage needs and that cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("Cannot read `{}`", path.display())]
struct UnreadableFile {
    path: PathBuf,
    source: std::io::Error,
}

impl RememberedDigests {
    /// Opens the memory in a folder; anything wrong with it counts as having forgotten everything.
    pub fn open(folder: &Path) -> Self {
        let file = folder.join("external-digests-v1.json");
        let entries = read(&file, SIZE_LIMIT)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let memory = Memory {
            entries: entries.unwrap_or_default(),
            changed: false,
        };
        Self {
            file: Some(file),
            memory: RefCell::new(memory),
        }
    }

    /// Keeps what was learned. Failing to costs only time on the next run, so nothing is reported.
    pub fn save(&self) {
        let memory = self.memory.borrow();
        let Some(file) = self.file.as_ref().filter(|_| memory.changed) else {
            return;
        };
        // Best effort, see above.
        let _ = write_whole(file, &memory.entries);
    }
}

fn write_whole(file: &Path, entries: &BTreeMap<String, Entry>) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let staged = file.with_extension(format!("{}.tmp", std::process::id()));
    let written = std::fs::File::create(&staged)
        .and_then(|mut target| target.write_all(&serde_json::to_vec(entries)?))
        .and_then(|()| std::fs::rename(&staged, file));
    if written.is_err() {
        std::fs::remove_file(&staged)?;
    }
    written
}

impl ExternalDigests for RememberedDigests {
    fn digest(
        &self,
        purpose: &str,
        files: &[&Path],
        compute: &mut dyn FnMut() -> Result<ContentDigest, StageError>,
    ) -> Result<ContentDigest, StageError> {
        let mut name = purpose.to_owned();
        for file in files {
            let absolute = file.canonicalize().map_err(|source| unreadable(file, source))?;
            name.push('\n');
            name.push_str(&absolute.to_string_lossy());
        }
        let before = identities(files)?;
        if let Some(entry) = self.memory.borrow().entries.get(&name)
            && entry.files == before
        {
            return Ok(entry.digest);
        }
        let digest = compute()?;
        if identities(files)? == before && before.iter().all(Identity::is_settled) {
            let mut memory = self.memory.borrow_mut();
            memory.entries.insert(
                name,
                Entry {
                    files: before,
                    digest,
                },
            );
            memory.changed = true;
        }
        Ok(digest)
    }
}

fn identities(files: &[&Path]) -> Result<Vec<Identity>, StageError> {
    let identity = |file: &&Path| {
        std::fs::metadata(file)
            .map(|metadata| Identity::of(&metadata))
            .map_err(|source| unreadable(file, source))
    };
    files.iter().map(identity).collect()
}

fn unreadable(path: &Path, source: std::io::Error) -> StageError {
    StageError::configuration(UnreadableFile {
        path: path.to_owned(),
        source,
    })
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(u64::try_from(self.ctime.0).unwrap_or_default());
        now.saturating_sub(changed) > SETTLED
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use mitune_store::Digest;

    use super::*;

    #[test]
    fn files_are_digested_again_only_when_they_changed() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("weights");
        std::fs::write(&weights, "one").unwrap();
        let calls = Cell::new(0_u8);
        let digest = |digests: &RememberedDigests, purpose: &str| {
            let mut compute = || {
                calls.set(calls.get() + 1);
                Ok(ContentDigest::new(Digest::new([calls.get(); 32])))
            };
            digests.digest(purpose, &[&weights], &mut compute).unwrap()
        };
        let fresh = RememberedDigests::open(folder.path());
        assert_ne!(
            digest(&fresh, "a"),
            digest(&fresh, "a"),
            "a file that just changed is not trusted"
        );

        std::thread::sleep(SETTLED + Duration::from_millis(1100));
        let digests = RememberedDigests::open(folder.path());
        let first = digest(&digests, "a");
        assert_eq!(digest(&digests, "a"), first);
        assert_ne!(digest(&digests, "b"), first, "another purpose is another digest");
        digests.save();

        let reopened = RememberedDigests::open(folder.path());
        assert_eq!(digest(&reopened, "a"), first, "remembered across processes");
        std::fs::write(&weights, "two").unwrap();
        assert_ne!(digest(&reopened, "a"), first, "same size, other bytes");
    }

    #[test]
    fn a_missing_file_is_named_and_a_broken_memory_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("external-digests-v1.json"), "{").unwrap();
        let digests = RememberedDigests::open(folder.path());
        let missing = folder.path().join("unet.safetensors");
        let error = digests
            .digest("a", &[&missing], &mut || unreachable!())
            .unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)));
        assert!(error.to_string().contains("unet.safetensors"), "{error}");
    }
}
