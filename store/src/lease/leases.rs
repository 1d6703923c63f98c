//! Taking leases.

use std::sync::Arc;
use std::time::Duration;

use super::content::Content;
use super::directory::LeaseDirectory;
use super::held::Lease;
use super::memory::LeaseMemory;
use super::owner::Owner;
use super::protocol::{Advice, confirm};
use crate::error::StoreError;
use crate::files::{AtPath, Life, age};
use crate::names::LeaseKey;
use crate::store::Store;

/// What came of an attempt to take a lease.
#[derive(Debug)]
pub enum Claim {
    /// The work is this process's. Look up its result again before beginning: it may have come in just now.
    Mine(Lease),
    /// Somebody else does it.
    Held(Holder),
    /// No lease can be taken, so do the work without one: leases are turned off, or the store cannot take a file.
    Without(Option<StoreError>),
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process, if its file can be read.
    pub owner: Option<Owner>,
    /// What it does.
    pub what: String,
    /// How long ago this process saw the last sign of life of it.
    pub unchanged: Duration,
}

/// The leases of a store.
#[derive(Debug, Clone)]
pub struct Leases {
    store: Store,
    memory: Arc<LeaseMemory>,
}

impl Store {
    /// Returns the leases of the store.
    pub fn leases(&self) -> Leases {
        Leases {
            store: self.clone(),
            memory: self.lease_memory(),
        }
    }
}

impl Leases {
    /// Tries to take the lease of a piece of work, without waiting; `what` tells others what is done.
    ///
    /// Whoever calls it again and again takes over from a holder that dies.
    pub fn claim(&self, key: &LeaseKey, what: &str) -> Claim {
        let settings = self.memory.settings();
        if !settings.enabled || !self.store.writable() {
            return Claim::Without(None);
        }
        let directory = LeaseDirectory::new(&self.store, key);
        let content = Content::new(Owner::this_process(settings.job.as_deref()), what);
        match self.try_claim(&directory, key, content) {
            Ok(claim) => claim,
            Err(error) => Claim::Without(Some(error)),
        }
    }

    /// Lists the leases that somebody holds or held until it died, with their holders.
    ///
    /// # Errors
    /// [`StoreError::Path`] if they cannot be listed.
    pub fn list(&self) -> Result<Vec<(LeaseKey, Holder)>, StoreError> {
        let mut leases = Vec::new();
        for entry in self.store.entries(&self.store.layout().leases())? {
            let name = entry.file_name();
            let Some(digest) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let key = LeaseKey::new(digest);
            if let Ok(Some(sight)) = LeaseDirectory::new(&self.store, &key).newest() {
                leases.push((key, holder(&sight.content, Duration::ZERO)));
            }
        }
        leases.sort_by_key(|(key, _)| *key);
        Ok(leases)
    }

    /// Tells whether the holder of a lease lives, without trying to take it; unknown where nobody holds it.
    ///
    /// A holder on another host lives as long as its file changes, by the clock of the file system.
    pub(crate) fn holder_life(&self, key: &LeaseKey) -> Life {
        let directory = LeaseDirectory::new(&self.store, key);
        let Ok(Some(sight)) = directory.newest() else {
            return Life::Unknown;
        };
        match Content::from_bytes(&sight.content) {
            None => return Life::Unknown,
            Some(content) if content.owner.is_dead() => return Life::Dead,
            Some(content) if content.owner.is_here() => return Life::Alive,
            Some(_) => {}
        }
        let silent = match directory.files().metadata(&directory.file(sight.epoch)) {
            Ok(metadata) => age(self.store.clock(), &metadata),
            Err(_) => return Life::Unknown,
        };
        match silent < self.memory.settings().time_to_live {
            true => Life::Alive,
            false => Life::Dead,
        }
    }

    fn try_claim(
        &self,
        directory: &LeaseDirectory,
        key: &LeaseKey,
        content: Content,
    ) -> Result<Claim, StoreError> {
        let path = directory.file(0);
        let looked = directory.newest().at("read", &path)?;
        let seen = looked.as_ref().map(|sight| sight.content.clone());
        let held = |unchanged| Claim::Held(holder(seen.as_deref().unwrap_or_default(), unchanged));
        let dead = seen
            .as_deref()
            .and_then(Content::from_bytes)
            .is_some_and(|content| content.owner.is_dead());
        let (epoch, over) = match self.memory.judge(key, looked, dead) {
            Advice::Wait { unchanged } => return Ok(held(unchanged)),
            Advice::Take { epoch, over } => (epoch, over),
        };
        let Some(made) = directory.make(epoch, &content)? else {
            return Ok(held(Duration::ZERO));
        };
        // Errors of this second look count as having seen nothing: the file is made, and two may work at worst.
        let newest = directory
            .epochs()
            .ok()
            .and_then(|epochs| epochs.into_iter().max());
        let former = over
            .as_ref()
            .and_then(|over| directory.content(over.epoch).ok().flatten());
        if !confirm(epoch, over.as_ref(), newest, former.as_ref()) {
            directory.give_back(&made);
            return Ok(held(Duration::ZERO));
        }
        directory.remove_before(epoch);
        let interval = self.memory.settings().time_to_live / 4;
        Ok(Claim::Mine(Lease::hold(
            directory.clone(),
            made,
            epoch,
            content,
            interval,
        )))
    }
}

fn holder(content: &[u8], unchanged: Duration) -> Holder {
    let content = Content::from_bytes(content);
    let (owner, what) = match content {
        Some(content) => (Some(content.owner), content.what),
        None => (None, String::new()),
    };
    Holder {
        owner,
        what,
        unchanged,
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.owner {
            Some(owner) => owner.fmt(formatter),
            None => formatter.write_str("another process"),
        }
    }
}
