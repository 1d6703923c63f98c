//! One collection at a time.
//!
//! This only saves work: two collections at once would each move what is dead, and every move has one winner.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::error::CollectError;
use crate::files::{
    AtPath, FileIdentity, Life, PathError, Placed, Staging, StagingOwner, age, move_if_same, publish,
};
use crate::store::Store;

/// A collection on another host that did not show up for so long is dead.
const SILENT: Duration = Duration::from_secs(3600);

/// Bytes that the name of a process stays far below.
const LIMIT: u64 = 64 << 10;

/// The right to collect a store; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Turn<'s> {
    store: &'s Store,
    path: PathBuf,
    own: FileIdentity,
}

#[derive(Debug, Serialize, Deserialize)]
struct Collector {
    owner: String,
}

impl<'s> Turn<'s> {
    pub(crate) fn take(store: &'s Store, now: SystemTime) -> Result<Self, CollectError> {
        let path = store.layout().collector();
        let text = serde_json::to_vec(&Collector {
            owner: Staging::owner(),
        })
        .unwrap_or_default();
        for _ in 0..8 {
            // A store that is full to the brim is the one that needs collecting most: an empty file will do.
            let staged = match store.stage_bytes(&text) {
                Err(crate::error::StoreError::Path(PathError::StorageFull { .. })) => store.stage(None)?,
                staged => staged?,
            };
            if publish(&staged, &path)? == Placed::New {
                let metadata = store.files().metadata(&path).at("read", &path)?;
                let own = FileIdentity::of(&metadata);
                return Ok(Self { store, path, own });
            }
            let metadata = match store.files().metadata(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                metadata => metadata.at("read", &path)?,
            };
            let read = store.files().read_bounded(&path, LIMIT);
            let bytes = read.map(|(bytes, _)| bytes).unwrap_or_default();
            let name = serde_json::from_slice::<Collector>(&bytes).map(|collector| collector.owner);
            let owner = name.as_deref().ok().and_then(StagingOwner::parse);
            let life = owner.as_ref().map_or(Life::Unknown, StagingOwner::life);
            if life != Life::Dead && age(now, &metadata) < SILENT {
                let who = owner.map_or_else(
                    || unnamed(&path, SILENT.saturating_sub(age(now, &metadata))),
                    |owner| format!("process {} on host `{}`", owner.process, owner.host),
                );
                return Err(CollectError::Busy(who));
            }
            let aside = store
                .layout()
                .trash()
                .join(format!("collector.{}.json", Ulid::generate()));
            if move_if_same(store.files(), &path, &aside, &FileIdentity::of(&metadata)) {
                // What is left behind of it is nobody's.
                let _ = store.files().remove_file(&aside);
            }
        }
        Err(CollectError::Busy("processes that come and go".to_owned()))
    }

    /// Shows that this collection is at work, and fails if another one has taken over.
    pub(crate) fn show(&self) -> Result<(), CollectError> {
        if !self.is_own() {
            return Err(CollectError::Overtaken);
        }
        // Not showing up costs the turn at worst.
        if let Ok((file, _)) = self.store.files().open_regular(&self.path) {
            let _ = self.store.files().set_modified(&file, SystemTime::now());
        }
        Ok(())
    }

    fn is_own(&self) -> bool {
        let metadata = self.store.files().metadata(&self.path);
        metadata.is_ok_and(|metadata| FileIdentity::of(&metadata).same_file(&self.own))
    }
}

/// Says until when a file that names no process keeps others from collecting.
fn unnamed(path: &Path, left: Duration) -> String {
    format!(
        "`{}` does not say which; unless it shows up again, it counts as dead in {} minutes",
        path.display(),
        left.as_secs().div_ceil(60)
    )
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_own() {
            // What stays is found to be dead by the next collection.
            let _ = self.store.files().remove_file(&self.path);
        }
    }
}
