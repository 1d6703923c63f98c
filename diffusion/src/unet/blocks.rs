//! The levels of the network: down, middle, up.
//!
//! diffusers has two classes for each direction, with and without attention; here a level without
//! attention simply has none in its list, which gives the same parameter names.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::attention_recording::AttentionRecording;
use super::resnet::{ResnetBlock2D, ResnetShape};
use super::transformer::{Transformer2DModel, TransformerShape};
use crate::nn::layers::{AdaptableLayer, AttentionContext, Downsample2D, Upsample2D, VisitLayers};

/// What every block of the network is given besides the image.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Time embedding after SiLU, `[batch, time features]`.
    pub activated_time: Tensor<2>,
    /// The prompt's tokens.
    pub context: AttentionContext,
}

/// Residual blocks and transformers at one resolution, then halving; `CrossAttnDownBlock2D` or
/// `DownBlock2D`.
#[derive(Module, Debug)]
pub struct DownBlock {
    /// One after each residual block, or none at all.
    pub attentions: Vec<Transformer2DModel>,
    /// At least one.
    pub resnets: Vec<ResnetBlock2D>,
    /// One, or none at the lowest resolution.
    pub downsamplers: Vec<Downsample2D>,
}

impl DownBlock {
    /// Creates a level from the shapes of its parts.
    pub fn new(
        resnets: &[ResnetShape],
        transformer: Option<&TransformerShape>,
        downsample_padding: Option<usize>,
        device: &Device,
    ) -> Self {
        let channels = |shape: &ResnetShape| shape.out_channels;
        Self {
            attentions: transformers(transformer, resnets.len(), device),
            resnets: residual_blocks(resnets, device),
            downsamplers: resnets
                .last()
                .zip(downsample_padding)
                .map(|(last, padding)| Downsample2D::new(channels(last), padding, device))
                .into_iter()
                .collect(),
        }
    }

    /// Applies the level and keeps each intermediate image for the way up.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - output: `[batch, height / 2, width / 2, out]`, not halved at the lowest resolution
    pub fn forward(
        &self,
        x: Tensor<4>,
        condition: &Condition,
        skips: &mut Vec<Tensor<4>>,
        recording: &mut AttentionRecording<'_>,
    ) -> Tensor<4> {
        let mut x = x;
        for (index, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, condition.activated_time.clone());
            if let Some(attention) = self.attentions.get(index) {
                let mut recording = recording.inside(format_args!("attentions.{index}"));
                x = attention.forward_recorded(x, &condition.context, &mut recording);
            }
            skips.push(x.clone());
        }
        for downsampler in &self.downsamplers {
            x = downsampler.forward(x);
            skips.push(x.clone());
        }
        x
    }
}

/// One transformer between two residual blocks at the lowest resolution;
/// `UNetMidBlock2DCrossAttn`.
#[derive(Module, Debug)]
pub struct MidBlock {
    /// One less than residual blocks.
    pub attentions: Vec<Transformer2DModel>,
    /// Two.
    pub resnets: Vec<ResnetBlock2D>,
}

impl MidBlock {
    /// Creates the level from the shapes of its parts.
    pub fn new(resnet: &ResnetShape, transformer: &TransformerShape, device: &Device) -> Self {
        Self {
            attentions: transformers(Some(transformer), 1, device),
            resnets: residual_blocks(&[*resnet, *resnet], device),
        }
    }

    /// Applies the level.
    ///
    /// # Shapes
    /// - x and output: `[batch, height, width, channels]`
    pub fn forward(
        &self,
        x: Tensor<4>,
        condition: &Condition,
        recording: &mut AttentionRecording<'_>,
    ) -> Tensor<4> {
        let mut x = x;
        for (index, resnet) in self.resnets.iter().enumerate() {
            if let Some(before) = index.checked_sub(1) {
                let mut recording = recording.inside(format_args!("attentions.{before}"));
                x = self.attentions[before].forward_recorded(x, &condition.context, &mut recording);
            }
            x = resnet.forward(x, condition.activated_time.clone());
        }
        x
    }
}

/// Residual blocks and transformers that take in the images kept on the way down, then doubling;
/// `CrossAttnUpBlock2D` or `UpBlock2D`.
#[derive(Module, Debug)]
pub struct UpBlock {
    /// One after each residual block, or none at all.
    pub attentions: Vec<Transformer2DModel>,
    /// At least one.
    pub resnets: Vec<ResnetBlock2D>,
    /// One, or none at the highest resolution.
    pub upsamplers: Vec<Upsample2D>,
}

impl UpBlock {
    /// Creates a level from the shapes of its parts.
    pub fn new(
        resnets: &[ResnetShape],
        transformer: Option<&TransformerShape>,
        upsample: bool,
        device: &Device,
    ) -> Self {
        Self {
            attentions: transformers(transformer, resnets.len(), device),
            resnets: residual_blocks(resnets, device),
            upsamplers: resnets
                .last()
                .filter(|_| upsample)
                .map(|last| Upsample2D::new(last.out_channels, device))
                .into_iter()
                .collect(),
        }
    }

    /// Applies the level, taking one image off `skips` per residual block.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - output: `[batch, .., .., out]`, as large as the next image in `skips`
    pub fn forward(
        &self,
        x: Tensor<4>,
        condition: &Condition,
        skips: &mut Vec<Tensor<4>>,
        recording: &mut AttentionRecording<'_>,
    ) -> Tensor<4> {
        let mut x = x;
        for (index, resnet) in self.resnets.iter().enumerate() {
            let skip = skips.pop().into_iter();
            x = Tensor::cat(std::iter::once(x).chain(skip).collect(), 3);
            x = resnet.forward(x, condition.activated_time.clone());
            if let Some(attention) = self.attentions.get(index) {
                let mut recording = recording.inside(format_args!("attentions.{index}"));
                x = attention.forward_recorded(x, &condition.context, &mut recording);
            }
        }
        for upsampler in &self.upsamplers {
            let size = skips.last().map(|skip| {
                let [_, height, width, _] = skip.dims();
                [height, width]
            });
            x = upsampler.forward(x, size);
        }
        x
    }
}

fn residual_blocks(shapes: &[ResnetShape], device: &Device) -> Vec<ResnetBlock2D> {
    let block = |shape| ResnetBlock2D::new(shape, device);
    shapes.iter().map(block).collect()
}

fn transformers(shape: Option<&TransformerShape>, count: usize, device: &Device) -> Vec<Transformer2DModel> {
    let transformer = |shape| Transformer2DModel::new(shape, device);
    std::iter::repeat_n(shape, count)
        .flatten()
        .map(transformer)
        .collect()
}

impl VisitLayers for DownBlock {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        visit_level(&mut self.attentions, &mut self.resnets, path, visit);
        self.downsamplers
            .visit_layers(&format!("{path}.downsamplers"), visit);
    }
}

impl VisitLayers for MidBlock {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        visit_level(&mut self.attentions, &mut self.resnets, path, visit);
    }
}

impl VisitLayers for UpBlock {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        visit_level(&mut self.attentions, &mut self.resnets, path, visit);
        self.upsamplers.visit_layers(&format!("{path}.upsamplers"), visit);
    }
}

fn visit_level(
    attentions: &mut Vec<Transformer2DModel>,
    resnets: &mut Vec<ResnetBlock2D>,
    path: &str,
    visit: &mut dyn FnMut(&str, AdaptableLayer<'_>),
) {
    attentions.visit_layers(&format!("{path}.attentions"), visit);
    resnets.visit_layers(&format!("{path}.resnets"), visit);
}
