//! Adapters as artifacts of the store.

use std::collections::BTreeMap;

use mitune_diffusion::adapter::SavedAdapter;
use mitune_diffusion::nn::weights::HostTensor;
use mitune_store::{Artifact, TensorBytes};

use crate::contract::{StageContext, StageError};

/// Keeps an adapter in the store, in the form that diffusers reads.
pub(crate) fn put(context: &StageContext<'_>, adapter: &SavedAdapter) -> Result<Artifact, StageError> {
    let (tensors, metadata) = adapter.to_tensors("unet");
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

/// Reads an adapter back.
pub(crate) fn read(context: &StageContext<'_>, artifact: &Artifact) -> Result<SavedAdapter, StageError> {
    let bytes = context.store().blobs().read(&artifact.file)?;
    SavedAdapter::from_bytes(&bytes, "unet").map_err(StageError::failed)
}
