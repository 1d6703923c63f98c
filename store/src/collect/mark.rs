//! What something kept leads to.

use super::digest_set::DigestSet;
use super::error::CollectError;
use crate::artifacts::ArtifactKind;
use crate::names::{Digest, FileDigest, StageKey};
use crate::store::Store;

/// How much of a stage stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Its record and every blob of its results.
    Results,
    /// Its record, so that it can still be told where later results come from.
    Record,
}

/// What stays, as sets of digests; records are read, followed and forgotten one by one.
#[derive(Debug)]
pub(crate) struct Mark<'s> {
    store: &'s Store,
    results: DigestSet,
    records: DigestSet,
    unfinished: DigestSet,
    blobs: DigestSet,
    /// Lists of blobs that were followed.
    lists: DigestSet,
    /// Bytes of the marked blobs, if they are counted.
    bytes: Option<u64>,
    journal: Vec<(Set, Digest)>,
}

#[derive(Debug, Clone, Copy)]
enum Set {
    Results,
    Records,
    Unfinished,
    Blobs,
    Lists,
}

impl<'s> Mark<'s> {
    /// Begins with nothing marked; counting the bytes takes a look at every blob that is marked.
    pub(crate) fn new(store: &'s Store, count_bytes: bool) -> Self {
        Self {
            store,
            results: DigestSet::default(),
            records: DigestSet::default(),
            unfinished: DigestSet::default(),
            blobs: DigestSet::default(),
            lists: DigestSet::default(),
            bytes: count_bytes.then_some(0),
            journal: Vec::new(),
        }
    }

    /// Marks a stage and the records of all stages before it.
    pub(crate) fn stage(&mut self, key: StageKey, keep: Keep) -> Result<(), CollectError> {
        let mut waiting = vec![(key, keep)];
        while let Some((key, keep)) = waiting.pop() {
            let new = match keep {
                Keep::Results => self.insert(Set::Results, key.digest()),
                Keep::Record => {
                    !self.results.contains(key.digest()) && self.insert(Set::Records, key.digest())
                }
            };
            if !new {
                continue;
            }
            let Some(links) = self.store.action_links(&key)? else {
                if keep == Keep::Results {
                    self.insert(Set::Unfinished, key.digest());
                }
                continue;
            };
            self.blob(&links.preimage);
            waiting.extend(links.inputs().map(|stage| (stage, Keep::Record)));
            if keep == Keep::Results {
                for output in links.outputs.values() {
                    self.artifact(output.kind, &output.file)?;
                }
            }
        }
        Ok(())
    }

    /// Marks the blobs of an artifact.
    pub(crate) fn artifact(&mut self, kind: ArtifactKind, file: &FileDigest) -> Result<(), CollectError> {
        self.blob(file);
        if matches!(kind, ArtifactKind::Parts | ArtifactKind::Directory)
            && self.insert(Set::Lists, file.digest())
        {
            for member in self.store.member_links(kind, file)? {
                self.blob(&member);
            }
        }
        Ok(())
    }

    pub(crate) fn blob(&mut self, file: &FileDigest) {
        if self.insert(Set::Blobs, file.digest())
            && let Some(bytes) = &mut self.bytes
            && let Some(size) = self.store.size_anywhere(file)
        {
            *bytes += size;
        }
    }

    /// Tells whether the record of a stage stays.
    pub(crate) fn has_record(&self, key: &StageKey) -> bool {
        self.results.contains(key.digest()) || self.records.contains(key.digest())
    }

    /// Tells whether the results of a stage stay.
    pub(crate) fn has_results(&self, key: &StageKey) -> bool {
        self.results.contains(key.digest())
    }

    /// Tells whether a stage is kept that has no record yet.
    pub(crate) fn is_unfinished(&self, key: &StageKey) -> bool {
        self.unfinished.contains(key.digest())
    }

    pub(crate) fn has_blob(&self, file: &FileDigest) -> bool {
        self.blobs.contains(file.digest())
    }

    /// Returns the bytes of the marked blobs, 0 if they are not counted.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.unwrap_or_default()
    }

    /// Marks something as a whole, or not at all if more than `limit` bytes would then be marked.
    pub(crate) fn within(
        &mut self,
        limit: u64,
        mark: impl FnOnce(&mut Self) -> Result<(), CollectError>,
    ) -> Result<bool, CollectError> {
        self.journal.clear();
        let before = self.bytes;
        mark(self)?;
        let fits = self.bytes() <= limit;
        if !fits {
            self.bytes = before;
            for (set, digest) in std::mem::take(&mut self.journal) {
                self.set(set).remove(&digest);
            }
        }
        Ok(fits)
    }

    fn insert(&mut self, set: Set, digest: &Digest) -> bool {
        let new = self.set(set).insert(digest);
        if new && self.bytes.is_some() {
            self.journal.push((set, *digest));
        }
        new
    }

    fn set(&mut self, set: Set) -> &mut DigestSet {
        match set {
            Set::Results => &mut self.results,
            Set::Records => &mut self.records,
            Set::Unfinished => &mut self.unfinished,
            Set::Blobs => &mut self.blobs,
            Set::Lists => &mut self.lists,
        }
    }
}

impl Store {
    /// Returns the size of a blob, also of one in the trash.
    fn size_anywhere(&self, file: &FileDigest) -> Option<u64> {
        let path = self.layout().blob(file);
        let metadata = self.files().metadata(&path).ok();
        let metadata = metadata.or_else(|| self.files().metadata(&self.trash().in_trash(&path).ok()??).ok());
        Some(metadata?.len())
    }
}
