//! Sizes of the original code's vision model, which come with no configuration.

use mitune_diffusion::nn::weights::TensorSource;

use super::config::BlipVisionConfig;
use super::error::BlipError;

/// Width of a head in all vision models of the original code.
pub const ORIGINAL_HEAD_WIDTH: usize = 64;

/// Constant under the root of its normalisations.
const EPSILON: f64 = 1e-6;

/// Reads the sizes of a vision model off the tensors below `prefix`.
///
/// # Errors
/// When they are not those of such a model.
pub fn original_vision_config(
    source: &dyn TensorSource,
    prefix: &str,
) -> Result<BlipVisionConfig, BlipError> {
    let tensors = Tensors { source, prefix };
    let [hidden_size, _, patch_size, _] = tensors.shape("patch_embed.proj.weight")?;
    let [_, tokens, _] = tensors.shape("pos_embed")?;
    let [intermediate_size, _] = tensors.shape("blocks.0.mlp.fc1.weight")?;
    let side = tokens.saturating_sub(1).isqrt();
    let config = BlipVisionConfig {
        hidden_size,
        intermediate_size,
        num_hidden_layers: tensors.blocks(),
        num_attention_heads: (hidden_size / ORIGINAL_HEAD_WIDTH).max(1),
        image_size: side.saturating_mul(patch_size),
        patch_size,
        layer_norm_eps: EPSILON,
    };
    config.validate()?;
    Ok(config)
}

struct Tensors<'a> {
    source: &'a dyn TensorSource,
    prefix: &'a str,
}

impl Tensors<'_> {
    /// A tensor's shape, of as many axes as are asked for.
    fn shape<const D: usize>(&self, name: &str) -> Result<[usize; D], BlipError> {
        let tensor = format!("{}.{name}", self.prefix);
        let other = |found| BlipError::OtherNetwork {
            origin: self.source.origin(),
            tensor: tensor.clone(),
            found,
        };
        let (_, shape) = self
            .source
            .describe(&tensor)
            .ok_or_else(|| other("there is none".to_owned()))?;
        <[usize; D]>::try_from(shape).map_err(|shape| other(format!("its shape is {shape:?}")))
    }

    /// Number of layers: those that have a first normalisation, from the first on.
    fn blocks(&self) -> usize {
        let is_there = |index: &usize| {
            let name = format!("{}.blocks.{index}.norm1.weight", self.prefix);
            self.source.describe(&name).is_some()
        };
        (0..).take_while(is_there).count()
    }
}
