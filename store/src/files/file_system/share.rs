//! Who may use a new directory: the people who may use the one above it, whatever the umask of who makes it.

use std::fs::{Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// New files and directories belong to the group of the directory.
const SET_GROUP: u32 = 0o2000;

/// Only the owner of a name may remove it.
const STICKY: u32 = 0o1000;

/// Gives a directory the group and the mode bits by which another one is shared.
///
/// Who owns neither is told nothing: the directory can be used by its maker all the same.
pub(super) fn share(path: &Path, like: &Path) {
    let (Ok(own), Ok(like)) = (path.symlink_metadata(), like.metadata()) else {
        return;
    };
    let Some(bits) = shared_bits(like.mode()) else {
        return;
    };
    share_with(path, &own, like.gid(), bits);
}

fn share_with(path: &Path, own: &Metadata, group: u32, bits: u32) {
    if own.gid() != group {
        // Only a member of the group may.
        let _ = std::os::unix::fs::chown(path, None, Some(group));
    }
    let mode = own.mode() & 0o7777;
    if mode | bits != mode {
        let _ = std::fs::set_permissions(path, Permissions::from_mode(mode | bits));
    }
}

/// Returns the bits that a directory hands on, `None` if it is its owner's own.
pub(super) fn shared_bits(mode: u32) -> Option<u32> {
    if mode & (SET_GROUP | 0o020) == 0 {
        return None;
    }
    let group = SET_GROUP | mode & 0o070;
    // A directory that everybody may write and nobody may tidy up, such as `/tmp`, is not shared with everybody.
    let everybody = mode & 0o002 != 0 && mode & STICKY == 0;
    Some(group | if everybody { mode & 0o007 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_hands_on_what_it_shares() {
        assert_eq!(shared_bits(0o40755), None);
        assert_eq!(shared_bits(0o40700), None);
        assert_eq!(shared_bits(0o42775), Some(0o2070));
        assert_eq!(shared_bits(0o40770), Some(0o2070));
        assert_eq!(shared_bits(0o42750), Some(0o2050));
        assert_eq!(shared_bits(0o40777), Some(0o2077));
        assert_eq!(shared_bits(0o41777), Some(0o2070));
    }

    #[test]
    fn a_new_directory_is_shared_like_the_one_above() {
        let root = tempfile::tempdir().unwrap();
        std::fs::set_permissions(root.path(), Permissions::from_mode(0o2770)).unwrap();
        let path = root.path().join("new");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        share(&path, root.path());
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o2775);
        assert_eq!(
            path.metadata().unwrap().gid(),
            root.path().metadata().unwrap().gid()
        );

        std::fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        share(&path, root.path());
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o700);
    }
}
