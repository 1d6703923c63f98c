//! What a computation needs at the very least, worked out from its settings before it starts.
//!
//! These are lower bounds: what is let through may still be more than a device holds, but what is refused could never
//! have run, and would have filled the memory or counted for days before it failed.

use mitune_diffusion::denoiser::DenoiserShape;

use super::stage_error::StageError;

/// Most bytes that one layer's values of a batch may take.
const MOST_LAYER_BYTES: u128 = 64 << 30;

/// Most bytes that the latents of an iteration's rollouts may take, all of which are in memory until it has learnt.
const MOST_ROLLOUT_BYTES: u128 = 1 << 40;

/// Most items of a stage, such as candidates of all prompts: their list alone takes gigabytes.
const MOST_ITEMS: u128 = 50_000_000;

/// Most parameters of a network that is trained from nothing.
const MOST_PARAMETERS: u128 = 1 << 32;

/// Something that no run can do.
#[derive(Debug, PartialEq, thiserror::Error)]
enum DemandError {
    #[error(
        "{batch} images at once need at least {} GiB for the denoiser's first layer, more than {} GiB; \
         compute fewer or smaller ones together",
        gibibytes(*bytes), gibibytes(MOST_LAYER_BYTES)
    )]
    Batch { batch: usize, bytes: u128 },
    #[error(
        "{rollouts} rollouts of {steps} steps are {} GiB of latents, more than {} GiB; make fewer in an iteration",
        gibibytes(*bytes), gibibytes(MOST_ROLLOUT_BYTES)
    )]
    Rollouts {
        rollouts: usize,
        steps: usize,
        bytes: u128,
    },
    #[error("{rows} prompts with {each} candidates each are {items} candidates, more than {MOST_ITEMS}")]
    Items { rows: u64, each: u32, items: u128 },
    #[error("The networks have at least {found} parameters, more than {MOST_PARAMETERS}")]
    Parameters { found: u128 },
}

/// Checks that the latents of a batch, in their channels, height and width, can go through a denoiser.
///
/// # Errors
/// [`StageError::Configuration`] if the first layer alone takes more memory than any device has to give.
pub(crate) fn check_batch(
    batch: usize,
    [_, height, width]: [usize; 3],
    denoiser: &DenoiserShape,
) -> Result<(), StageError> {
    let channels = denoiser.first_layer_channels;
    let bytes = product([batch, height, width, channels, size_of::<f32>()]);
    match bytes > MOST_LAYER_BYTES {
        true => Err(StageError::configuration(DemandError::Batch { batch, bytes })),
        false => Ok(()),
    }
}

/// Checks that the rollouts of an iteration can be held: the latents of every step of each, in their channels, height
/// and width.
///
/// # Errors
/// [`StageError::Configuration`] if they take more memory than any machine has.
pub(crate) fn check_rollouts(
    rollouts: usize,
    steps: usize,
    [channels, height, width]: [usize; 3],
) -> Result<(), StageError> {
    let bytes = product([rollouts, steps, channels, height, width, size_of::<f32>()]);
    match bytes > MOST_ROLLOUT_BYTES {
        true => Err(StageError::configuration(DemandError::Rollouts {
            rollouts,
            steps,
            bytes,
        })),
        false => Ok(()),
    }
}

/// Checks that the candidates of all prompts can be listed.
///
/// # Errors
/// [`StageError::Configuration`] if there are too many.
pub(crate) fn check_candidates(prompts: u64, each: u32) -> Result<(), StageError> {
    let items = u128::from(prompts) * u128::from(each);
    match items > MOST_ITEMS {
        true => Err(StageError::configuration(DemandError::Items {
            rows: prompts,
            each,
            items,
        })),
        false => Ok(()),
    }
}

/// Checks that a network trained from nothing can be held: residual blocks of two 3 x 3 convolutions on every level,
/// and layers of a text encoder of a width.
///
/// # Errors
/// [`StageError::Configuration`] if it has too many parameters.
pub(crate) fn check_network(
    channels: &[usize],
    blocks: usize,
    text_layers: usize,
    text_width: usize,
) -> Result<(), StageError> {
    let levels = channels
        .iter()
        .map(|&channels| product([18, blocks, channels, channels]));
    let found = levels.fold(0_u128, u128::saturating_add);
    // Four projections and a feed-forward layer of four times the width, in and out.
    let found = found.saturating_add(product([12, text_layers, text_width, text_width]));
    match found > MOST_PARAMETERS {
        true => Err(StageError::configuration(DemandError::Parameters { found })),
        false => Ok(()),
    }
}

fn product<const N: usize>(factors: [usize; N]) -> u128 {
    factors
        .into_iter()
        .fold(1, |product: u128, factor| product.saturating_mul(factor as u128))
}

fn gibibytes(bytes: u128) -> u128 {
    bytes.div_ceil(1 << 30)
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::unet::UNet2DConditionConfig;

    use super::*;

    fn message(checked: Result<(), StageError>) -> String {
        checked.unwrap_err().to_string()
    }

    #[test]
    fn what_no_device_holds_is_refused_with_its_size() {
        let denoiser: UNet2DConditionConfig = serde_json::from_str(
            r#"{"block_out_channels": [320, 640], "down_block_types": ["DownBlock2D", "DownBlock2D"],
                "up_block_types": ["UpBlock2D", "UpBlock2D"]}"#,
        )
        .unwrap();
        let denoiser = denoiser.denoiser_shape();
        assert!(check_batch(8, [4, 64, 64], &denoiser).is_ok());
        assert!(check_batch(4_096, [4, 64, 64], &denoiser).is_ok());
        assert_eq!(
            message(check_batch(4_096, [4, 2_048, 2_048], &denoiser)),
            "4096 images at once need at least 20480 GiB for the denoiser's first layer, more than 64 GiB; compute \
             fewer or smaller ones together"
        );
        let most = usize::MAX;
        assert!(check_batch(most, [most, most, most], &denoiser).is_err());
    }

    #[test]
    fn rollouts_that_no_machine_holds_are_refused() {
        assert!(check_rollouts(256, 50, [4, 64, 64]).is_ok());
        assert_eq!(
            message(check_rollouts(1_000_000, 50, [4, 64, 64])),
            "1000000 rollouts of 50 steps are 3052 GiB of latents, more than 1024 GiB; make fewer in an iteration"
        );
    }

    #[test]
    fn lists_and_networks_that_fill_the_memory_are_refused() {
        assert!(check_candidates(6_250, 50).is_ok());
        assert!(check_candidates(2_000_000, 1_000_000).is_err());
        assert_eq!(
            message(check_candidates(u64::MAX, u32::MAX)),
            "18446744073709551615 prompts with 4294967295 candidates each are 79228162495817593515539431425 \
             candidates, more than 50000000"
        );
        assert!(check_network(&[320, 640, 1_280, 1_280], 2, 12, 768).is_ok());
        assert!(check_network(&[16_384; 6], 64, 128, 16_384).is_err());
        assert!(check_network(&[usize::MAX; 3], usize::MAX, usize::MAX, usize::MAX).is_err());
    }
}
