//! What a remote is known to have, remembered on this host.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use mitune_bounded_file::read;

use crate::files::is_identity;
use crate::names::Object;

const MAGIC: &[u8; 16] = b"mitune have v1\n\0";

/// A file of so many marks would be slower than asking.
const SIZE_LIMIT: u64 = 1 << 30;

/// After so long the remote is asked again, because its collector may have removed something.
const GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

/// A hash of a name. Half a digest is enough here: a chance agreement would need 2^64 objects.
type Mark = [u8; 16];

/// Names of objects that a remote has; a plain file in the cache folder that may be deleted at any time.
#[derive(Debug, Default)]
pub(crate) struct KnownObjects {
    path: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    loaded: bool,
    changed: bool,
    marks: HashSet<Mark>,
    /// When the oldest of them was known, in seconds since 1970.
    since: u64,
}

impl KnownObjects {
    /// Remembers in a file of the folder, or only in memory without one.
    pub(crate) fn new(folder: Option<&Path>, remote_store: &str) -> Self {
        let named = folder.filter(|_| is_identity(remote_store));
        Self {
            path: named.map(|folder| folder.join(format!("have.{remote_store}"))),
            state: Mutex::default(),
        }
    }

    pub(crate) fn contains(&self, object: &Object) -> bool {
        self.state().marks.contains(&mark(object))
    }

    pub(crate) fn extend(&self, objects: impl IntoIterator<Item = Object>) {
        let mut state = self.state();
        for object in objects {
            state.changed |= state.marks.insert(mark(&object));
        }
    }

    pub(crate) fn remove(&self, object: &Object) {
        let mut state = self.state();
        state.changed |= state.marks.remove(&mark(object));
    }

    /// Writes what was learned; failing costs only time at the next push.
    pub(crate) fn save(&self) {
        let mut state = self.state();
        let Some(path) = self.path.as_ref().filter(|_| state.changed) else {
            return;
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(state.since.to_le_bytes());
        bytes.extend(state.marks.iter().flatten());
        bytes.extend(blake3::hash(&bytes).as_bytes());
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::File::create(&draft)?.write_all(&bytes))
            .and_then(|()| std::fs::rename(&draft, path));
        match written {
            Ok(()) => state.changed = false,
            Err(_) => drop(std::fs::remove_file(&draft)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.loaded {
            let stored = self.path.as_deref().and_then(load);
            (state.since, state.marks) = stored.unwrap_or_else(|| (now(), HashSet::new()));
            state.loaded = true;
        }
        state
    }
}

fn load(path: &Path) -> Option<(u64, HashSet<Mark>)> {
    let bytes = read(path, SIZE_LIMIT).ok()?;
    let (content, hash) = bytes.split_last_chunk::<32>()?;
    let (since, marks) = content.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    let since = u64::from_le_bytes(*since);
    let age = now().checked_sub(since)?;
    let good = *blake3::hash(content).as_bytes() == *hash && age < GOOD_FOR.as_secs();
    let (marks, rest) = marks.as_chunks::<16>();
    (good && rest.is_empty()).then(|| (since, marks.iter().copied().collect()))
}

fn mark(object: &Object) -> Mark {
    let hash = blake3::hash(object.to_string().as_bytes());
    let mut mark = [0; 16];
    mark.copy_from_slice(&hash.as_bytes()[..16]);
    mark
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::FileDigest;

    #[test]
    fn marks_survive_damage_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let object = |text: &str| Object::Blob(FileDigest::of(text.as_bytes()));
        let marks = KnownObjects::new(Some(folder.path()), "store");
        assert!(!marks.contains(&object("a")));
        marks.extend([object("a"), object("b")]);
        marks.save();
        let back = KnownObjects::new(Some(folder.path()), "store");
        assert!(back.contains(&object("a")) && back.contains(&object("b")) && !back.contains(&object("c")));
        assert!(!KnownObjects::new(Some(folder.path()), "other").contains(&object("a")));

        let path = folder.path().join("have.store");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(!KnownObjects::new(Some(folder.path()), "store").contains(&object("a")));
    }
}
