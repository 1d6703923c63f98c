//! What the training of a denoiser reads from the store and writes to it.

use std::path::Path;

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::clip::ClipTextConfig;
use mitune_diffusion::model::DiffusionModel;
use mitune_diffusion::nn::weights::{Dtype as FileDtype, SafetensorsFile, load_module};
use mitune_diffusion::unet::UNet2DConditionConfig;
use mitune_diffusion::vae::{AUTOENCODER_NAMES, AutoencoderConfig, AutoencoderKL};
use mitune_store::Artifact;

use super::denoiser_training::ConditionalDenoiser;
use crate::contract::reference::Reference;
use crate::contract::{Dtype, StageContext, StageError};
use crate::models::model_source::ModelSource;
pub(super) use crate::models::stored_folder::put_folder;

/// The settings do not describe the networks of the model to go on from.
#[derive(Debug, thiserror::Error)]
#[error(
    "Model of `model_from` has another {0} than these settings describe: give the settings it was made with"
)]
struct OtherNetworks(&'static str);

/// The autoencoder that a stage trained, with its settings.
pub(super) fn load_autoencoder(
    context: &StageContext<'_>,
    temporary: &Path,
    device: &Device,
) -> Result<(AutoencoderConfig, AutoencoderKL), StageError> {
    let folder = temporary.join("vae");
    context
        .store()
        .artifacts()
        .export(context.input("autoencoder")?, &folder)?;
    let config = std::fs::read(folder.join("config.json")).map_err(StageError::failed)?;
    let config: AutoencoderConfig = serde_json::from_slice(&config).map_err(StageError::failed)?;
    let network = AutoencoderKL::new(&config, device).map_err(StageError::failed)?;
    let weights = SafetensorsFile::open(&folder.join("diffusion_pytorch_model.safetensors"))
        .map_err(StageError::failed)?;
    let network =
        load_module(network, &weights, &AUTOENCODER_NAMES, FloatDType::F32).map_err(StageError::failed)?;
    Ok((config, network))
}

/// The networks of a model that another stage trained; they must have the shapes that the settings ask for.
pub(super) fn load_networks(
    context: &StageContext<'_>,
    reference: &Reference,
    unet_config: &UNet2DConditionConfig,
    text_config: &ClipTextConfig,
) -> Result<ConditionalDenoiser, StageError> {
    let model = ModelSource::Stage(reference.clone()).load(context, Dtype::F32)?;
    let Some(unet) = model.network.into_unet(unet_config) else {
        return Err(StageError::configuration(OtherNetworks("denoiser")));
    };
    if model.text_config != *text_config {
        return Err(StageError::configuration(OtherNetworks("text encoder")));
    }
    Ok(ConditionalDenoiser {
        unet,
        text_encoder: model.text_encoder,
    })
}

/// Stores the model in diffusers' layout with weights in half precision, which is how it is shipped.
pub(super) fn put_model(
    context: &StageContext<'_>,
    model: &DiffusionModel,
    temporary: &Path,
) -> Result<Artifact, StageError> {
    let folder = temporary.join("model");
    model
        .write(&folder, Some(FileDtype::F16))
        .map_err(StageError::failed)?;
    put_folder(context, &folder)
}
