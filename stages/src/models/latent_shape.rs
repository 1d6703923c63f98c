//! The shape of a model's latents.

use mitune_diffusion::denoiser::DenoiserShape;
use mitune_diffusion::vae::AutoencoderConfig;

use crate::contract::StageError;
use crate::contract::setting_limits;

/// The largest side of an image in pixels: far more than any memory holds, and far less than numbers overflow at.
const LARGEST_SIDE: usize = setting_limits::LARGEST_SIDE as usize;

/// An image size that a model cannot make.
#[derive(Debug, thiserror::Error)]
enum SizeError {
    #[error("Setting `{setting}` is {found}, expected a positive multiple of {step}")]
    Step {
        setting: &'static str,
        found: usize,
        step: usize,
    },
    #[error("Setting `{setting}` is {found}, more than {LARGEST_SIDE}")]
    TooLarge { setting: &'static str, found: usize },
    #[error("The model does not say for which size it was trained; set `height` and `width`")]
    Unknown,
}

/// Returns of what the sides of images must be multiples, in pixels, so that all networks can halve them.
pub fn side_step(denoiser: &DenoiserShape, vae: &AutoencoderConfig) -> usize {
    vae.downscale() * denoiser.side_step
}

/// Returns channels, height and width of the latents of images of a size, by default the size the model is made for.
///
/// # Errors
/// [`StageError::Configuration`] if the size is too large or not a multiple of what the networks halve.
pub fn latent_shape(
    denoiser: &DenoiserShape,
    vae: &AutoencoderConfig,
    height: Option<usize>,
    width: Option<usize>,
) -> Result<[usize; 3], StageError> {
    let downscale = vae.downscale();
    let step = side_step(denoiser, vae);
    let side = |setting, pixels: Option<usize>| match (pixels, denoiser.sample_size) {
        (Some(found), _) if found == 0 || found % step != 0 => Err(SizeError::Step { setting, found, step }),
        (Some(found), _) if found > LARGEST_SIDE => Err(SizeError::TooLarge { setting, found }),
        (Some(pixels), _) => Ok(pixels / downscale),
        (None, Some(side)) if side > LARGEST_SIDE / downscale => Err(SizeError::TooLarge {
            setting,
            found: side.saturating_mul(downscale),
        }),
        (None, Some(side)) => Ok(side),
        (None, None) => Err(SizeError::Unknown),
    };
    let height = side("height", height).map_err(StageError::configuration)?;
    let width = side("width", width).map_err(StageError::configuration)?;
    Ok([denoiser.latent_channels, height, width])
}
