//! The files of a store on this side of an exchange, or of one in a folder on the other.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Created, Listing};
use crate::error::StoreError;
use crate::files::{AtPath, PathError, Placed, is_absent, publish, replace};
use crate::names::Object;
use crate::store::Objects;

impl Objects<'_> {
    pub(crate) fn object_path(&self, object: &Object) -> PathBuf {
        self.store.root().join(object.to_string())
    }

    /// Opens a file that stores exchange, `None` if it is not there.
    pub(crate) fn open_object(&self, object: &Object) -> Result<Option<(File, u64)>, PathError> {
        let path = self.object_path(object);
        match self.store.files().open_regular(&path) {
            Ok((file, metadata)) => Ok(Some((file, metadata.len()))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error).at("read", &path),
        }
    }

    pub(crate) fn object_size(&self, object: &Object) -> Result<Option<u64>, PathError> {
        let path = self.object_path(object);
        match self.store.files().metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error).at("read", &path),
        }
    }

    /// Reads a record as its bytes stand there, `None` if it is absent.
    pub(crate) fn object_bytes(&self, object: &Object) -> Result<Option<Vec<u8>>, PathError> {
        let path = self.object_path(object);
        match self.store.files().read_bounded(&path, object.limit()) {
            Ok((bytes, _)) => Ok(Some(bytes)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error).at("read", &path),
        }
    }

    /// Creates a record with exactly these bytes unless there is one.
    pub(crate) fn create_object(&self, object: &Object, bytes: &[u8]) -> Result<Created, StoreError> {
        let staged = self.store.stage_bytes(bytes)?;
        Ok(match publish(&staged, &self.object_path(object))? {
            Placed::New => Created::New,
            Placed::Existed => Created::Existed,
        })
    }

    /// Puts a record in the place of another.
    pub(crate) fn replace_object(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        let staged = self.store.stage_bytes(bytes)?;
        Ok(replace(&staged, &self.object_path(object))?)
    }

    /// Lists a folder of the store; an absent one is empty.
    pub(crate) fn object_names(&self, folder: &str) -> Result<Listing, PathError> {
        let path = self.store.root().join(folder);
        let mut listing = Listing::default();
        if self
            .store
            .files()
            .metadata(&path)
            .is_ok_and(|found| !found.is_dir())
        {
            listing.odd.push(odd(&path, "is no folder"));
        }
        for entry in self.store.entries(&path)? {
            // What is not spelled as the store spells names is no file of it.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => listing.folders.push(name),
                Ok(kind) if kind.is_file() => listing.files.push(name),
                Ok(_) => listing.odd.push(odd(&entry.path(), "is no regular file")),
                Err(error) => listing.odd.push(odd(&entry.path(), &error.to_string())),
            }
        }
        Ok(listing)
    }
}

fn odd(path: &Path, why: &str) -> String {
    format!("`{}` {why}", path.display())
}
