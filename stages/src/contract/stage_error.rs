use std::error::Error;

use mitune_store::{CanonicalError, StoreError};

/// Why a stage could not give its result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// The run was asked to stop; what was done so far is in the store.
    #[error("Interrupted")]
    Interrupted,
    /// Other processes compute what is lacking, and there is other work meanwhile; what was done is in the store.
    #[error("Put off until other processes are done")]
    Deferred,
    /// The pipeline asks for something that is not there or makes no sense. The program then exits with 2.
    #[error(transparent)]
    Configuration(Box<dyn Error + Send + Sync>),
    /// What a stage read outside the store is not what its key was derived from; nothing was published.
    #[error("`{input}` changed while it was read")]
    Changed {
        /// What the stage calls the file or folder.
        input: String,
    },
    /// The work itself failed.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Settings have no canonical form.
    #[error("Settings cannot be keyed")]
    Canonical(#[from] CanonicalError),
    /// The stage asked for an input that it did not declare as required.
    #[error("Input `{port}` is not connected")]
    MissingInput {
        /// The port asked for.
        port: String,
    },
}

impl StageError {
    /// Wraps an error of the pipeline's settings.
    pub fn configuration(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Configuration(error.into())
    }

    /// Wraps an error of the work itself.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}
