//! Files that pretend to be old.

use std::path::Path;
use std::time::{Duration, SystemTime};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Makes a file or directory look as if it was last written some days ago.
pub(crate) fn make_old(path: &Path, days: u32) {
    let time = SystemTime::now() - DAY * days;
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}

/// Makes everything below a directory, and the directories themselves, look old.
pub(crate) fn make_all_old(directory: &Path, days: u32) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            make_all_old(&path, days);
        } else {
            make_old(&path, days);
        }
    }
    make_old(directory, days);
}
