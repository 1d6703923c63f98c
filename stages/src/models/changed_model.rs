//! A model of which a training changed the weights themselves.

use mitune_diffusion::adapter::{TEXT_ENCODER, UNET};
use mitune_diffusion::clip::ClipTextModel;
use mitune_diffusion::model::{DenoisingNetwork, write_text_encoder_weights};
use mitune_store::Artifact;

use super::model_snapshot::ModelSnapshot;
use super::model_source::ModelSource;
use super::stored_folder::put_folder;
use crate::adapter_tools::copy_without_weights;
use crate::contract::{StageContext, StageError};

/// Stores the model of a stage with another denoiser, and another text encoder where there is one, in f32; all else is
/// handed on as it is.
///
/// The networks must carry no gradient.
///
/// # Errors
/// Those of [`ModelSnapshot::take`], [`StageError::Failed`] if a file cannot be written, or an error of the store.
pub(crate) fn put_changed(
    context: &StageContext<'_>,
    source: &ModelSource,
    denoiser: &DenoisingNetwork,
    text_encoder: Option<&ClipTextModel>,
) -> Result<Artifact, StageError> {
    let snapshot = ModelSnapshot::take(source, context)?;
    let temporary = tempfile::tempdir().map_err(StageError::failed)?;
    let folder = temporary.path();
    let changed = [Some(UNET), text_encoder.map(|_| TEXT_ENCODER)];
    let changed: Vec<&str> = changed.into_iter().flatten().collect();
    copy_without_weights(snapshot.directory().path(), &changed, folder)?;
    denoiser.write_component(folder).map_err(StageError::failed)?;
    if let Some(encoder) = text_encoder {
        write_text_encoder_weights(folder, encoder).map_err(StageError::failed)?;
    }
    put_folder(context, folder)
}
