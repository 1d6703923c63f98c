//! A model that lies where nobody else changes it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mitune_diffusion::model::ModelDirectory;
use mitune_diffusion::nn::weights::SafetensorsFile;
use tempfile::TempDir;

use super::model_source::{ModelSource, OpenModel};
use crate::contract::{StageContext, StageError};

/// The files of a model, which surely are those that the keys were derived from: of a model in the store as they are,
/// of a folder as a copy that was digested.
///
/// For stages that hand on files of a model, where others hand on what they computed with it.
pub(crate) enum ModelSnapshot {
    /// Written out of the store.
    Stored(OpenModel),
    /// Copied from a folder.
    Copied {
        /// The copy.
        directory: ModelDirectory,
        /// What it lies in.
        _temporary: TempDir,
    },
}

/// A model that cannot be copied.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be copied to a temporary folder", path.display())]
struct CopyError {
    path: PathBuf,
    source: std::io::Error,
}

impl ModelSnapshot {
    /// Takes a snapshot of the model of a stage.
    ///
    /// # Errors
    /// Those of [`ModelSource::open`], [`StageError::Changed`] if a folder is no longer that of the key, or
    /// [`StageError::Failed`] if it cannot be copied.
    pub(crate) fn take(source: &ModelSource, context: &StageContext<'_>) -> Result<Self, StageError> {
        let open = source.open(context)?;
        if open.keyed_digest(context)?.is_none() {
            return Ok(Self::Stored(open));
        }
        let from = open.directory().path().to_owned();
        let failed = |path: PathBuf| move |source| StageError::failed(CopyError { path, source });
        let temporary = tempfile::tempdir().map_err(failed(from.clone()))?;
        let to = temporary.path().join("model");
        let read: BTreeSet<&Path> = open
            .directory()
            .weight_files()
            .map(SafetensorsFile::path)
            .collect();
        for file in open.files()? {
            // Weights beside those that are read are in no key, so that nothing may be made of them.
            if read.contains(file.as_path()) || !is_weights(&file) {
                copy(&file, &from, &to).map_err(failed(file.clone()))?;
            }
        }
        let directory = ModelDirectory::open(&to).map_err(StageError::configuration)?;
        let digests = directory.digests().map_err(StageError::configuration)?;
        open.check(context, &digests)?;
        Ok(Self::Copied {
            directory,
            _temporary: temporary,
        })
    }

    /// The model.
    pub(crate) fn directory(&self) -> &ModelDirectory {
        match self {
            Self::Stored(open) => open.directory(),
            Self::Copied { directory, .. } => directory,
        }
    }
}

/// Whether a file has the name of weights, in whatever format.
fn is_weights(file: &Path) -> bool {
    const ENDINGS: [&str; 8] = [
        "safetensors",
        "bin",
        "ckpt",
        "pt",
        "pth",
        "msgpack",
        "onnx",
        "gguf",
    ];
    let ending = file.extension().unwrap_or_default();
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Copies a file of a folder to the same place in another one.
fn copy(file: &Path, from: &Path, to: &Path) -> std::io::Result<()> {
    let target = to.join(file.strip_prefix(from).unwrap_or(file));
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(file, target)?;
    Ok(())
}
