//! From a latent to pixels.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use super::config::AutoencoderConfig;
use super::mid_block::MidBlock;
use super::resnet::{ResnetBlock, group_norm};
use crate::nn::layers::{Conv2d, GroupNorm, Upsample2D};

/// diffusers' `Decoder`.
#[derive(Module, Debug)]
pub(super) struct Decoder {
    conv_in: Conv2d,
    up_blocks: Vec<UpBlock>,
    mid_block: MidBlock,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

#[derive(Module, Debug)]
struct UpBlock {
    resnets: Vec<ResnetBlock>,
    upsamplers: Vec<Upsample2D>,
}

impl Decoder {
    pub(super) fn new(config: &AutoencoderConfig, device: &Device) -> Self {
        let coarsest_first: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
        let last = coarsest_first.len() - 1;
        let up_blocks = (0..coarsest_first.len())
            .map(|level| {
                let input = coarsest_first[level.saturating_sub(1)];
                UpBlock::new([input, coarsest_first[level]], config, level < last, device)
            })
            .collect();
        Self {
            conv_in: Conv2d::same([config.latent_channels, coarsest_first[0]], 3, device),
            up_blocks,
            mid_block: MidBlock::new(config, coarsest_first[0], device),
            conv_norm_out: group_norm(config.norm_num_groups, coarsest_first[last], device),
            conv_out: Conv2d::same([coarsest_first[last], config.out_channels], 3, device),
        }
    }

    pub(super) fn dtype(&self) -> DType {
        self.conv_in.weight.val().dtype()
    }

    /// # Shapes
    /// - latent: `[batch, height, width, latent_channels]`
    /// - output: `[batch, height * downscale, width * downscale, out_channels]`
    pub(super) fn forward(&self, latent: Tensor<4>) -> Tensor<4> {
        let mut x = self.mid_block.forward(self.conv_in.forward(latent));
        for block in &self.up_blocks {
            x = block.forward(x);
        }
        self.conv_out.forward(self.conv_norm_out.forward_silu(x))
    }
}

impl UpBlock {
    fn new(channels: [usize; 2], config: &AutoencoderConfig, upsample: bool, device: &Device) -> Self {
        let [input, output] = channels;
        let resnets = (0..=config.layers_per_block)
            .map(|layer| if layer == 0 { input } else { output })
            .map(|input| ResnetBlock::new([input, output], config.norm_num_groups, device))
            .collect();
        let upsamplers = (0..usize::from(upsample))
            .map(|_| Upsample2D::new(output, device))
            .collect();
        Self { resnets, upsamplers }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.resnets.iter().fold(x, |x, resnet| resnet.forward(x));
        self.upsamplers
            .iter()
            .fold(x, |x, upsampler| upsampler.forward(x, None))
    }
}
