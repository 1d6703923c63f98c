//! From the settings of a pipeline to a stage, and back to what is keyed of them.

use std::path::{Path, PathBuf};

use mitune_store::Value;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::dtype::Dtype;
use super::stage::Stage;
use super::stage_error::StageError;

/// The settings of one kind of stage, as written in a pipeline.
///
/// Implementations deny unknown fields and use neither `flatten` nor `untagged`, so that every message can name the
/// setting. Their doc comments become the descriptions in the JSON schema.
pub trait StageConfig: DeserializeOwned + JsonSchema {
    /// The name after `kind:`.
    const KIND: &'static str;

    /// Makes the stage, filling in what the pipeline says for all of its stages.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if settings contradict each other.
    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError>;
}

/// What the pipeline says for all of its stages.
#[derive(Clone, Debug)]
pub struct StageDefaults {
    /// Folder of the pipeline file; relative paths of settings start here.
    pub directory: PathBuf,
    /// What `~` stands for at the beginning of a path, if that is known.
    pub home: Option<PathBuf>,
    /// Model directory of stages that name none.
    pub model: Option<PathBuf>,
    /// Seed of stages that name none.
    pub seed: u64,
    /// Number format of stages that compute with tensors.
    pub dtype: Dtype,
}

impl StageDefaults {
    /// Returns a path of the pipeline file as seen from the working directory.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}

/// Turns a configuration struct into its keyed form, leaving out the named top-level fields.
///
/// References and paths are left out because their content is keyed instead: renaming a stage or moving a model must
/// not rerun anything.
///
/// # Errors
/// [`StageError::Canonical`] if the settings have no canonical form.
pub fn keyed_config(config: &impl Serialize, omitted: &[&str]) -> Result<Value, StageError> {
    let mut value = Value::from_serialize(config)?;
    if let Value::Map(fields) = &mut value {
        fields.retain(|name, _| !omitted.contains(&name.as_str()));
    }
    Ok(value)
}
