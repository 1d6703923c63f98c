//! What BLIP sees of an image.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use mitune_diffusion::nn::compute_threads::on_compute_thread;
use mitune_diffusion::nn::kernels::linear;
use mitune_diffusion::nn::layers::LayerNorm;
use mitune_diffusion::nn::weights::{TensorSource, load_module};

use super::BLIP_NAMES;
use super::config::BlipVisionConfig;
use super::error::BlipError;
use super::vision_layer::{VisionLayer, layer_norm};

/// transformers' `BlipVisionModel`.
#[derive(Module, Debug)]
pub struct BlipVisionModel {
    embeddings: VisionEmbeddings,
    encoder: VisionEncoder,
    post_layernorm: LayerNorm,
}

#[derive(Module, Debug)]
struct VisionEmbeddings {
    /// `[1, 1, width]`
    class_embedding: Param<Tensor<3>>,
    patch_embedding: PatchEmbedding,
    /// `[1, tokens, width]`
    position_embedding: Param<Tensor<3>>,
}

/// A convolution whose kernels lie side by side: one product of all patches.
#[derive(Module, Debug)]
struct PatchEmbedding {
    /// `[width, 3, patch, patch]`
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct VisionEncoder {
    layers: Vec<VisionLayer>,
}

impl BlipVisionModel {
    /// Builds a model with random parameters.
    ///
    /// # Errors
    /// When the configuration is inconsistent.
    pub fn new(config: &BlipVisionConfig, device: &Device) -> Result<Self, BlipError> {
        config.validate()?;
        let (width, patch) = (config.hidden_size, config.patch_size);
        let initial = Initializer::Normal { mean: 0.0, std: 0.02 };
        let layers = (0..config.num_hidden_layers)
            .map(|_| VisionLayer::new(config, device))
            .collect();
        Ok(Self {
            embeddings: VisionEmbeddings {
                class_embedding: initial.init([1, 1, width], device),
                patch_embedding: PatchEmbedding {
                    weight: initial.init([width, 3, patch, patch], device),
                    bias: Initializer::Zeros.init([width], device),
                },
                position_embedding: initial.init([1, config.tokens(), width], device),
            },
            encoder: VisionEncoder { layers },
            post_layernorm: layer_norm(config, device),
        })
    }

    /// Builds a model with the weights of a file that holds it alone.
    ///
    /// # Errors
    /// When the configuration is inconsistent, or the weights do not fit it.
    pub fn load(
        source: &dyn TensorSource,
        config: &BlipVisionConfig,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, BlipError> {
        let model = Self::new(config, device)?;
        Ok(load_module(model, source, &BLIP_NAMES, dtype)?)
    }

    /// Encodes images.
    ///
    /// # Shapes
    /// - pixels: `[batch, height, width, 3]` of the configuration's size, normalised
    /// - output: `[batch, 1 + patches, width]`, the class token first
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        on_compute_thread(&pixels.device(), || self.encode(pixels))
    }

    fn encode(&self, pixels: Tensor<4>) -> Tensor<3> {
        let embedded = self.embeddings.forward(pixels);
        let layers = self.encoder.layers.iter();
        let states = layers.fold(embedded, |states, layer| layer.forward(states));
        self.post_layernorm.forward(states)
    }
}

impl VisionEmbeddings {
    fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let images = pixels.dims()[0];
        let patches = self.patch_embedding.forward(pixels);
        let class = self.class_embedding.val().repeat_dim(0, images);
        Tensor::cat(vec![class, patches], 1) + self.position_embedding.val()
    }
}

impl PatchEmbedding {
    fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let [images, height, width, channels] = pixels.dims();
        let [features, _, side, _] = self.weight.dims();
        let (rows, columns, values) = (height / side, width / side, side * side * channels);
        let patches: Tensor<6> = pixels.reshape([images, rows, side, columns, side, channels]);
        let patches: Tensor<2> = patches.swap_dims(2, 3).reshape([images * rows * columns, values]);
        // Loading has stored the kernels with their channels innermost, so this moves nothing.
        let kernels: Tensor<2> = self
            .weight
            .val()
            .permute([0, 2, 3, 1])
            .reshape([features, values]);
        linear(patches, kernels, Some(self.bias.val())).reshape([images, rows * columns, features])
    }
}
