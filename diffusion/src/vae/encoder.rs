//! From pixels to the moments of a latent.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::config::AutoencoderConfig;
use super::mid_block::MidBlock;
use super::resnet::{ResnetBlock, group_norm};
use crate::nn::layers::{Conv2d, Downsample2D, GroupNorm};

/// diffusers' `Encoder`.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownBlock>,
    mid_block: MidBlock,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

#[derive(Module, Debug)]
struct DownBlock {
    resnets: Vec<ResnetBlock>,
    downsamplers: Vec<Downsample2D>,
}

impl Encoder {
    pub(super) fn new(config: &AutoencoderConfig, device: &Device) -> Self {
        let channels = &config.block_out_channels;
        let groups = config.norm_num_groups;
        let last = channels.len() - 1;
        let down_blocks = (0..channels.len())
            .map(|level| {
                let input = channels[level.saturating_sub(1)];
                DownBlock::new([input, channels[level]], config, level < last, device)
            })
            .collect();
        Self {
            conv_in: Conv2d::same([config.in_channels, channels[0]], 3, device),
            down_blocks,
            mid_block: MidBlock::new(config, channels[last], device),
            conv_norm_out: group_norm(groups, channels[last], device),
            conv_out: Conv2d::same([channels[last], 2 * config.latent_channels], 3, device),
        }
    }

    /// # Shapes
    /// - image: `[batch, height, width, in_channels]`
    /// - output: `[batch, height / downscale, width / downscale, 2 latent_channels]`
    pub(super) fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let mut x = self.conv_in.forward(image);
        for block in &self.down_blocks {
            x = block.forward(x);
        }
        let x = self.mid_block.forward(x);
        self.conv_out.forward(self.conv_norm_out.forward_silu(x))
    }
}

impl DownBlock {
    fn new(channels: [usize; 2], config: &AutoencoderConfig, downsample: bool, device: &Device) -> Self {
        let [input, output] = channels;
        let resnets = (0..config.layers_per_block)
            .map(|layer| if layer == 0 { input } else { output })
            .map(|input| ResnetBlock::new([input, output], config.norm_num_groups, device))
            .collect();
        // Padding 0 pads below and to the right only, so that position 0 stays position 0.
        let downsamplers = (0..usize::from(downsample))
            .map(|_| Downsample2D::new(output, 0, device))
            .collect();
        Self {
            resnets,
            downsamplers,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.resnets.iter().fold(x, |x, resnet| resnet.forward(x));
        self.downsamplers
            .iter()
            .fold(x, |x, downsampler| downsampler.forward(x))
    }
}
