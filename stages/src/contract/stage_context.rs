use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use mitune_store::{Artifact, ContentDigest, FamilyKey, StageKey, Store, Value};

use super::key_ingredients::{ItemFamily, KeyIngredients};
use super::lazy_device::LazyDevice;
use super::stage_error::StageError;

/// What the engine hands to a running stage.
pub struct StageContext<'a> {
    store: &'a Store,
    ingredients: &'a KeyIngredients,
    inputs: BTreeMap<&'static str, Vec<Artifact>>,
    device: &'a LazyDevice,
    progress: &'a dyn Progress,
    cancelled: &'a AtomicBool,
    other_work: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl<'a> StageContext<'a> {
    /// Assembles the context of one stage; every declared port has an entry, an unconnected one an empty list.
    pub fn new(
        store: &'a Store,
        ingredients: &'a KeyIngredients,
        inputs: BTreeMap<&'static str, Vec<Artifact>>,
        device: &'a LazyDevice,
        progress: &'a dyn Progress,
        cancelled: &'a AtomicBool,
    ) -> Self {
        Self {
            store,
            ingredients,
            inputs,
            device,
            progress,
            cancelled,
            other_work: None,
        }
    }

    /// Lets the stage ask whether this process has other work to do while other processes compute what the stage lacks.
    ///
    /// Without this there is none: the stage waits for the others.
    #[must_use]
    pub fn with_other_work(mut self, other_work: &'a (dyn Fn() -> bool + Sync)) -> Self {
        self.other_work = Some(other_work);
        self
    }

    /// Returns the store that holds inputs and takes outputs.
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// Returns the key of this stage, which names its checkpoints.
    pub fn key(&self) -> &StageKey {
        self.ingredients.key()
    }

    /// Returns the key of a family of this stage's items.
    ///
    /// # Errors
    /// [`StageError::Canonical`] if it has no canonical encoding.
    pub fn family_key(&self, family: &ItemFamily<'_>) -> Result<FamilyKey, StageError> {
        Ok(self.ingredients.family_key(family)?)
    }

    /// Returns the key of a family of one part of this stage's work, see [`KeyIngredients::part_family_key`].
    ///
    /// # Errors
    /// [`StageError::Canonical`] if it has no canonical encoding.
    pub fn part_family_key(
        &self,
        config: Value,
        reads: &dyn Fn(&str) -> bool,
        family: &ItemFamily<'_>,
    ) -> Result<FamilyKey, StageError> {
        Ok(self.ingredients.part_family_key(config, reads, family)?)
    }

    /// Returns the digest that the keys have of something outside the store.
    ///
    /// # Errors
    /// [`StageError::MissingInput`] if they have none.
    pub fn external(&self, name: &str) -> Result<ContentDigest, StageError> {
        let digest = self.ingredients.external().get(name).copied();
        digest.ok_or_else(|| StageError::MissingInput {
            port: name.to_owned(),
        })
    }

    /// Checks that what was read outside the store is what the keys were derived from. Call it before anything is
    /// published that depends on it.
    ///
    /// # Errors
    /// [`StageError::Changed`] if it is not.
    pub fn check_external(&self, name: &str, read: ContentDigest) -> Result<(), StageError> {
        if self.external(name)? == read {
            return Ok(());
        }
        Err(StageError::Changed {
            input: name.to_owned(),
        })
    }

    /// Returns the artifact on a port that takes one.
    ///
    /// # Errors
    /// [`StageError::MissingInput`] if nothing is connected.
    pub fn input(&self, port: &str) -> Result<&Artifact, StageError> {
        self.optional_input(port).ok_or_else(|| StageError::MissingInput {
            port: port.to_owned(),
        })
    }

    /// Returns the artifact on a port that may stay empty.
    pub fn optional_input(&self, port: &str) -> Option<&Artifact> {
        self.inputs(port).first()
    }

    /// Returns the artifacts on a port that takes a list, in the order of the pipeline.
    pub fn inputs(&self, port: &str) -> &[Artifact] {
        self.inputs.get(port).map_or(&[], Vec::as_slice)
    }

    /// Returns the device to compute on, opening it on first use.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the device that was asked for does not work.
    pub fn device(&self) -> Result<&'a Device, StageError> {
        Ok(&self.device.open().map_err(StageError::configuration)?.device)
    }

    /// Names the device that was opened, such as `cuda:0`; `None` before the first use.
    pub fn device_name(&self) -> Option<String> {
        self.device.name()
    }

    /// Returns where progress is told.
    pub fn progress(&self) -> &'a dyn Progress {
        self.progress
    }

    /// Returns true if another stage could be computed now. A stage that would only wait for other processes then
    /// returns [`StageError::Deferred`], after publishing what is done.
    pub fn has_other_work(&self) -> bool {
        self.other_work.is_some_and(|other_work| other_work())
    }

    /// Returns true once the run was asked to stop.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Stops here if the run was asked to stop. Call it after publishing what is done.
    ///
    /// # Errors
    /// [`StageError::Interrupted`] once the run was asked to stop.
    pub fn check_cancelled(&self) -> Result<(), StageError> {
        if self.cancelled() {
            Err(StageError::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// How much a stage has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Units in all.
    pub total: u64,
    /// Units that the store already held; they count as done but not towards the speed.
    pub reused: u64,
    /// Plural noun of one unit, such as `candidates`.
    pub unit: &'static str,
}

/// Where a stage tells how far it is.
pub trait Progress: Send + Sync {
    /// Starts counting, or starts again with other work.
    fn begin(&self, work: Work);
    /// Counts finished units.
    fn advance(&self, units: u64);
    /// Tells which process on which host is waited for, or that nobody is.
    fn waiting(&self, holder: Option<&str>) {
        let _ = holder;
    }
    /// Tells the user something worth a line in the log.
    fn message(&self, text: &str);
    /// Tells a number that changes over the work, such as the loss at a step.
    fn metric(&self, name: &str, step: u64, value: f64);
}

/// Progress that nobody watches, for tests and library use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: Work) {}
    fn advance(&self, _: u64) {}
    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
}
