//! BLIP's BERT as a whole, which reads a text beside an image or beside another text.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, FloatDType, Int, Tensor};
use mitune_diffusion::nn::compute_threads::on_compute_thread;
use mitune_diffusion::nn::layers::LayerNorm;
use mitune_diffusion::nn::weights::{TensorSource, load_module};

use super::BLIP_NAMES;
use super::error::BlipError;
use super::text_batch::TextBatch;
use super::text_config::BlipTextConfig;
use super::text_layer::{Context, TextLayer, layer_norm};

/// transformers' `BlipTextModel` without pooling.
#[derive(Module, Debug)]
pub struct BlipTextModel {
    embeddings: TextEmbeddings,
    encoder: TextEncoder,
}

#[derive(Module, Debug)]
struct TextEmbeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    /// `LayerNorm` in files.
    layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct TextEncoder {
    layer: Vec<TextLayer>,
}

impl BlipTextModel {
    /// Builds a model with random parameters.
    ///
    /// # Errors
    /// When the configuration is inconsistent.
    pub fn new(config: &BlipTextConfig, device: &Device) -> Result<Self, BlipError> {
        config.validate()?;
        let embedding = |entries| {
            EmbeddingConfig::new(entries, config.hidden_size)
                .with_initializer(Initializer::Normal { mean: 0.0, std: 0.02 })
                .init(device)
        };
        let layer = (0..config.num_hidden_layers)
            .map(|_| TextLayer::new(config, device))
            .collect();
        Ok(Self {
            embeddings: TextEmbeddings {
                word_embeddings: embedding(config.vocab_size),
                position_embeddings: embedding(config.max_position_embeddings),
                layer_norm: layer_norm(config, device),
            },
            encoder: TextEncoder { layer },
        })
    }

    /// Builds a model with the weights of a file that holds it alone.
    ///
    /// # Errors
    /// When the configuration is inconsistent, or the weights do not fit it.
    pub fn load(
        source: &dyn TensorSource,
        config: &BlipTextConfig,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, BlipError> {
        let model = Self::new(config, device)?;
        Ok(load_module(model, source, &BLIP_NAMES, dtype)?)
    }

    /// Reads texts, each beside the image that it belongs to.
    ///
    /// With fewer images than texts, the first texts belong to the first image, as many to each.
    ///
    /// # Shapes
    /// - texts: each id below the vocabulary's size, at most `max_position_embeddings` tokens
    /// - images: `[images, image tokens, encoder_hidden_size]`, of a number that divides that of the texts
    /// - output: `[texts, tokens, width]`
    pub fn forward(&self, texts: &TextBatch, images: Tensor<3>) -> Tensor<3> {
        let context = Context {
            states: images,
            bias: None,
        };
        let bias = Some(texts.bias.clone());
        on_compute_thread(&texts.ids.device(), || {
            self.encode(texts.ids.clone(), bias, &context)
        })
    }

    /// # Shapes
    /// - ids: `[batch, tokens]`; bias: `[batch, 1, 1, tokens]`, nothing where every token counts
    /// - output: `[batch, tokens, width]`
    pub(super) fn encode(
        &self,
        ids: Tensor<2, Int>,
        bias: Option<Tensor<4>>,
        context: &Context,
    ) -> Tensor<3> {
        let embedded = self.embeddings.forward(ids);
        let layers = self.encoder.layer.iter();
        layers.fold(embedded, |states, layer| {
            layer.forward(states, bias.clone(), context)
        })
    }

    /// The vectors of the vocabulary, `[tokens, width]`.
    pub(super) fn word_embeddings(&self) -> Tensor<2> {
        self.embeddings.word_embeddings.weight.val()
    }
}

impl TextEmbeddings {
    fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let tokens = ids.dims()[1];
        let positions = self.position_embeddings.weight.val().narrow(0, 0, tokens);
        self.layer_norm
            .forward(self.word_embeddings.forward(ids) + positions.unsqueeze())
    }
}
