//! A remote that counts what goes over, and fails or lies as it is told.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mitune_store::FileDigest;
use mitune_store::remote::{Created, Listing, Object, Remote, RemoteError, Sink};

/// Counts what goes over, and fails or lies as it is told.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<dyn Remote>,
    pub(crate) uploads: AtomicU64,
    pub(crate) fetched: AtomicU64,
    pub(crate) tombstones: AtomicU64,
    /// Uploads and fetches that succeed before all fail.
    breaks_after: AtomicU64,
    /// A blob that is not there.
    pub(crate) evicted: Option<FileDigest>,
    /// An object that this one may not read.
    pub(crate) denied: Option<Object>,
    /// Lists what was there before the last object.
    pub(crate) lags: bool,
}

impl Faulty {
    pub(crate) fn new(inner: &Arc<dyn Remote>, breaks_after: u64) -> Self {
        Self {
            inner: Arc::clone(inner),
            uploads: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            tombstones: AtomicU64::new(0),
            breaks_after: AtomicU64::new(breaks_after),
            evicted: None,
            denied: None,
            lags: false,
        }
    }

    fn work(&self) -> Result<(), RemoteError> {
        let left = self.breaks_after.load(Ordering::Relaxed);
        if left == 0 {
            let (place, source) = (self.place(), "the line is cut".into());
            return Err(RemoteError::Unreachable { place, source });
        }
        self.breaks_after.store(left - 1, Ordering::Relaxed);
        Ok(())
    }

    fn allow(&self, object: &Object) -> Result<(), RemoteError> {
        match self.denied == Some(*object) {
            true => Err(RemoteError::Denied {
                place: self.place(),
                object: object.to_string(),
                detail: "AccessDenied".to_owned(),
            }),
            false => Ok(()),
        }
    }

    fn is_gone(&self, object: &Object) -> bool {
        self.evicted.is_some_and(|blob| *object == Object::Blob(blob))
    }
}

impl Remote for Faulty {
    fn place(&self) -> String {
        self.inner.place()
    }
    fn size(&self, object: &Object) -> Result<Option<u64>, RemoteError> {
        if self.is_gone(object) {
            Ok(None)
        } else {
            self.inner.size(object)
        }
    }
    fn read(&self, object: &Object, limit: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        if matches!(object, Object::Tombstone(..)) {
            self.tombstones.fetch_add(1, Ordering::Relaxed);
        }
        self.allow(object)?;
        if self.is_gone(object) {
            Ok(None)
        } else {
            self.inner.read(object, limit)
        }
    }
    fn fetch(&self, blob: &FileDigest, size: u64, sink: &mut Sink<'_>) -> Result<bool, RemoteError> {
        if self.is_gone(&Object::Blob(*blob)) {
            return Ok(false);
        }
        self.allow(&Object::Blob(*blob))?;
        self.work()?;
        self.fetched.fetch_add(1, Ordering::Relaxed);
        self.inner.fetch(blob, size, sink)
    }
    fn create(&self, object: &Object, bytes: &[u8]) -> Result<Created, RemoteError> {
        self.inner.create(object, bytes)
    }
    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), RemoteError> {
        self.inner.replace(object, bytes)
    }
    fn upload(&self, blob: &FileDigest, path: &Path, size: u64) -> Result<(), RemoteError> {
        self.work()?;
        self.uploads.fetch_add(1, Ordering::Relaxed);
        self.inner.upload(blob, path, size)
    }
    fn list(&self, folder: &str) -> Result<Listing, RemoteError> {
        let mut listing = self.inner.list(folder)?;
        if self.lags {
            listing.files.pop();
        }
        Ok(listing)
    }
    fn remove_canary(&self, object: &Object) -> Result<(), RemoteError> {
        self.inner.remove_canary(object)
    }
}
