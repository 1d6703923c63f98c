//! The network of ImageReward: BLIP's two encoders, and a few linear layers on what they say.

use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use mitune_diffusion::nn::kernels::linear;
use mitune_diffusion::nn::layers::{Bias, Linear};
use mitune_diffusion::nn::weights::{Dtype, NameTable, SeededTensors, TensorSource, load_module};

use crate::blip::{BlipError, BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel, TextBatch};

/// ImageReward's network, under BLIP's names in transformers.
#[derive(Module, Debug)]
pub(crate) struct RewardNetwork {
    vision_model: BlipVisionModel,
    text_encoder: BlipTextModel,
    head: RewardHead,
}

/// Linear layers without anything between them.
#[derive(Module, Debug)]
struct RewardHead {
    layers: Vec<Linear>,
}

/// Where the vision model's tensors are in the file.
pub(super) const VISION: &str = "blip.visual_encoder";

/// The weights of the head's layers in the file; dropouts have the numbers between.
pub(super) const HEAD: [&str; 5] = [
    "mlp.layers.0",
    "mlp.layers.2",
    "mlp.layers.4",
    "mlp.layers.6",
    "mlp.layers.7",
];

/// How the file spells the parameters; it also holds two projections that only training used.
pub(super) const NAMES: NameTable<'static> = NameTable {
    rename: &[
        ("attend", "self"),
        ("layer_norm", "LayerNorm"),
        ("text_encoder", "blip.text_encoder"),
        (
            "vision_model.embeddings.class_embedding",
            "blip.visual_encoder.cls_token",
        ),
        (
            "vision_model.embeddings.position_embedding",
            "blip.visual_encoder.pos_embed",
        ),
        (
            "vision_model.embeddings.patch_embedding",
            "blip.visual_encoder.patch_embed.proj",
        ),
        ("vision_model.encoder.layers", "blip.visual_encoder.blocks"),
        ("vision_model.post_layernorm", "blip.visual_encoder.norm"),
        ("layer_norm1", "norm1"),
        ("layer_norm2", "norm2"),
        ("self_attn.qkv", "attn.qkv"),
        ("self_attn.projection", "attn.proj"),
        ("head.layers.0", HEAD[0]),
        ("head.layers.1", HEAD[1]),
        ("head.layers.2", HEAD[2]),
        ("head.layers.3", HEAD[3]),
        ("head.layers.4", HEAD[4]),
    ],
    former: &[],
    ignored: &[
        "position_ids",
        "vision_proj.weight",
        "vision_proj.bias",
        "text_proj.weight",
        "text_proj.bias",
    ],
};

impl RewardNetwork {
    /// Builds a network with random parameters; `widths` are those before, between and after the head's layers.
    pub(crate) fn new(
        vision: &BlipVisionConfig,
        text: &BlipTextConfig,
        widths: &[usize],
        device: &Device,
    ) -> Result<Self, BlipError> {
        let layers = widths
            .windows(2)
            .map(|pair| Linear::new(pair[0], pair[1], Bias::Present, device))
            .collect();
        Ok(Self {
            vision_model: BlipVisionModel::new(vision, device)?,
            text_encoder: BlipTextModel::new(text, device)?,
            head: RewardHead { layers },
        })
    }

    /// The same with weights that follow from a seed.
    pub(crate) fn seeded(self, seed: u64, dtype: FloatDType) -> Result<Self, BlipError> {
        let weights = SeededTensors::new(seed, Dtype::F32, &self, &NAMES);
        self.load(&weights, dtype)
    }

    /// The same with the weights of a file.
    pub(super) fn load(self, source: &dyn TensorSource, dtype: FloatDType) -> Result<Self, BlipError> {
        Ok(load_module(self, source, &NAMES, dtype)?)
    }

    /// The raw output for each pair, f32.
    ///
    /// # Shapes
    /// - pixels: `[batch, height, width, 3]`
    /// - output: `[batch, 1]`
    pub(crate) fn forward(&self, pixels: Tensor<4>, texts: &TextBatch) -> Tensor<2> {
        let images = self.vision_model.forward(pixels);
        let states = self.text_encoder.forward(texts, images);
        let [batch, _, width] = states.dims();
        let first = states.narrow(1, 0, 1).reshape([batch, width]);
        self.head.forward(first.cast(DType::F32))
    }
}

impl RewardHead {
    /// # Shapes
    /// - x: `[batch, width]`, f32 whatever the type of the weights
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layers.iter().fold(x, |x, layer| {
            let bias = layer.bias.as_ref().map(|bias| bias.val().cast(DType::F32));
            linear(x, layer.weight.val().cast(DType::F32), bias)
        })
    }
}
