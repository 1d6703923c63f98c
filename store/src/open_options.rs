//! How a store is opened.

use std::sync::Arc;

use crate::file_system::{FileSystem, OsFileSystem};
use crate::index::IndexChoice;
use crate::lease::LeaseSettings;

/// How a store is opened; the default creates it if it is absent.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub(crate) create: bool,
    pub(crate) file_system: Arc<dyn FileSystem>,
    pub(crate) leases: LeaseSettings,
    pub(crate) index: IndexChoice,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: true,
            file_system: Arc::new(OsFileSystem),
            leases: LeaseSettings::default(),
            index: IndexChoice::default(),
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

    /// Takes the place of the operating system.
    #[cfg(test)]
    pub(crate) fn file_system(self, file_system: Arc<dyn FileSystem>) -> Self {
        Self { file_system, ..self }
    }
}
