//! Which model a stage runs: a directory, or the output of another stage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::model::{DiffusionModel, ModelDigests, ModelDirectory};
use mitune_diffusion::nn::weights::{SafetensorsFile, TensorSource, WeightsError};
use mitune_store::{Artifact, ContentDigest, Digest};

use crate::adapters::fold::fold_into;
use crate::adapters::stored_adapter;
use crate::contract::reference::Reference;
use crate::contract::{
    Content, Digested, Dtype, ExternalDigests, FileIdentity, InputPort, MODEL_PORT, StageContext,
    StageDefaults, StageError,
};

/// What keys call the model directory.
const EXTERNAL: &str = "model";

/// Where a stage's model comes from.
#[derive(Clone, Debug)]
pub enum ModelSource {
    /// A model directory in diffusers' layout.
    Directory(PathBuf),
    /// A model that another stage assembled.
    Stage(Reference),
}

/// A stage names a model in two ways, or in none.
#[derive(Debug, thiserror::Error)]
enum ModelSourceError {
    #[error("Settings `model` and `model_from` exclude each other")]
    Both,
    #[error("No model: set `model` here or for the whole pipeline, or `model_from` here")]
    None,
    #[error("Model directory of a stage could not be written to a temporary folder")]
    Temporary(#[source] std::io::Error),
    #[error("Folder `{}` cannot be listed", path.display())]
    List { path: PathBuf, source: std::io::Error },
}

impl ModelSource {
    /// Chooses between a stage's own `model`, its `model_from`, and the pipeline's model.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if there are two or none.
    pub fn choose(
        model: Option<&Path>,
        model_from: Option<&Reference>,
        defaults: &StageDefaults,
    ) -> Result<Self, StageError> {
        match (model, model_from) {
            (Some(_), Some(_)) => Err(StageError::configuration(ModelSourceError::Both)),
            (None, Some(reference)) => Ok(Self::Stage(reference.clone())),
            (model, None) => match model.or(defaults.model.as_deref()) {
                Some(path) => Ok(Self::Directory(defaults.resolve(path))),
                None => Err(StageError::configuration(ModelSourceError::None)),
            },
        }
    }

    /// Chooses as [`Self::choose`], for stages that may do without a model: none if none is named anywhere.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if there are two.
    pub fn choose_if_any(
        model: Option<&Path>,
        model_from: Option<&Reference>,
        defaults: &StageDefaults,
    ) -> Result<Option<Self>, StageError> {
        if model.is_none() && model_from.is_none() && defaults.model.is_none() {
            return Ok(None);
        }
        Self::choose(model, model_from, defaults).map(Some)
    }

    /// Returns the port for a model made by another stage.
    pub fn port(&self) -> InputPort {
        match self {
            Self::Directory(_) => Self::unconnected_port(),
            Self::Stage(reference) => InputPort::one(MODEL_PORT, &[Content::Model], reference),
        }
    }

    /// Returns the port of a stage that runs no model of another stage.
    pub(crate) fn unconnected_port() -> InputPort {
        InputPort::optional(MODEL_PORT, &[Content::Model], None)
    }

    /// Digests the parts of a model directory by name; a model made by a stage is keyed as its input.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the directory is not a model.
    pub fn external(
        &self,
        digests: &dyn ExternalDigests,
    ) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let Self::Directory(path) = self else {
            return Ok(BTreeMap::new());
        };
        let directory = ModelDirectory::open(path).map_err(StageError::configuration)?;
        let files = model_files(directory.path()).map_err(StageError::configuration)?;
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let digest = digests.digest("model/1", &files, &mut || digest(path))?;
        Ok(BTreeMap::from([(EXTERNAL.to_owned(), digest)]))
    }

    /// Opens the model and loads its networks as they are, without an adapter.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`OpenModel::load`], or [`StageError::Configuration`] if the device does not work.
    pub(crate) fn load(
        &self,
        context: &StageContext<'_>,
        dtype: Dtype,
    ) -> Result<DiffusionModel, StageError> {
        let open = self.open(context)?;
        let (model, _) = open.load(context, None, context.device()?, dtype)?;
        Ok(model)
    }

    /// Opens the model.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if a directory is not a model, or an error of the store.
    pub fn open(&self, context: &StageContext<'_>) -> Result<OpenModel, StageError> {
        match self {
            Self::Directory(path) => Ok(OpenModel {
                directory: ModelDirectory::open(path).map_err(StageError::configuration)?,
                is_external: true,
                _temporary: None,
            }),
            Self::Stage(_) => {
                let temporary = tempfile::tempdir()
                    .map_err(|error| StageError::failed(ModelSourceError::Temporary(error)))?;
                let path = temporary.path().join("model");
                context
                    .store()
                    .artifacts()
                    .export(context.input(MODEL_PORT)?, &path)?;
                let directory = ModelDirectory::open(&path).map_err(StageError::failed)?;
                Ok(OpenModel {
                    directory,
                    is_external: false,
                    _temporary: Some(temporary),
                })
            }
        }
    }
}

/// A model directory that stays in place while it is used.
pub struct OpenModel {
    directory: ModelDirectory,
    /// Whether it lies outside the store, where it may change.
    is_external: bool,
    _temporary: Option<tempfile::TempDir>,
}

impl OpenModel {
    /// Returns what the model says of itself without its weights.
    pub(super) fn directory(&self) -> &ModelDirectory {
        &self.directory
    }

    /// Lists the files that the digest of the model may depend on.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, StageError> {
        model_files(self.directory.path()).map_err(StageError::configuration)
    }

    /// Returns the digest that the keys have of the model, if it lies outside the store.
    pub(super) fn keyed_digest(
        &self,
        context: &StageContext<'_>,
    ) -> Result<Option<ContentDigest>, StageError> {
        self.is_external.then(|| context.external(EXTERNAL)).transpose()
    }

    /// Loads the networks, with an adapter folded into the weights where there is one, and returns the digest of the
    /// model as it was loaded, without the adapter.
    ///
    /// Folding costs nothing while sampling, where an adapter of its own would run at every step.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if weights do not fit the model, [`StageError::Changed`] if it is not the model that
    /// the keys were derived from, or an error of the store.
    pub fn load(
        &self,
        context: &StageContext<'_>,
        adapter: Option<&Artifact>,
        device: &Device,
        dtype: Dtype,
    ) -> Result<(DiffusionModel, ContentDigest), StageError> {
        let notices = self.directory.notices();
        notices
            .iter()
            .for_each(|notice| context.progress().message(notice));
        let loaded = self.directory.load_digested(device, float_dtype(dtype));
        let (mut model, digests) = loaded.map_err(StageError::configuration)?;
        let digest = self.check(context, &digests)?;
        if let Some(adapter) = adapter {
            let saved = stored_adapter::read_all(context, adapter)?;
            fold_into(&mut model, &saved, 1.0).map_err(StageError::configuration)?;
        }
        Ok((model, digest))
    }

    /// Hands out the denoiser's tensors, each to be read once.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if weights cannot be read, or [`StageError::Changed`] as [`Self::load`].
    pub(crate) fn read_denoiser<T>(
        &self,
        context: &StageContext<'_>,
        read: impl FnOnce(&dyn TensorSource) -> T,
    ) -> Result<T, StageError> {
        let read = self.directory.read_denoiser(read);
        let (value, digests) = read.map_err(StageError::configuration)?;
        self.check(context, &digests)?;
        Ok(value)
    }

    /// Returns the digest of the model as it was read, which must be that of the keys.
    pub(super) fn check(
        &self,
        context: &StageContext<'_>,
        digests: &ModelDigests,
    ) -> Result<ContentDigest, StageError> {
        let digest = content(digests);
        if self.is_external {
            context.check_external(EXTERNAL, digest)?;
        }
        Ok(digest)
    }
}

/// The float type that Burn computes in.
pub fn float_dtype(dtype: Dtype) -> FloatDType {
    match dtype {
        Dtype::F32 => FloatDType::F32,
        Dtype::F16 => FloatDType::F16,
        Dtype::Bf16 => FloatDType::BF16,
    }
}

/// Lists the files of a model directory that its digest may depend on.
fn model_files(path: &Path) -> Result<Vec<PathBuf>, ModelSourceError> {
    let list = |folder: PathBuf| -> Result<Vec<PathBuf>, ModelSourceError> {
        let error = |source| ModelSourceError::List {
            path: folder.clone(),
            source,
        };
        let entries = std::fs::read_dir(&folder).map_err(error)?;
        entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(error))
            .collect()
    };
    let mut files = vec![path.join("model_index.json")];
    let second = ["text_encoder_2", "tokenizer_2"].into_iter();
    let second = second.filter(|component| path.join(component).is_dir());
    for component in ["unet", "vae", "text_encoder", "tokenizer", "scheduler"]
        .into_iter()
        .chain(second)
    {
        files.extend(
            list(path.join(component))?
                .into_iter()
                .filter(|path| path.is_file()),
        );
    }
    files.sort();
    Ok(files)
}

/// Digests a model directory, opened anew: what was opened before its files were looked at may be another one.
fn digest(path: &Path) -> Result<Digested, StageError> {
    let directory = ModelDirectory::open(path).map_err(StageError::configuration)?;
    let digests = directory.digests().map_err(StageError::configuration)?;
    let metadata = directory.weight_files().map(SafetensorsFile::file_metadata);
    let metadata = metadata.collect::<Result<Vec<_>, WeightsError>>();
    let metadata = metadata.map_err(StageError::configuration)?;
    Ok(Digested {
        digest: content(&digests),
        read: metadata.iter().map(FileIdentity::of).collect(),
    })
}

fn content(digests: &ModelDigests) -> ContentDigest {
    ContentDigest::new(Digest::from(digests.whole()))
}
