//! Adapters as artifacts of the store.

use std::collections::BTreeMap;

use mitune_diffusion::adapter::{AdapterContents, SavedAdapter, UNET, peft_tensors};
use mitune_diffusion::nn::weights::HostTensor;
use mitune_store::{Artifact, TensorBytes};

use crate::contract::{StageContext, StageError};

/// Keeps an adapter of the denoiser in the store, in the form that diffusers reads.
pub(crate) fn put(context: &StageContext<'_>, adapter: &SavedAdapter) -> Result<Artifact, StageError> {
    put_all(context, [(UNET, adapter)])
}

/// Keeps the adapters of several components of a model in the store as one.
pub(crate) fn put_all<'a>(
    context: &StageContext<'_>,
    adapters: impl IntoIterator<Item = (&'a str, &'a SavedAdapter)>,
) -> Result<Artifact, StageError> {
    let (tensors, metadata) = peft_tensors(adapters);
    let bytes = |tensor: HostTensor| TensorBytes {
        dtype: tensor.dtype,
        shape: tensor.shape,
        data: tensor.data,
    };
    let tensors: BTreeMap<String, TensorBytes> = tensors
        .into_iter()
        .map(|(name, tensor)| (name, bytes(tensor)))
        .collect();
    Ok(context.store().artifacts().put_tensors(&tensors, &metadata)?)
}

/// Reads the adapters of all components back, by component.
pub(crate) fn read_all(
    context: &StageContext<'_>,
    artifact: &Artifact,
) -> Result<BTreeMap<&'static str, SavedAdapter>, StageError> {
    let bytes = context.store().blobs().read(&artifact.file)?;
    let contents = AdapterContents::read(&bytes, None).map_err(StageError::failed)?;
    Ok(contents.adapters)
}
