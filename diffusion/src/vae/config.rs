//! An autoencoder's `config.json`.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::config_fields::{ConfigFields, DIFFUSERS, POSITIVE, SettingError, flag, number, text, whole};

/// The shape of an [`AutoencoderKL`](super::AutoencoderKL), read from diffusers' `vae/config.json`.
///
/// Every field but `block_out_channels` has diffusers' default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct AutoencoderConfig {
    /// Channels of an image.
    pub in_channels: usize,
    /// Channels of a decoded image.
    pub out_channels: usize,
    /// Kind of each encoder level, finest first.
    pub down_block_types: Vec<String>,
    /// Kind of each decoder level, coarsest first.
    pub up_block_types: Vec<String>,
    /// Channels of each level, finest first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks per encoder level; a decoder level has one more.
    pub layers_per_block: usize,
    /// Activation between convolutions.
    pub act_fn: String,
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Groups of each group normalization.
    pub norm_num_groups: usize,
    /// Pixels along an edge of the images it was trained on.
    pub sample_size: usize,
    /// Factor that brings latents to unit variance: the denoiser sees
    /// `(latent - shift_factor) * scaling_factor`.
    pub scaling_factor: f64,
    /// Offset subtracted before scaling, of Stable Diffusion 3 and later; none is 0.
    pub shift_factor: Option<f64>,
    /// Per-channel means of latents. Not supported: Stable Diffusion has none.
    pub latents_mean: Option<Vec<f64>>,
    /// Per-channel deviations of latents. Not supported: Stable Diffusion has none.
    pub latents_std: Option<Vec<f64>>,
    /// Whether half precision overflows in this autoencoder.
    pub force_upcast: bool,
    /// Whether a 1 x 1 convolution follows the encoder.
    pub use_quant_conv: bool,
    /// Whether a 1 x 1 convolution precedes the decoder.
    pub use_post_quant_conv: bool,
    /// Whether the middle blocks attend over positions.
    pub mid_block_add_attention: bool,
}

/// An autoencoder configuration that cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AutoencoderConfigError {
    /// A field holds a value that is not supported.
    #[error("Unsupported `{field}` `{found}`, expected {expected}")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is supported.
        expected: &'static str,
    },
    /// The lists of levels differ in length, or are empty.
    #[error(
        "`block_out_channels` has {channels} levels, `down_block_types` {down} and `up_block_types` {up}, expected the same number, at least 1"
    )]
    Levels {
        /// Length of `block_out_channels`.
        channels: usize,
        /// Length of `down_block_types`.
        down: usize,
        /// Length of `up_block_types`.
        up: usize,
    },
    /// A level's channels cannot be split into groups.
    #[error(
        "`block_out_channels` holds {channels}, which is not a positive multiple of `norm_num_groups` {groups}"
    )]
    Groups {
        /// The level's channels.
        channels: usize,
        /// The number of groups.
        groups: usize,
    },
}

impl AutoencoderConfig {
    /// A configuration of diffusers' defaults with the given levels, finest first.
    pub fn new(block_out_channels: Vec<usize>) -> Self {
        let levels = block_out_channels.len();
        Self {
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec![DOWN_BLOCK.to_owned(); levels],
            up_block_types: vec![UP_BLOCK.to_owned(); levels],
            block_out_channels,
            layers_per_block: 1,
            act_fn: SILU.to_owned(),
            latent_channels: 4,
            norm_num_groups: 32,
            sample_size: 32,
            scaling_factor: SCALING_FACTOR,
            shift_factor: None,
            latents_mean: None,
            latents_std: None,
            force_upcast: true,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
        }
    }

    /// Pixels per latent position along one axis: 2 to the power of the number of downsamplings.
    pub fn downscale(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    /// Brings the autoencoder's latents to what the denoiser sees.
    pub fn scaled(&self, latents: Tensor<4>) -> Tensor<4> {
        let latents = match self.shift_factor {
            Some(shift) => latents.sub_scalar(shift),
            None => latents,
        };
        latents.mul_scalar(self.scaling_factor)
    }

    /// Brings what the denoiser sees to the autoencoder's latents.
    pub fn unscaled(&self, latents: Tensor<4>) -> Tensor<4> {
        let latents = latents / self.scaling_factor;
        match self.shift_factor {
            Some(shift) => latents.add_scalar(shift),
            None => latents,
        }
    }

    /// Checks that an autoencoder of this configuration can be built.
    ///
    /// # Errors
    /// The first field that is unsupported or inconsistent.
    pub fn validate(&self) -> Result<(), AutoencoderConfigError> {
        let levels = self.block_out_channels.len();
        if levels == 0 || self.down_block_types.len() != levels || self.up_block_types.len() != levels {
            return Err(AutoencoderConfigError::Levels {
                channels: levels,
                down: self.down_block_types.len(),
                up: self.up_block_types.len(),
            });
        }
        expect_all("down_block_types", &self.down_block_types, DOWN_BLOCK)?;
        expect_all("up_block_types", &self.up_block_types, UP_BLOCK)?;
        expect_all("act_fn", std::slice::from_ref(&self.act_fn), SILU)?;
        let groups = self.norm_num_groups;
        let uneven = |channels: &&usize| groups == 0 || **channels == 0 || !channels.is_multiple_of(groups);
        if let Some(channels) = self.block_out_channels.iter().find(uneven) {
            return Err(AutoencoderConfigError::Groups {
                channels: *channels,
                groups,
            });
        }
        let sizes = [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("latent_channels", self.latent_channels),
            ("layers_per_block", self.layers_per_block),
        ];
        let largest = self
            .block_out_channels
            .iter()
            .max()
            .map(|size| ("block_out_channels", *size));
        for (field, size) in sizes.into_iter().chain(largest) {
            let (limit, expected) = match field {
                "layers_per_block" => (1024, "from 1 to 1024"),
                _ => (65_536, "from 1 to 65536"),
            };
            if size == 0 || size > limit {
                return Err(unsupported(field, size.to_string(), expected));
            }
        }
        if !self.scaling_factor.is_finite() || self.scaling_factor <= 0.0 {
            let found = self.scaling_factor.to_string();
            return Err(unsupported("scaling_factor", found, "a positive number"));
        }
        if let Some(shift) = self.shift_factor.filter(|shift| !shift.is_finite()) {
            return Err(unsupported("shift_factor", shift.to_string(), "a number"));
        }
        let moments = [
            ("latents_mean", &self.latents_mean),
            ("latents_std", &self.latents_std),
        ];
        for (field, value) in moments {
            if let Some(found) = value {
                return Err(unsupported(field, format!("{found:?}"), "null"));
            }
        }
        Ok(())
    }
}

fn expect_all(
    field: &'static str,
    found: &[String],
    expected: &'static str,
) -> Result<(), AutoencoderConfigError> {
    match found.iter().find(|kind| *kind != expected) {
        Some(found) => Err(unsupported(field, found.clone(), expected)),
        None => Ok(()),
    }
}

fn unsupported(field: &'static str, found: String, expected: &'static str) -> AutoencoderConfigError {
    AutoencoderConfigError::Unsupported {
        field,
        found,
        expected,
    }
}

impl TryFrom<Map<String, Value>> for AutoencoderConfig {
    type Error = SettingError;

    fn try_from(fields: Map<String, Value>) -> Result<Self, SettingError> {
        let mut fields = ConfigFields::new(fields, DIFFUSERS);
        let switch = "`true` or `false`";
        let numbers = |value: &Value| value.as_array()?.iter().map(number).collect::<Option<Vec<f64>>>();
        let block = |kind: &str| vec![kind.to_owned()];
        let read = &mut fields;
        let config = Self {
            in_channels: read.take("in_channels", POSITIVE, 3, whole)?,
            out_channels: read.take("out_channels", POSITIVE, 3, whole)?,
            down_block_types: read.take_list("down_block_types", "names", block(DOWN_BLOCK), text)?,
            up_block_types: read.take_list("up_block_types", "names", block(UP_BLOCK), text)?,
            block_out_channels: read.take_required(
                "block_out_channels",
                "a list of whole numbers",
                |value| value.as_array()?.iter().map(whole).collect(),
            )?,
            layers_per_block: read.take("layers_per_block", POSITIVE, 1, whole)?,
            act_fn: read.take("act_fn", "`silu`", SILU.to_owned(), activation)?,
            latent_channels: read.take("latent_channels", POSITIVE, 4, whole)?,
            norm_num_groups: read.take("norm_num_groups", POSITIVE, 32, whole)?,
            sample_size: read.take("sample_size", "a whole number or two", 32, edge)?,
            scaling_factor: read.take("scaling_factor", "a number", SCALING_FACTOR, number)?,
            shift_factor: read.take_optional("shift_factor", "a number or `null`", number)?,
            latents_mean: read.take_optional("latents_mean", "`null`", numbers)?,
            latents_std: read.take_optional("latents_std", "`null`", numbers)?,
            force_upcast: read.take("force_upcast", switch, true, flag)?,
            use_quant_conv: read.take("use_quant_conv", switch, true, flag)?,
            use_post_quant_conv: read.take("use_post_quant_conv", switch, true, flag)?,
            mid_block_add_attention: read.take("mid_block_add_attention", switch, true, flag)?,
        };
        fields.refuse("quantization_config", &[json!(null)])?;
        fields.finish()?;
        Ok(config)
    }
}

/// Pixels along an edge; diffusers takes the first of two numbers.
fn edge(value: &Value) -> Option<usize> {
    match value.as_array() {
        Some(sizes) => whole(sizes.first()?),
        None => whole(value),
    }
}

/// An activation, which diffusers knows under two names.
fn activation(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    Some(if name == "swish" { SILU } else { name }.to_owned())
}

const SILU: &str = "silu";
const SCALING_FACTOR: f64 = 0.18215;
const DOWN_BLOCK: &str = "DownEncoderBlock2D";
const UP_BLOCK: &str = "UpDecoderBlock2D";
