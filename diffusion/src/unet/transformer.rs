//! The transformer between two residual blocks, where the prompt reaches the image.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::attention_recording::AttentionRecording;
use super::feed_forward::FeedForward;
use crate::denoiser::AttentionKind;
use crate::nn::layers::{
    AdaptableLayer, Attention, AttentionContext, AttentionShape, Bias, GroupNorm, LayerNorm, Linear,
    VisitLayers,
};

/// Sizes of a [`Transformer2DModel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformerShape {
    /// Channels of the image.
    pub channels: usize,
    /// Number of heads; a head has `channels / heads` features, rounded down.
    pub heads: usize,
    /// Features of the prompt's tokens.
    pub context_features: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Groups of the group norm.
    pub groups: usize,
    /// Whether the first attention of each block reads the prompt instead of the image.
    pub only_cross_attention: bool,
    /// Whether attention scores are computed in f32 in a half-precision model.
    pub upcast_attention: bool,
}

/// Treats the pixels of an image as tokens and lets them attend to each other and to the prompt.
///
/// Where a configuration says `use_linear_projection: false`, files hold `proj_in` and `proj_out`
/// as convolutions with kernel 1. Those are linear layers over pixels, so they are one here too;
/// only the stored shape differs, `[out, in, 1, 1]`
/// (see [`stored_shape`](super::UNet2DConditionConfig::stored_shape)).
#[derive(Module, Debug)]
pub struct Transformer2DModel {
    /// Before the blocks.
    pub norm: GroupNorm,
    /// From channels to the width of the blocks.
    pub proj_in: Linear,
    /// The blocks.
    pub transformer_blocks: Vec<BasicTransformerBlock>,
    /// Back to channels.
    pub proj_out: Linear,
}

impl Transformer2DModel {
    /// Epsilon of the group norm, fixed in diffusers and not the configuration's `norm_eps`.
    const NORM_EPSILON: f64 = 1e-6;

    /// Creates the transformer with fresh weights.
    pub fn new(shape: &TransformerShape, device: &Device) -> Self {
        let width = shape.heads * (shape.channels / shape.heads);
        let block = |_| BasicTransformerBlock::new(shape, device);
        Self {
            norm: GroupNorm::new(shape.groups, shape.channels, Self::NORM_EPSILON, device),
            proj_in: Linear::new(shape.channels, width, Bias::Present, device),
            transformer_blocks: (0..shape.layers).map(block).collect(),
            proj_out: Linear::new(width, shape.channels, Bias::Present, device),
        }
    }

    /// Applies the transformer.
    ///
    /// # Shapes
    /// - x and output: `[batch, height, width, channels]`
    /// - context: `[batch, context tokens, context features]`
    pub fn forward(&self, x: Tensor<4>, context: Tensor<3>) -> Tensor<4> {
        self.forward_recorded(
            x,
            &AttentionContext::from(context),
            &mut AttentionRecording::off(),
        )
    }

    /// Applies the transformer as [`Self::forward`] does, and keeps the attention maps that are wanted.
    pub fn forward_recorded(
        &self,
        x: Tensor<4>,
        context: &AttentionContext,
        recording: &mut AttentionRecording<'_>,
    ) -> Tensor<4> {
        let [batch, height, width, channels] = x.dims();
        let tokens = self
            .norm
            .forward(x.clone())
            .reshape([batch, height * width, channels]);
        let mut tokens = self.proj_in.forward(tokens);
        for (index, block) in self.transformer_blocks.iter().enumerate() {
            let mut recording = recording.inside(format_args!("transformer_blocks.{index}"));
            tokens = block.forward_recorded(tokens, context, &mut recording);
        }
        let image = self
            .proj_out
            .forward(tokens)
            .reshape([batch, height, width, channels]);
        x + image
    }
}

/// Self-attention, attention to the prompt and a feed-forward layer, each added to its input.
#[derive(Module, Debug)]
pub struct BasicTransformerBlock {
    /// Before `attn1`.
    pub norm1: LayerNorm,
    /// Among the image's tokens.
    pub attn1: Attention,
    /// Before `attn2`.
    pub norm2: LayerNorm,
    /// To the prompt's tokens.
    pub attn2: Attention,
    /// Before `ff`.
    pub norm3: LayerNorm,
    /// Token by token.
    pub ff: FeedForward,
    #[module(skip)]
    only_cross_attention: bool,
}

impl BasicTransformerBlock {
    /// Creates the block with fresh weights.
    pub fn new(shape: &TransformerShape, device: &Device) -> Self {
        let head_features = shape.channels / shape.heads;
        let features = shape.heads * head_features;
        let attention = |context_features| {
            let shape = AttentionShape {
                features,
                context_features,
                heads: shape.heads,
                head_features,
                upcast: shape.upcast_attention,
            };
            Attention::new(&shape, device)
        };
        let first_context = match shape.only_cross_attention {
            true => shape.context_features,
            false => features,
        };
        Self {
            norm1: LayerNorm::new(features, device),
            attn1: attention(first_context),
            norm2: LayerNorm::new(features, device),
            attn2: attention(shape.context_features),
            norm3: LayerNorm::new(features, device),
            ff: FeedForward::new(features, device),
            only_cross_attention: shape.only_cross_attention,
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// - x and output: `[batch, tokens, features]`
    /// - context: `[batch, context tokens, context features]`
    pub fn forward(&self, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        self.forward_recorded(
            x,
            &AttentionContext::from(context),
            &mut AttentionRecording::off(),
        )
    }

    /// Applies the block as [`Self::forward`] does, and keeps the attention maps that are wanted.
    pub fn forward_recorded(
        &self,
        x: Tensor<3>,
        context: &AttentionContext,
        recording: &mut AttentionRecording<'_>,
    ) -> Tensor<3> {
        let cross = AttentionKind::CrossAttention;
        let normed = self.norm1.forward(x.clone());
        let (kind, first_context) = match self.only_cross_attention {
            true => (cross, context.clone()),
            false => (AttentionKind::SelfAttention, normed.clone().into()),
        };
        let x = x + recording.attend(&self.attn1, "attn1", kind, normed, first_context);
        let normed = self.norm2.forward(x.clone());
        let x = x + recording.attend(&self.attn2, "attn2", cross, normed, context.clone());
        x.clone() + self.ff.forward(self.norm3.forward(x))
    }
}

impl VisitLayers for Transformer2DModel {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.proj_in.visit_layers(&format!("{path}.proj_in"), visit);
        self.transformer_blocks
            .visit_layers(&format!("{path}.transformer_blocks"), visit);
        self.proj_out.visit_layers(&format!("{path}.proj_out"), visit);
    }
}

impl VisitLayers for BasicTransformerBlock {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.attn1.visit_layers(&format!("{path}.attn1"), visit);
        self.attn2.visit_layers(&format!("{path}.attn2"), visit);
        self.ff.visit_layers(&format!("{path}.ff"), visit);
    }
}
