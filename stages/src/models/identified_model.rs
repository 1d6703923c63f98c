//! A model that is known before it is loaded.

use std::cell::OnceCell;

use burn::tensor::Device;
use mitune_diffusion::model::{DiffusionModel, ModelDirectory};
use mitune_store::{Artifact, ContentDigest};

use super::model_source::{ModelSource, OpenModel};
use crate::contract::{ADAPTER_PORT, Dtype, StageContext, StageError};

/// A model with the adapter of its stage, known by its digest and loaded when something is first computed with it.
///
/// The keys have the digest of a model directory. Where the store holds all items of a stage, or other processes
/// compute what it lacks, its weights are therefore not read at all.
pub(crate) struct IdentifiedModel<'a> {
    open: OpenModel,
    context: &'a StageContext<'a>,
    adapter: Option<&'a Artifact>,
    device: &'a Device,
    dtype: Dtype,
    digest: ContentDigest,
    loaded: OnceCell<DiffusionModel>,
}

impl<'a> IdentifiedModel<'a> {
    /// Opens the model of a stage.
    ///
    /// One that another stage made is loaded here, because nothing else tells its digest.
    ///
    /// # Errors
    /// Those of [`ModelSource::open`] and [`OpenModel::load`], or [`StageError::Configuration`] if the device does not
    /// work.
    pub(crate) fn open(
        source: &ModelSource,
        context: &'a StageContext<'a>,
        dtype: Dtype,
    ) -> Result<Self, StageError> {
        let open = source.open(context)?;
        let device = context.device()?;
        let adapter = context.optional_input(ADAPTER_PORT);
        let (digest, loaded) = match open.keyed_digest(context)? {
            Some(digest) => (digest, OnceCell::new()),
            None => {
                let (model, digest) = open.load(context, adapter, device, dtype)?;
                (digest, OnceCell::from(model))
            }
        };
        Ok(Self {
            open,
            context,
            adapter,
            device,
            dtype,
            digest,
            loaded,
        })
    }

    /// Returns the digest of the model, without the adapter.
    pub(crate) fn digest(&self) -> ContentDigest {
        self.digest
    }

    /// Returns what the model says of itself without its weights.
    pub(crate) fn directory(&self) -> &ModelDirectory {
        self.open.directory()
    }

    /// Returns the networks, which are loaded the first time.
    ///
    /// # Errors
    /// Those of [`OpenModel::load`], [`StageError::Changed`] among them: what is computed with a loaded model belongs
    /// under its digest.
    pub(crate) fn loaded(&self) -> Result<&DiffusionModel, StageError> {
        if let Some(model) = self.loaded.get() {
            return Ok(model);
        }
        let (model, _) = self
            .open
            .load(self.context, self.adapter, self.device, self.dtype)?;
        Ok(self.loaded.get_or_init(|| model))
    }
}
