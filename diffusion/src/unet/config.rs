//! What `unet/config.json` says about the network.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::resnet::ResnetShape;
use super::transformer::TransformerShape;
use crate::config_fields::SettingError;

/// Configuration of a [`UNet2DConditionModel`](super::UNet2DConditionModel), read from and written
/// as diffusers' `unet/config.json`.
///
/// Reading is strict: a field that would change the result and is not supported is an error, never
/// ignored. Defaults are those of diffusers. Lists have one entry per level, from the highest
/// resolution to the lowest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct UNet2DConditionConfig {
    /// Height and width in latent pixels that the model was trained for.
    pub sample_size: Option<usize>,
    /// Channels of the latent image.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Whether the input is first mapped from 0..1 to -1..1.
    pub center_input_sample: bool,
    /// Whether cosines come before sines in the time embedding.
    pub flip_sin_to_cos: bool,
    /// Subtracted in the exponent of the time embedding's frequencies.
    pub freq_shift: f64,
    /// Whether each level has transformers on the way down (`CrossAttnDownBlock2D`).
    pub down_attention: Vec<bool>,
    /// Whether there is a middle block (`UNetMidBlock2DCrossAttn`, else `null`).
    pub mid_block: bool,
    /// Whether each level has transformers on the way up (`CrossAttnUpBlock2D`); unlike diffusers'
    /// `up_block_types`, from the highest resolution to the lowest.
    pub up_attention: Vec<bool>,
    /// Whether the first attention of each transformer block reads the prompt.
    pub only_cross_attention: Vec<bool>,
    /// Channels of each level.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks of each level on the way down; one more on the way up.
    pub layers_per_block: Vec<usize>,
    /// Zeros around an image before it is halved.
    pub downsample_padding: usize,
    /// Divides the output of the middle block's residual blocks.
    pub mid_block_scale_factor: f64,
    /// Groups of the group norms.
    pub norm_num_groups: usize,
    /// Added to the variance in the residual blocks' group norms.
    pub norm_eps: f64,
    /// Features of the prompt's tokens.
    pub cross_attention_dim: Vec<usize>,
    /// Transformer blocks in each transformer.
    pub transformer_layers_per_block: Vec<usize>,
    /// Number of attention heads. diffusers writes it as `attention_head_dim`, a misnomer it keeps
    /// for compatibility.
    pub attention_heads: Vec<usize>,
    /// Whether files hold `proj_in` and `proj_out` as linear layers, not as convolutions.
    pub use_linear_projection: bool,
    /// Whether attention scores are computed in f32 in a half-precision model.
    pub upcast_attention: bool,
    /// Features of the time embedding, by default four times the first level's channels.
    pub time_embedding_dim: Option<usize>,
    /// Kernel of the first convolution, odd.
    pub conv_in_kernel: usize,
    /// Kernel of the last convolution, odd.
    pub conv_out_kernel: usize,
    /// What is added to the time embedding, of Stable Diffusion XL
    /// (`addition_embed_type: text_time`).
    pub addition: Option<TextTimeAddition>,
}

/// How a prompt's vector and the sizes of its image reach the time embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextTimeAddition {
    /// Sines and cosines of each of the six sizes (`addition_time_embed_dim`).
    pub time_features: usize,
    /// Width of the prompt's vector, and of six sizes' sines and cosines
    /// (`projection_class_embeddings_input_dim`).
    pub in_features: usize,
}

impl TextTimeAddition {
    /// Numbers that say how large the image was, where it was cut and how large it is to be.
    pub const SIZES: usize = 6;

    /// Width of the prompt's vector.
    pub fn text_features(&self) -> usize {
        self.in_features.saturating_sub(Self::SIZES * self.time_features)
    }
}

/// Why a `unet/config.json` cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum UNetConfigError {
    /// A field asks for something that is not supported.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The network has no level at all.
    #[error("`block_out_channels` is empty")]
    NoLevels,
    /// More attention heads than channels.
    #[error("`attention_head_dim` asks for {heads} heads on a level of {channels} channels")]
    Heads {
        /// Number of heads.
        heads: usize,
        /// Channels of the level.
        channels: usize,
    },
    /// Channels that cannot be normalised in equal groups.
    #[error("`norm_num_groups` is {groups}, which does not divide the {channels} channels of a level")]
    Groups {
        /// Number of groups.
        groups: usize,
        /// Channels of the level.
        channels: usize,
    },
}

/// One resolution of the network.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    pub(super) channels: usize,
    pub(super) layers: usize,
    pub(super) down_attention: bool,
    pub(super) up_attention: bool,
    pub(super) transformer: TransformerShape,
}

impl UNet2DConditionConfig {
    /// Features of the time embedding.
    pub fn time_features(&self) -> usize {
        let four_times = |channels: &usize| 4 * channels;
        self.time_embedding_dim
            .or_else(|| self.block_out_channels.first().map(four_times))
            .unwrap_or_default()
    }

    /// Shape in which files hold the parameter `name` whose shape here is `shape`.
    ///
    /// They differ for `proj_in.weight` and `proj_out.weight` without `use_linear_projection`,
    /// which are stored as convolutions with kernel 1.
    pub fn stored_shape(&self, name: &str, shape: &[usize]) -> Vec<usize> {
        let projection = [".proj_in.weight", ".proj_out.weight"];
        let mut stored = shape.to_vec();
        if !self.use_linear_projection && projection.iter().any(|end| name.ends_with(end)) {
            stored.extend([1, 1]);
        }
        stored
    }

    pub(super) fn levels(&self) -> Vec<Level> {
        let level = |(index, &channels): (usize, &usize)| Level {
            channels,
            layers: self.layers_per_block[index],
            down_attention: self.down_attention[index],
            up_attention: self.up_attention[index],
            transformer: TransformerShape {
                channels,
                heads: self.attention_heads[index],
                context_features: self.cross_attention_dim[index],
                layers: self.transformer_layers_per_block[index],
                groups: self.norm_num_groups,
                only_cross_attention: self.only_cross_attention[index],
                upcast_attention: self.upcast_attention,
            },
        };
        self.block_out_channels.iter().enumerate().map(level).collect()
    }

    pub(super) fn down_resnets(&self, levels: &[Level], index: usize) -> Vec<ResnetShape> {
        let level = &levels[index];
        let before = levels[index.saturating_sub(1)].channels;
        let inputs = std::iter::once(before).chain(std::iter::repeat(level.channels));
        inputs
            .take(level.layers)
            .map(|input| self.resnet(input, level.channels, 1.0))
            .collect()
    }

    pub(super) fn mid_resnet(&self, channels: usize) -> ResnetShape {
        self.resnet(channels, channels, self.mid_block_scale_factor)
    }

    /// The middle block always has self-attention, whatever `only_cross_attention` says.
    pub(super) fn mid_transformer(&self, lowest: &Level) -> TransformerShape {
        TransformerShape {
            only_cross_attention: false,
            ..lowest.transformer
        }
    }

    pub(super) fn up_resnets(&self, levels: &[Level], index: usize) -> Vec<ResnetShape> {
        let level = &levels[index];
        let below = levels[(index + 1).min(levels.len() - 1)].channels;
        let above = levels[index.saturating_sub(1)].channels;
        let input = |layer| {
            let image = if layer == 0 { below } else { level.channels };
            let skip = if layer == level.layers {
                above
            } else {
                level.channels
            };
            self.resnet(image + skip, level.channels, 1.0)
        };
        (0..=level.layers).map(input).collect()
    }

    fn resnet(&self, in_channels: usize, out_channels: usize, output_scale_factor: f64) -> ResnetShape {
        ResnetShape {
            in_channels,
            out_channels,
            time_features: self.time_features(),
            groups: self.norm_num_groups,
            epsilon: self.norm_eps,
            output_scale_factor,
        }
    }
}
