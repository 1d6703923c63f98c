//! The blocks at the coarsest level, of encoder and decoder alike.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::attention::SpatialAttention;
use super::config::AutoencoderConfig;
use super::resnet::ResnetBlock;

/// diffusers' `UNetMidBlock2D`: residual blocks with attention between them.
#[derive(Module, Debug)]
pub(super) struct MidBlock {
    attentions: Vec<SpatialAttention>,
    resnets: Vec<ResnetBlock>,
}

impl MidBlock {
    pub(super) fn new(config: &AutoencoderConfig, channels: usize, device: &Device) -> Self {
        let groups = config.norm_num_groups;
        let attentions = usize::from(config.mid_block_add_attention);
        Self {
            attentions: (0..attentions)
                .map(|_| SpatialAttention::new(channels, groups, device))
                .collect(),
            resnets: (0..2)
                .map(|_| ResnetBlock::new([channels, channels], groups, device))
                .collect(),
        }
    }

    /// # Shapes
    /// - x and output: `[batch, height, width, channels]`
    pub(super) fn forward(&self, mut x: Tensor<4>) -> Tensor<4> {
        for (index, resnet) in self.resnets.iter().enumerate() {
            if let Some(attention) = index
                .checked_sub(1)
                .and_then(|before| self.attentions.get(before))
            {
                x = attention.forward(x);
            }
            x = resnet.forward(x);
        }
        x
    }
}
