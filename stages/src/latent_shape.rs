//! The shape of a model's latents.

use mitune_diffusion::model::DiffusionModel;

use crate::stage::StageError;

/// An image size that a model cannot make.
#[derive(Debug, thiserror::Error)]
enum SizeError {
    #[error("Setting `{setting}` is {found}, expected a positive multiple of {step}")]
    Step {
        setting: &'static str,
        found: usize,
        step: usize,
    },
    #[error("The model does not say for which size it was trained; set `height` and `width`")]
    Unknown,
}

/// Returns of what the sides of images must be multiples, in pixels, so that all networks can halve them.
pub fn side_step(model: &DiffusionModel) -> usize {
    let halvings = model.unet_config.block_out_channels.len().saturating_sub(1);
    model.vae_config.downscale() << halvings
}

/// Returns channels, height and width of the latents of images of a size, by default the size the model is made for.
///
/// # Errors
/// [`StageError::Configuration`] if the size is not a multiple of what the networks halve.
pub fn latent_shape(
    model: &DiffusionModel,
    height: Option<usize>,
    width: Option<usize>,
) -> Result<[usize; 3], StageError> {
    let downscale = model.vae_config.downscale();
    let step = side_step(model);
    let side = |setting, pixels: Option<usize>| match (pixels, model.unet_config.sample_size) {
        (Some(found), _) if found == 0 || found % step != 0 => Err(SizeError::Step { setting, found, step }),
        (Some(pixels), _) => Ok(pixels / downscale),
        (None, Some(side)) => Ok(side),
        (None, None) => Err(SizeError::Unknown),
    };
    let height = side("height", height).map_err(StageError::configuration)?;
    let width = side("width", width).map_err(StageError::configuration)?;
    Ok([model.unet_config.in_channels, height, width])
}
