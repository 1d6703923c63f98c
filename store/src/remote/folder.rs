//! A remote that is a folder: just a second store, on a disk or a network file system.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::{Created, Listing, Remote, RemoteError, Sink};
use crate::error::StoreError;
use crate::files::{AtPath, PathError};
use crate::names::{FileDigest, Object};
use crate::store::Store;

const CHUNK: usize = 1 << 20;

/// Another store in a folder, written by the same steps as the one here.
#[derive(Debug, Clone)]
pub struct Folder {
    store: Store,
}

impl Folder {
    /// Takes an open store as a remote.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    fn open(&self, object: &Object) -> Result<Option<(File, u64)>, RemoteError> {
        let open = || {
            let opened = self.store.objects().open_object(object);
            opened.map_err(|error| self.failed("read", &object.to_string(), error))
        };
        match (open()?, object) {
            (None, Object::Blob(blob)) if self.store.fetch_elsewhere(blob) => open(),
            (opened, _) => Ok(opened),
        }
    }

    /// What goes wrong with one file there is no fault of the store here.
    fn failed(&self, action: &'static str, object: &str, error: PathError) -> RemoteError {
        RemoteError::Failed {
            place: self.place(),
            action,
            object: object.to_owned(),
            source: error.into_io().into(),
        }
    }
}

impl Remote for Folder {
    fn place(&self) -> String {
        format!("Folder `{}`", self.store.root().display())
    }

    fn size(&self, object: &Object) -> Result<Option<u64>, RemoteError> {
        let size = self.store.objects().object_size(object);
        let size = size.map_err(|error| self.failed("look for", &object.to_string(), error))?;
        match (size, object) {
            // The store may have remotes of its own.
            (None, Object::Blob(blob)) => Ok(self.store.size_elsewhere(blob, None)),
            (size, _) => Ok(size),
        }
    }

    fn read(&self, object: &Object, limit: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        let Some((file, size)) = self.open(object)? else {
            return Ok(None);
        };
        // The store may have runs of its own, which several processes wrote.
        if let Object::Run(run) = object
            && let Ok(Some(bytes)) = self.store.runs().joined_run_bytes(run)
        {
            return Ok(Some(bytes));
        }
        let too_large = |size| RemoteError::TooLarge {
            place: self.place(),
            object: object.to_string(),
            size,
            limit,
        };
        if size > limit {
            return Err(too_large(size));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let path = self.store.objects().object_path(object);
        let read = file
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .at("read", &path);
        read.map_err(|error| self.failed("read", &object.to_string(), error))?;
        match bytes.len() as u64 > limit {
            true => Err(too_large(bytes.len() as u64)),
            false => Ok(Some(bytes)),
        }
    }

    fn fetch(&self, blob: &FileDigest, _size: u64, sink: &mut Sink<'_>) -> Result<bool, RemoteError> {
        let object = Object::Blob(*blob);
        let Some((file, _)) = self.open(&object)? else {
            return Ok(false);
        };
        let path = self.store.objects().object_path(&object);
        pieces(file, sink, |error| {
            self.failed("read", &object.to_string(), PathError::new("read", &path, error))
        })?;
        Ok(true)
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<Created, RemoteError> {
        Ok(self.store.objects().create_object(object, bytes)?)
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), RemoteError> {
        Ok(self.store.objects().replace_object(object, bytes)?)
    }

    fn upload(&self, blob: &FileDigest, path: &Path, size: u64) -> Result<(), RemoteError> {
        if self.store.blobs().has_durable(blob, size)? {
            return Ok(());
        }
        let mut writer = self.store.blobs().writer(Some(size))?;
        let file = File::open(path).at("read", path)?;
        pieces(file, &mut |bytes| Ok(writer.append(bytes)?), |error| {
            PathError::new("read", path, error).into()
        })?;
        Ok(writer.finish_as(blob)?)
    }

    fn list(&self, folder: &str) -> Result<Listing, RemoteError> {
        let names = self.store.objects().object_names(folder);
        names.map_err(|error| self.failed("list", folder, error))
    }

    fn remove_canary(&self, object: &Object) -> Result<(), RemoteError> {
        let path = self.store.objects().object_path(object);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Ok(Err(error).at("remove", &path)?),
            _ => Ok(()),
        }
    }
}

/// Hands over a file piece by piece.
fn pieces(
    mut file: File,
    sink: &mut Sink<'_>,
    failed: impl Fn(std::io::Error) -> RemoteError,
) -> Result<(), RemoteError> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => sink(&chunk[..read])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

impl From<PathError> for RemoteError {
    fn from(error: PathError) -> Self {
        Self::Store(StoreError::Path(error))
    }
}
