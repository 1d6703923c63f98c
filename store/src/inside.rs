//! Telling directories of a store from links that lead out of it.

use std::io::{Error, ErrorKind};
use std::path::Path;

use crate::path_error::{AtPath, PathError};
use crate::store::Store;

impl Store {
    /// Makes sure that no symbolic link leads to a directory of the store: what lies behind one may belong to somebody
    /// else, so nothing is moved or removed there. An absent directory will do.
    pub(crate) fn check_inside(&self, directory: &Path) -> Result<(), PathError> {
        let mut path = self.root().to_path_buf();
        for name in directory.strip_prefix(self.root()).unwrap_or(directory) {
            path.push(name);
            let refused = match self.files().metadata(&path) {
                Ok(metadata) if metadata.is_dir() => continue,
                Ok(metadata) if metadata.is_symlink() => "it is a symbolic link, which is not followed",
                Ok(_) => "it is not a directory",
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error).at("list", &path),
            };
            return Err(Error::new(ErrorKind::NotADirectory, refused)).at("list", &path);
        }
        Ok(())
    }
}
