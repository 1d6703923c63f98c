//! The vision model as a whole.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, FloatDType, Tensor};
use mitune_diffusion::nn::compute_threads::on_compute_thread;
use mitune_diffusion::nn::kernels::{linear, sum_type};
use mitune_diffusion::nn::layers::{Bias, LayerNorm, Linear};
use mitune_diffusion::nn::weights::{Dtype, NameTable, SeededTensors, TensorSource, load_module};

use super::encoder_layer::EncoderLayer;
use super::renamed_tensors::RenamedTensors;
use super::{ClipConfig, ClipError, ClipVisionConfig};

/// transformers' `CLIPVisionModelWithProjection`: the half of a CLIP that looks at images.
#[derive(Module, Debug)]
pub struct ClipVisionModel {
    vision_model: VisionTransformer,
    visual_projection: Linear,
    #[module(skip)]
    image_size: usize,
}

#[derive(Module, Debug)]
struct VisionTransformer {
    embeddings: VisionEmbeddings,
    /// Spelled so in every published file.
    pre_layrnorm: LayerNorm,
    encoder: Encoder,
    post_layernorm: LayerNorm,
}

#[derive(Module, Debug)]
struct VisionEmbeddings {
    class_embedding: Param<Tensor<1>>,
    patch_embedding: PatchEmbedding,
    position_embedding: Embedding,
}

/// A convolution whose windows do not overlap, which is one product of all patches with its weight.
#[derive(Module, Debug)]
struct PatchEmbedding {
    /// `[width, 3, patch, patch]`.
    weight: Param<Tensor<4>>,
}

#[derive(Module, Debug)]
struct Encoder {
    layers: Vec<EncoderLayer>,
}

/// How a vision model's parameters are named in files.
pub(super) const NAMES: NameTable<'static> = NameTable {
    rename: &[],
    former: &[],
    ignored: &["position_ids"],
};

/// Parts of a whole CLIP's names that are of the vision model.
pub(super) const PARTS: [&str; 2] = ["vision_model.", "visual_projection."];

impl ClipVisionModel {
    /// Builds a vision model with random parameters.
    ///
    /// # Errors
    /// When the configuration is inconsistent.
    pub fn new(config: &ClipConfig, device: &Device) -> Result<Self, ClipError> {
        config.vision.validate()?;
        let vision = &config.vision;
        Ok(Self {
            vision_model: VisionTransformer::new(vision, device),
            visual_projection: Linear::new(vision.hidden_size, config.projection_dim, Bias::Absent, device),
            image_size: vision.image_size,
        })
    }

    /// Loads the vision model of a whole CLIP, whose other tensors are left alone.
    ///
    /// # Errors
    /// When the configuration is inconsistent, or the tensors do not fit it.
    pub fn load(
        source: &dyn TensorSource,
        config: &ClipConfig,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, ClipError> {
        let tensors = RenamedTensors::only(source, &PARTS);
        Ok(load_module(Self::new(config, device)?, &tensors, &NAMES, dtype)?)
    }

    /// Makes a vision model whose weights follow from a seed.
    pub(crate) fn seeded(
        config: &ClipConfig,
        seed: u64,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, ClipError> {
        let weights = SeededTensors::new(seed, Dtype::F32, &Self::new(config, device)?, &NAMES);
        Self::load(&weights, config, device, dtype)
    }

    /// Side of the images, in pixels.
    pub fn image_size(&self) -> usize {
        self.image_size
    }

    /// Returns the device that the parameters are on.
    pub fn device(&self) -> Device {
        self.visual_projection.weight.lazy_device()
    }

    /// Embeds images in the space that texts are embedded in too; not normalised, in f32.
    ///
    /// # Shapes
    /// - images: `[batch, image size, image size, 3]`
    /// - output: `[batch, projection_dim]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        on_compute_thread(&images.device(), || {
            let pooled = self.vision_model.forward(images);
            let dtype = pooled.dtype();
            let pooled: Tensor<2> = pooled.squeeze_dim(1);
            self.visual_projection.forward(pooled).cast(sum_type(dtype))
        })
    }
}

impl VisionTransformer {
    fn new(config: &ClipVisionConfig, device: &Device) -> Self {
        let (width, patch) = (config.hidden_size, config.patch_size);
        let initial = Initializer::Normal { mean: 0.0, std: 0.02 };
        let norm = || LayerNorm::with_epsilon(width, config.layer_norm_eps, device);
        Self {
            embeddings: VisionEmbeddings {
                class_embedding: initial.init([width], device),
                patch_embedding: PatchEmbedding {
                    weight: initial.init([width, 3, patch, patch], device),
                },
                position_embedding: EmbeddingConfig::new(config.tokens(), width)
                    .with_initializer(initial)
                    .init(device),
            },
            pre_layrnorm: norm(),
            encoder: Encoder {
                layers: (0..config.num_hidden_layers)
                    .map(|_| EncoderLayer::new(config, device))
                    .collect(),
            },
            post_layernorm: norm(),
        }
    }

    /// The class token after all layers, `[batch, 1, width]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        let mut x = self.pre_layrnorm.forward(self.embeddings.forward(images));
        if let Some((last, others)) = self.encoder.layers.split_last() {
            for layer in others {
                x = layer.forward(x);
            }
            x = last.forward_first(x);
        }
        self.post_layernorm.forward(x.narrow(1, 0, 1))
    }
}

impl VisionEmbeddings {
    fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        let patches = self.patch_embedding.forward(images);
        let [batch, _, width] = patches.dims();
        let class = self.class_embedding.val().reshape([1, 1, width]);
        let tokens = Tensor::cat(vec![class.expand([batch, 1, width]), patches], 1);
        tokens + self.position_embedding.weight.val().unsqueeze()
    }
}

impl PatchEmbedding {
    /// # Shapes
    /// - images: `[batch, height, width, 3]`
    /// - output: `[batch, patches, width]`
    fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        let weight = self.weight.val();
        let [features, _, side, _] = weight.dims();
        let [batch, height, width, channels] = images.dims();
        let (rows, columns, values) = (height / side, width / side, side * side * channels);
        // In memory a convolution's weight has its channels innermost, see `load_module`, so that this moves nothing.
        let weight = weight.permute([0, 2, 3, 1]).reshape([features, values]);
        let patches = images
            .narrow(1, 0, rows * side)
            .narrow(2, 0, columns * side)
            .reshape([batch * rows, side, columns, side * channels])
            .swap_dims(1, 2)
            .reshape([batch * rows * columns, values]);
        linear(patches, weight, None).reshape([batch, rows * columns, features])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ClipConfig {
        let vision = ClipVisionConfig {
            hidden_size: 24,
            intermediate_size: 40,
            num_hidden_layers: 2,
            num_attention_heads: 3,
            image_size: 13,
            patch_size: 4,
            ..Default::default()
        };
        ClipConfig::new(Default::default(), vision, 10)
    }

    fn model() -> ClipVisionModel {
        let (config, device) = (config(), Device::flex());
        let model = ClipVisionModel::new(&config, &device).unwrap();
        let weights = SeededTensors::new(3, Dtype::F32, &model, &NAMES);
        ClipVisionModel::load(&weights, &config, &device, FloatDType::F32).unwrap()
    }

    fn images(count: usize) -> Tensor<4> {
        let values = mitune_diffusion::nn::weights::seeded_input_values(5, "images", count * 13 * 13 * 3);
        let data = burn::tensor::TensorData::new(values, [count, 13, 13, 3]);
        Tensor::from_data(data, &Device::flex())
    }

    #[test]
    fn an_image_is_embedded_alike_among_others() {
        let model = model();
        let all = model.forward(images(3));
        assert_eq!(all.dims(), [3, 10]);
        let one = model.forward(images(3).narrow(0, 1, 1));
        let difference: f32 = (all.narrow(0, 1, 1) - one).abs().max().into_scalar();
        assert!(difference < 1e-6, "{difference:e}");
    }

    /// What does not fill a patch is not looked at, as a convolution does it.
    #[test]
    fn the_lower_edge_is_left_out() {
        let (model, images) = (model(), images(1));
        let edge = images.clone().slice_fill([0..1, 12..13, 0..13, 0..3], 9.0);
        assert_eq!(
            model.forward(images.clone()).into_data(),
            model.forward(edge).into_data()
        );
        let inside = images.clone().slice_fill([0..1, 11..12, 0..13, 0..3], 9.0);
        assert_ne!(
            model.forward(images).into_data(),
            model.forward(inside).into_data()
        );
    }
}
