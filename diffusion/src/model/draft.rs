//! A folder that appears complete or not at all.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ModelError;

/// Whether a folder without entries may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    /// An empty folder may be there.
    Allowed,
    /// Nothing may be there.
    Refused,
}

/// Lets `write` fill a folder beside `path`, and renames it to `path` when it is complete.
///
/// A process that is killed leaves the draft, `.NAME.draft-PROCESS`, and nothing at `path`. The next
/// one that writes to `path` removes it, on systems where it can be seen that the process is gone.
pub(super) fn write_whole(
    path: &Path,
    empty: Empty,
    write: impl FnOnce(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    // Also a link that leads nowhere is there.
    let replaceable = empty == Empty::Allowed && is_empty_folder(path);
    if path.symlink_metadata().is_ok() && !replaceable {
        return Err(ModelError::Exists {
            path: path.to_owned(),
        });
    }
    let draft = draft_of(path);
    remove_left_drafts(&draft);
    let written = write(&draft).and_then(|()| {
        std::fs::rename(&draft, path).map_err(|source| match source.kind() {
            // Another process was faster.
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists => ModelError::Exists {
                path: path.to_owned(),
            },
            _ => ModelError::Write {
                path: path.to_owned(),
                source,
            },
        })
    });
    if written.is_err() {
        // Nothing better can be done about a draft that cannot be removed.
        let _ = std::fs::remove_dir_all(&draft);
    }
    written
}

/// Removes the drafts of the same name whose process is gone.
fn remove_left_drafts(draft: &Path) {
    let (Some(folder), Some(name)) = (draft.parent(), draft.file_name().and_then(OsStr::to_str)) else {
        return;
    };
    let own = name.rfind('-').map_or(name, |end| &name[..=end]);
    // A relative path of one part has an empty parent.
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let processes = Path::new("/proc");
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let number = found.to_str().and_then(|found| found.strip_prefix(own));
        let gone = number
            .and_then(|number| number.parse::<u32>().ok())
            .is_some_and(|number| {
                processes.join("self").exists() && !processes.join(number.to_string()).exists()
            });
        if gone {
            // One that cannot be removed is in nobody's way.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_empty_folder(path: &Path) -> bool {
    let entries = std::fs::read_dir(path);
    entries.is_ok_and(|mut entries| entries.next().is_none())
}

/// A name beside `path` that no other process uses.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    // `.` and `..` have no name of their own.
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    name.push(whole.file_name().unwrap_or_default());
    name.push(format!(".draft-{}", std::process::id()));
    whole.with_file_name(name)
}
