//! Where stages come from.

use mitune_stages::contract::{Stage, StageDefaults, StageError};
use mitune_stages::registry::StageSpec;

use super::limits;
use crate::document::{DocumentError, Node};

/// The kinds of stages a pipeline may use.
///
/// The program has [`BuiltinKinds`]; tests of the engine bring their own.
pub trait StageKinds: Sync {
    /// Names all kinds.
    fn names(&self) -> Vec<&'static str>;

    /// Makes a stage of one kind from its settings, which hold no `kind`.
    ///
    /// # Errors
    /// [`BuildError`] if the settings do not fit or contradict each other.
    fn build(
        &self,
        kind: &str,
        settings: &Node,
        defaults: &StageDefaults,
    ) -> Result<Box<dyn Stage>, BuildError>;
}

/// Why a stage could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A setting is misspelt or has the wrong type.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The settings do not go together.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// The kinds of stages this program has.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltinKinds;

impl StageKinds for BuiltinKinds {
    fn names(&self) -> Vec<&'static str> {
        StageSpec::KINDS.to_vec()
    }

    fn build(
        &self,
        kind: &str,
        settings: &Node,
        defaults: &StageDefaults,
    ) -> Result<Box<dyn Stage>, BuildError> {
        limits::check(kind, settings)?;
        Ok(StageSpec::deserialize(kind, settings)?.build(defaults)?)
    }
}
