//! Digests of files outside the store, remembered by file identity.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use mitune_stages::contract::{Digested, ExternalDigests, FileIdentity, StageError};
use mitune_store::ContentDigest;
use mitune_store::bounded_file::read;
use serde::{Deserialize, Serialize};

/// Bytes that the memory stays far below.
const SIZE_LIMIT: u64 = 64 << 20;

/// Digests remembered in one small file, which may be deleted at any time.
///
/// What is learned is written at once: processes that start while this one runs, or after it was killed, know it.
#[derive(Debug, Default)]
pub struct RememberedDigests {
    file: Option<PathBuf>,
    entries: RefCell<BTreeMap<String, Entry>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    files: Vec<FileIdentity>,
    digest: ContentDigest,
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
        Self {
            entries: RefCell::new(read_whole(&file)),
            file: Some(file),
        }
    }

    /// Keeps what was learned, beside what other processes learned meanwhile. Failing to costs only time on the next
    /// run, so nothing is reported.
    fn save(&self) {
        if let Some(file) = &self.file {
            let mut entries = read_whole(file);
            entries.extend(self.entries.borrow().clone());
            // Best effort, see above.
            let _ = write_whole(file, &entries);
        }
    }
}

fn read_whole(file: &Path) -> BTreeMap<String, Entry> {
    let bytes = read(file, SIZE_LIMIT).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

fn write_whole(file: &Path, entries: &BTreeMap<String, Entry>) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Processes of two hosts may share the folder and have one number.
    let unique = ulid::Ulid::generate();
    let staged = file.with_extension(format!("{unique}.tmp"));
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
        compute: &mut dyn FnMut() -> Result<Digested, StageError>,
    ) -> Result<ContentDigest, StageError> {
        let mut name = purpose.to_owned();
        for file in files {
            let absolute = file.canonicalize().map_err(|source| unreadable(file, source))?;
            name.push('\n');
            name.push_str(&absolute.to_string_lossy());
        }
        let before = identities(files)?;
        if let Some(entry) = self.entries.borrow().get(&name)
            && entry.files == before
        {
            return Ok(entry.digest);
        }
        let Digested { digest, read } = compute()?;
        // A file that took a name for that moment alone has lent its digest to no other.
        let same = read.iter().all(|read| before.contains(read)) && identities(files)? == before;
        if same && before.iter().all(FileIdentity::is_settled) {
            let entry = Entry {
                files: before,
                digest,
            };
            self.entries.borrow_mut().insert(name, entry);
            self.save();
        }
        Ok(digest)
    }

    fn forget(&self) {
        self.entries.borrow_mut().clear();
        if let Some(file) = &self.file {
            // Best effort, as for saving.
            let _ = std::fs::remove_file(file);
        }
    }
}

fn identities(files: &[&Path]) -> Result<Vec<FileIdentity>, StageError> {
    let identity = |file: &&Path| {
        std::fs::metadata(file)
            .map(|metadata| FileIdentity::of(&metadata))
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

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
                Ok(Digested {
                    digest: ContentDigest::new(Digest::new([calls.get(); 32])),
                    read: identities(&[&weights])?,
                })
            };
            digests.digest(purpose, &[&weights], &mut compute).unwrap()
        };
        let fresh = RememberedDigests::open(folder.path());
        assert_ne!(
            digest(&fresh, "a"),
            digest(&fresh, "a"),
            "a file that just changed is not trusted"
        );

        std::thread::sleep(Duration::from_millis(3100));
        let digests = RememberedDigests::open(folder.path());
        let first = digest(&digests, "a");
        assert_eq!(digest(&digests, "a"), first);
        assert_ne!(digest(&digests, "b"), first, "another purpose is another digest");
        digests.save();

        let reopened = RememberedDigests::open(folder.path());
        assert_eq!(digest(&reopened, "a"), first, "remembered across processes");
        std::fs::write(&weights, "two").unwrap();
        reopened.forget();
        assert_ne!(digest(&reopened, "a"), first, "a wrong digest can be forgotten");
        std::fs::write(&weights, "two").unwrap();
        assert_ne!(digest(&digests, "a"), first, "same size, other bytes");
    }

    /// A link that leads elsewhere while its file is hashed, and back before anybody looks.
    #[test]
    fn a_digest_of_other_files_than_those_named_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let [named, other] = ["named", "other"].map(|name| folder.path().join(name));
        for file in [&named, &other] {
            std::fs::write(file, "same").unwrap();
        }
        std::thread::sleep(Duration::from_millis(3100));
        let digests = RememberedDigests::open(folder.path());
        let digest = |byte: u8, read: &Path| {
            let digest = ContentDigest::new(Digest::new([byte; 32]));
            let mut compute = || {
                Ok(Digested {
                    digest,
                    read: identities(&[read])?,
                })
            };
            digests.digest("a", &[&named], &mut compute).unwrap() == digest
        };
        assert!(digest(1, &other) && digest(2, &named));
        assert!(!digest(3, &named), "remembered");
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
