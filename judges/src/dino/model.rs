//! The network as a whole.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{DType, Device, FloatDType, Tensor};
use mitune_diffusion::nn::compute_threads::on_compute_thread;
use mitune_diffusion::nn::kernels::Window;
use mitune_diffusion::nn::layers::{Conv2d, LayerNorm};
use mitune_diffusion::nn::weights::{Dtype, NameTable, SeededTensors, TensorSource, load_module};

use super::encoder_layer::EncoderLayer;
use super::position_grid::stretched;
use super::{DinoConfig, DinoError, DinoSettings};

/// A DINOv2 for images of one size.
#[derive(Debug)]
pub struct DinoModel {
    network: Network,
    settings: DinoSettings,
    width: usize,
}

#[derive(Module, Debug)]
pub(super) struct Network {
    embeddings: Embeddings,
    encoder: Encoder,
    layernorm: LayerNorm,
}

#[derive(Module, Debug)]
struct Embeddings {
    /// `[1, 1, width]`.
    cls_token: Param<Tensor<3>>,
    /// `[1, 1 + patches, width]`.
    position_embeddings: Param<Tensor<3>>,
    patch_embeddings: PatchEmbeddings,
}

#[derive(Module, Debug)]
struct PatchEmbeddings {
    /// Windows do not overlap: one product of all patches with the weight.
    projection: Conv2d,
}

#[derive(Module, Debug)]
struct Encoder {
    layer: Vec<EncoderLayer>,
}

/// Files are spelled as published; transformers since 5.24 has shorter names in memory.
pub(super) const NAMES: NameTable<'static> = NameTable {
    rename: &[
        ("attention.q_proj", "attention.attention.query"),
        ("attention.k_proj", "attention.attention.key"),
        ("attention.v_proj", "attention.attention.value"),
        ("attention.o_proj", "attention.output.dense"),
    ],
    former: &[
        ("attention.attention.query", "attention.q_proj"),
        ("attention.attention.key", "attention.k_proj"),
        ("attention.attention.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
    ],
    // Stands in for patches in training only.
    ignored: &["mask_token"],
};

impl DinoModel {
    /// Loads a network of transformers' `Dinov2Model`.
    ///
    /// # Errors
    /// When the configuration or the side of the images is impossible, or the tensors do not fit.
    pub fn load(
        source: &dyn TensorSource,
        config: &DinoConfig,
        settings: DinoSettings,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, DinoError> {
        config.validate()?;
        let grid = settings.side / config.patch_size;
        if !(1..=256).contains(&grid) {
            return Err(DinoError::Configuration {
                reason: format!(
                    "images with a side of {} have {grid} patches of {} along it, expected 1 to 256",
                    settings.side, config.patch_size
                ),
            });
        }
        let mut network = load_module(Network::new(config, device), source, &NAMES, dtype)?;
        let embeddings = &mut network.embeddings;
        let stretch = |known| stretched(known, [config.grid(), grid], settings.positions);
        embeddings.position_embeddings = embeddings.position_embeddings.clone().map(stretch);
        for layer in &mut network.encoder.layer {
            layer.fold_scales();
        }
        Ok(Self {
            network,
            settings,
            width: config.hidden_size,
        })
    }

    /// Makes a network whose weights follow from a seed.
    pub(crate) fn seeded(
        config: &DinoConfig,
        settings: DinoSettings,
        seed: u64,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, DinoError> {
        config.validate()?;
        let weights = SeededTensors::new(seed, Dtype::F32, &Network::new(config, device), &NAMES);
        Self::load(&weights, config, settings, device, dtype)
    }

    /// Number of parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.network.num_params()
    }

    /// Side of the images, and how their positions were found.
    pub fn settings(&self) -> DinoSettings {
        self.settings
    }

    /// Numbers of an image's features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The class token of each image after the last normalization, in f32.
    ///
    /// # Shapes
    /// - images: `[batch, side, side, 3]`
    /// - output: `[batch, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        on_compute_thread(&images.device(), || self.network.class_tokens(images))
    }
}

impl Network {
    pub(super) fn new(config: &DinoConfig, device: &Device) -> Self {
        let (width, patch) = (config.hidden_size, config.patch_size);
        let tokens = 1 + config.grid() * config.grid();
        let window = Window {
            stride: patch,
            before: 0,
            after: 0,
        };
        Self {
            embeddings: Embeddings {
                cls_token: Initializer::Zeros.init([1, 1, width], device),
                position_embeddings: Initializer::Zeros.init([1, tokens, width], device),
                patch_embeddings: PatchEmbeddings {
                    projection: Conv2d::new([3, width], patch, window, device),
                },
            },
            encoder: Encoder {
                layer: (0..config.num_hidden_layers)
                    .map(|_| EncoderLayer::new(config, device))
                    .collect(),
            },
            layernorm: LayerNorm::with_epsilon(width, config.layer_norm_eps, device),
        }
    }

    fn class_tokens(&self, images: Tensor<4>) -> Tensor<2> {
        let embeddings = &self.embeddings;
        let patches = embeddings.patch_embeddings.projection.forward(images);
        let [batch, height, columns, width] = patches.dims();
        let patches: Tensor<3> = patches.reshape([batch, height * columns, width]);
        let class = embeddings.cls_token.val().expand([batch, 1, width]);
        let mut x = Tensor::cat(vec![class, patches], 1) + embeddings.position_embeddings.val();
        if let Some((last, layers)) = self.encoder.layer.split_last() {
            for layer in layers {
                x = layer.forward(x);
            }
            x = last.forward_first(x);
        }
        let normed = self.layernorm.forward(x.narrow(1, 0, 1));
        normed.reshape([batch, width]).cast(DType::F32)
    }
}
