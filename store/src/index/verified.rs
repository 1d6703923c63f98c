//! Which files were found good, so that their bytes are not hashed again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use super::entry::Tree;
use super::handle::IndexHandle;
use crate::files::FileIdentity;
use crate::names::{Digest, FileDigest};

/// Pages of the index that are read ahead.
const PAGES_AHEAD: u32 = 4;

/// The files whose bytes were hashed and found good, by this process or by one before it on this host.
#[derive(Debug)]
pub(crate) struct Verified {
    known: Mutex<HashMap<FileDigest, FileIdentity>>,
    index: Arc<IndexHandle>,
    read_ahead: Once,
}

impl Verified {
    pub(crate) fn new(index: Arc<IndexHandle>) -> Self {
        Self {
            known: Mutex::default(),
            index,
            read_ahead: Once::new(),
        }
    }

    pub(crate) fn contains(&self, file: &FileDigest, identity: &FileIdentity) -> bool {
        self.read_ahead.call_once(|| self.read_ahead());
        if let Some(known) = self.known().get(file) {
            return known == identity;
        }
        let value = self.index.get(Tree::Verified.key(&[file.as_bytes()]));
        let Some(remembered) = value.and_then(|value| FileIdentity::from_bytes(&value)) else {
            return false;
        };
        self.known().insert(*file, remembered);
        remembered == *identity
    }

    pub(crate) fn insert(&self, file: FileDigest, identity: FileIdentity) {
        self.known().insert(file, identity);
        if identity.is_settled() {
            self.index
                .put(Tree::Verified.key(&[file.as_bytes()]), identity.to_bytes());
        }
    }

    pub(crate) fn remove(&self, file: &FileDigest) {
        self.known().remove(file);
        self.index.remove(Tree::Verified.key(&[file.as_bytes()]));
    }

    /// Takes over what the index knows, as far as it is little: one request instead of one for each file.
    fn read_ahead(&self) {
        let prefix = Tree::Verified.key(&[]);
        let mut pages = 0;
        self.index.scan(&prefix, |pairs| {
            let mut known = self.known();
            for (key, value) in pairs {
                let digest = key[prefix.len()..].try_into().ok().map(Digest::new);
                if let (Some(digest), Some(identity)) = (digest, FileIdentity::from_bytes(&value)) {
                    known.entry(FileDigest::new(digest)).or_insert(identity);
                }
            }
            pages += 1;
            pages < PAGES_AHEAD
        });
    }

    fn known(&self) -> MutexGuard<'_, HashMap<FileDigest, FileIdentity>> {
        // A panic elsewhere cannot leave the map half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
