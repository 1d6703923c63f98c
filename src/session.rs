//! What all commands share.

use std::path::{Path, PathBuf};

use mitune_store::Store;

use crate::cli::Arguments;
use crate::failure::Failure;
use crate::pipeline::StageKinds;

/// What all commands share.
pub(crate) struct Session<'a> {
    pub(crate) kinds: &'a dyn StageKinds,
    pub(crate) json: bool,
    store: PathBuf,
}

impl<'a> Session<'a> {
    pub(crate) fn new(arguments: &Arguments, kinds: &'a dyn StageKinds) -> Self {
        let store = arguments
            .store
            .clone()
            .unwrap_or_else(|| PathBuf::from(".mitune"));
        Self {
            kinds,
            json: arguments.json,
            store,
        }
    }

    /// Returns where the store is or would be.
    pub(crate) fn store_path(&self) -> &Path {
        &self.store
    }

    /// Opens the store, making it if it is not there.
    pub(crate) fn open_store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.store)?)
    }

    /// Opens the store to see what it lacks; a missing one lacks everything and is not made.
    pub(crate) fn store_or_empty(&self) -> Result<Store, Failure> {
        Ok(Store::open_or_empty(&self.store)?)
    }

    /// Opens the store for looking into it; a missing one is an error rather than made.
    pub(crate) fn existing_store(&self) -> Result<Store, Failure> {
        if self.store.join("FORMAT").exists() {
            return self.open_store();
        }
        Err(Failure::usage(NoStore {
            path: self.store.clone(),
        })
        .with_hint("Name it with `--store DIR` or the variable `MITUNE_STORE`"))
    }
}

/// There is no store where one was expected.
#[derive(Debug, thiserror::Error)]
#[error("There is no store at `{}`", path.display())]
struct NoStore {
    path: PathBuf,
}
