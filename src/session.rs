use std::env::VarError;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mitune_store::{IndexChoice, LeaseSettings, OpenOptions, Store};

use crate::failure::Failure;
use crate::global_options::GlobalOptions;
use crate::pipeline::StageKinds;
use crate::sharing::attach_for_reading;
use crate::user_folders::cache_folder;

/// What all commands share.
pub(crate) struct Session<'a> {
    pub(crate) kinds: &'a dyn StageKinds,
    pub(crate) json: bool,
    store: PathBuf,
    leases: LeaseSettings,
    index: IndexChoice,
}

impl<'a> Session<'a> {
    pub(crate) fn new(options: &GlobalOptions, kinds: &'a dyn StageKinds) -> Result<Self, Failure> {
        let store = options.store.clone().unwrap_or_else(|| PathBuf::from(".mitune"));
        Ok(Self {
            kinds,
            json: options.json,
            store,
            leases: lease_settings(options.no_leases)?,
            index: index_choice()?,
        })
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

    /// Opens the store for reading artifacts: bytes that only a remote has are fetched from there.
    pub(crate) fn reading_store(&self) -> Result<Store, Failure> {
        let store = self.existing_store()?;
        attach_for_reading(&store)?;
        Ok(store)
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

/// Reads a variable of the environment; one that is empty counts as not set.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::usage(format!("`{name}` is not UTF-8"))),
    }
}

/// Reads `MITUNE_INDEX`: `none`, `memory` or `sled`, which is the default.
fn index_choice() -> Result<IndexChoice, Failure> {
    match variable("MITUNE_INDEX")?.as_deref() {
        Some("none") => Ok(IndexChoice::None),
        Some("memory") => Ok(IndexChoice::Memory),
        Some("sled") | None => Ok(IndexChoice::Sled(cache_folder())),
        Some(other) => Err(
            Failure::usage(format!("`MITUNE_INDEX` is `{other}`, which is no index"))
                .with_hint("Set it to `sled`, which is the default, `memory` or `none`"),
        ),
    }
}

/// Reads `MITUNE_LEASES`, which is `off` or the seconds after which a silent holder on another host counts as dead.
fn lease_settings(off: bool) -> Result<LeaseSettings, Failure> {
    let mut settings = LeaseSettings {
        // Told to those who wait.
        job: std::env::var("SLURM_JOB_ID").ok().filter(|job| !job.is_empty()),
        ..LeaseSettings::default()
    };
    match variable("MITUNE_LEASES")?.as_deref() {
        None => {}
        Some("off") => settings.enabled = false,
        Some(text) => {
            let seconds = text.parse().ok();
            let seconds = seconds.filter(|seconds| (0.1..=86_400.0).contains(seconds));
            let seconds = seconds.ok_or_else(|| {
                Failure::usage(format!("`MITUNE_LEASES` is `{text}`, which is no time"))
                    .with_hint("Set it to `off`, or to seconds from 0.1 to 86400")
            })?;
            settings.time_to_live = Duration::from_secs_f64(seconds);
        }
    }
    settings.enabled &= !off;
    Ok(settings)
}

/// There is no store where one was expected.
#[derive(Debug, thiserror::Error)]
#[error("There is no store at `{}`", path.display())]
struct NoStore {
    path: PathBuf,
}
