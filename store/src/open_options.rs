//! How a store is opened.

use std::sync::Arc;
use std::time::Duration;

use crate::files::{FileSystem, OsFileSystem};
use crate::index::IndexChoice;
use crate::lease::LeaseSettings;

/// The time of a file that is relied on again is renewed if it is older than this; a collector adds it to its grace.
const RENEW_AFTER: Duration = Duration::from_secs(3600);

/// How a store is opened; the default creates it if it is absent.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub(crate) create: bool,
    pub(crate) file_system: Arc<dyn FileSystem>,
    pub(crate) leases: LeaseSettings,
    pub(crate) index: IndexChoice,
    pub(crate) renew_after: Duration,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: true,
            file_system: Arc::new(OsFileSystem),
            leases: LeaseSettings::default(),
            index: IndexChoice::default(),
            renew_after: RENEW_AFTER,
        }
    }
}

impl OpenOptions {
    /// Says whether an absent store is created; otherwise it is an empty one that cannot be written.
    #[must_use]
    pub fn create(self, create: bool) -> Self {
        Self { create, ..self }
    }

    /// Says which index is used.
    #[must_use]
    pub fn index(self, index: IndexChoice) -> Self {
        Self { index, ..self }
    }

    /// Says how leases are used.
    #[must_use]
    pub fn leases(self, leases: LeaseSettings) -> Self {
        Self { leases, ..self }
    }

    /// Sets the age from which files that are relied on again get a new time; by default an hour.
    ///
    /// A collector spares files for this long beyond its grace, so it must not be longer in any writer than in the
    /// collector.
    #[must_use]
    pub fn renew_after(self, renew_after: Duration) -> Self {
        Self { renew_after, ..self }
    }

    /// Takes the place of the operating system.
    #[cfg(test)]
    pub(crate) fn file_system(self, file_system: Arc<dyn FileSystem>) -> Self {
        Self { file_system, ..self }
    }
}
