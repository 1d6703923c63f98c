//! Setting doubtful files aside, so that their names are free for a good one.

use std::path::Path;

use super::file_system::FileSystem;
use super::identity::FileIdentity;
use super::volume::ensure_directory;

/// Moves a file unless another one has taken its name since it was judged.
pub(crate) fn move_if_same(files: &dyn FileSystem, path: &Path, aside: &Path, judged: &FileIdentity) -> bool {
    if let Some(directory) = aside.parent()
        && ensure_directory(files, directory).is_err()
    {
        return false;
    }
    match files.rename(path, aside) {
        Ok(()) => {}
        Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
    }
    // A rename between two names of one file does nothing: after a crash or a lost reply both may be there.
    if files
        .metadata(path)
        .is_ok_and(|left| FileIdentity::of(&left).same_file(judged))
    {
        return files.remove_file(path).is_ok();
    }
    // Somebody may have put a good file there between the judgement and the move: give it its name back.
    let moved = files.metadata(aside).map(|metadata| FileIdentity::of(&metadata));
    if matches!(moved, Ok(moved) if !moved.same_file(judged)) && files.link(aside, path).is_ok() {
        let _ = files.remove_file(aside);
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::OsFileSystem;

    #[test]
    fn a_file_that_has_both_names_already_loses_the_first() {
        let root = tempfile::tempdir().unwrap();
        let (path, aside) = (root.path().join("record"), root.path().join("aside"));
        std::fs::write(&path, "bad").unwrap();
        std::fs::hard_link(&path, &aside).unwrap();
        let judged = FileIdentity::of(&path.symlink_metadata().unwrap());
        assert!(move_if_same(&OsFileSystem, &path, &aside, &judged));
        assert!(!path.exists() && aside.exists());
    }

    #[test]
    fn a_file_that_came_after_the_judgement_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("record");
        let aside = root.path().join("quarantine/record");
        std::fs::write(&path, "bad").unwrap();
        let judged = FileIdentity::of(&path.symlink_metadata().unwrap());
        std::fs::write(root.path().join("new"), "good").unwrap();
        std::fs::rename(root.path().join("new"), &path).unwrap();
        assert!(!move_if_same(&OsFileSystem, &path, &aside, &judged));
        assert_eq!(std::fs::read(&path).unwrap(), b"good");
        assert!(!aside.exists());

        let judged = FileIdentity::of(&path.symlink_metadata().unwrap());
        assert!(move_if_same(&OsFileSystem, &path, &aside, &judged));
        assert!(!path.exists() && aside.exists());
        assert!(
            move_if_same(&OsFileSystem, &path, &aside, &judged),
            "a file that is gone already is gone"
        );
    }
}
