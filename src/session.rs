//! What all commands share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mitune_store::{IndexChoice, LeaseSettings, OpenOptions, Store};

use crate::cache_folder::cache_folder;
use crate::cli::Arguments;
use crate::failure::Failure;
use crate::pipeline::StageKinds;

/// What all commands share.
pub(crate) struct Session<'a> {
    pub(crate) kinds: &'a dyn StageKinds,
    pub(crate) json: bool,
    store: PathBuf,
    leases: LeaseSettings,
    index: IndexChoice,
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
            leases: lease_settings(arguments.no_leases),
            index: index_choice(),
        }
    }

    /// Returns where the store is or would be.
    pub(crate) fn store_path(&self) -> &Path {
        &self.store
    }

    /// Opens the store, making it if it is not there.
    pub(crate) fn open_store(&self) -> Result<Store, Failure> {
        Ok(Store::open_with(&self.store, self.options())?)
    }

    /// Opens the store to see what it lacks; a missing one lacks everything and is not made.
    pub(crate) fn store_or_empty(&self) -> Result<Store, Failure> {
        Ok(Store::open_with(&self.store, self.options().create(false))?)
    }

    fn options(&self) -> OpenOptions {
        OpenOptions::default()
            .leases(self.leases.clone())
            .index(self.index.clone())
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

/// Reads `MITUNE_INDEX`: `none`, `memory` or `sled`, which is the default.
fn index_choice() -> IndexChoice {
    match std::env::var("MITUNE_INDEX").as_deref() {
        Ok("none") => IndexChoice::None,
        Ok("memory") => IndexChoice::Memory,
        _ => IndexChoice::Sled(cache_folder()),
    }
}

/// Reads `MITUNE_LEASES`, which is `off` or the seconds after which a silent holder on another host counts as dead.
fn lease_settings(off: bool) -> LeaseSettings {
    let variable = std::env::var("MITUNE_LEASES").unwrap_or_default();
    let mut settings = LeaseSettings {
        // Told to those who wait.
        job: std::env::var("SLURM_JOB_ID").ok().filter(|job| !job.is_empty()),
        ..LeaseSettings::default()
    };
    settings.enabled = !off && variable != "off";
    let seconds = variable
        .parse()
        .ok()
        .filter(|seconds| (0.1..=86_400.0).contains(seconds));
    if let Some(seconds) = seconds {
        settings.time_to_live = Duration::from_secs_f64(seconds);
    }
    settings
}

/// There is no store where one was expected.
#[derive(Debug, thiserror::Error)]
#[error("There is no store at `{}`", path.display())]
struct NoStore {
    path: PathBuf,
}
