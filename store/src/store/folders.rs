//! Telling directories of a store from what else has their names, such as links that lead out of it.

use std::io::{Error, ErrorKind};
use std::path::Path;

use super::Store;
use crate::files::{AtPath, NOT_A_DIRECTORY, PathError, is_directory};

impl Store {
    /// Makes sure that nothing else has the name of a folder whose records say what is needed: what it held would be
    /// collected.
    pub(crate) fn check_folders(&self) -> Result<(), PathError> {
        let top = ["actions", "shards", "checkpoints", "runs", "leases", "roots"];
        let folders = top.map(|name| self.layout().directory(name)).into_iter();
        for folder in folders.chain([self.layout().pins()]) {
            if self.files().exists(&folder) && !is_directory(self.files(), &folder) {
                return Err(Error::new(ErrorKind::NotADirectory, NOT_A_DIRECTORY)).at("list", &folder);
            }
        }
        Ok(())
    }

    /// Makes sure that no symbolic link leads to a directory of the store: what lies behind one may belong to somebody
    /// else, so nothing is moved or removed there. An absent directory will do.
    pub(crate) fn check_inside(&self, directory: &Path) -> Result<(), PathError> {
        let mut path = self.root().to_path_buf();
        for name in directory.strip_prefix(self.root()).unwrap_or(directory) {
            path.push(name);
            let refused = match self.files().metadata(&path) {
                Ok(metadata) if metadata.is_dir() => continue,
                Ok(metadata) if metadata.is_symlink() => "it is a symbolic link, which is not followed",
                Ok(_) => NOT_A_DIRECTORY,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error).at("list", &path),
            };
            return Err(Error::new(ErrorKind::NotADirectory, refused)).at("list", &path);
        }
        Ok(())
    }
}
