//! The text model as a whole.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Int, Tensor};

use super::config::{ClipTextConfig, ClipTextConfigError};
use super::layer::{EncoderLayer, layer_norm};
use crate::nn::compute_threads::on_compute_thread;
use crate::nn::layers::{AdaptTarget, AdaptableLayer, Bias, LayerNorm, Linear, VisitLayers as _};

/// transformers' `CLIPTextModel`, or `CLIPTextModelWithProjection` when it has a projection.
#[derive(Module, Debug)]
pub struct ClipTextModel {
    text_model: TextTransformer,
    text_projection: Option<Linear>,
    #[module(skip)]
    end_token: i64,
}

/// What the text model says of a batch of prompts.
#[derive(Debug, Clone)]
pub struct TextOutput {
    /// Hidden states after the last layer and the final normalization, `[batch, tokens, width]`.
    pub last_hidden_state: Tensor<3>,
    /// Hidden states before the last layer, not normalized, `[batch, tokens, width]`.
    pub penultimate: Tensor<3>,
}

#[derive(Module, Debug)]
struct TextTransformer {
    embeddings: TextEmbeddings,
    encoder: Encoder,
    final_layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct TextEmbeddings {
    token_embedding: Embedding,
    position_embedding: Embedding,
}

#[derive(Module, Debug)]
struct Encoder {
    layers: Vec<EncoderLayer>,
}

impl ClipTextModel {
    /// Builds a text model with random parameters.
    ///
    /// # Errors
    /// When the configuration is inconsistent.
    pub fn new(config: &ClipTextConfig, device: &Device) -> Result<Self, ClipTextConfigError> {
        config.validate()?;
        let embedding = |entries| {
            EmbeddingConfig::new(entries, config.hidden_size)
                .with_initializer(Initializer::Normal { mean: 0.0, std: 0.02 })
                .init(device)
        };
        let layers = (0..config.num_hidden_layers)
            .map(|_| EncoderLayer::new(config, device))
            .collect();
        Ok(Self {
            text_model: TextTransformer {
                embeddings: TextEmbeddings {
                    token_embedding: embedding(config.vocab_size),
                    position_embedding: embedding(config.max_position_embeddings),
                },
                encoder: Encoder { layers },
                final_layer_norm: layer_norm(config, device),
            },
            text_projection: config
                .has_projection()
                .then(|| Linear::new(config.hidden_size, config.projection_dim, Bias::Absent, device)),
            end_token: config.eos_token_id.unwrap_or(LARGEST_ID),
        })
    }

    /// Shows each linear layer to `visit` under its name in files, such as
    /// `text_model.encoder.layers.0.self_attn.q_proj`.
    pub fn named_layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.text_model
            .encoder
            .layers
            .visit_layers("text_model.encoder.layers", visit);
        self.text_projection.visit_layers("text_projection", visit);
    }

    /// Encodes token ids.
    ///
    /// Stable Diffusion conditions on `last_hidden_state`: version 1 has 12 layers, and version 2
    /// ships 23 of OpenCLIP's 24, so that its last state is the penultimate one.
    ///
    /// # Shapes
    /// - ids: `[batch, tokens]`, each below the vocabulary's size, at most
    ///   `max_position_embeddings` tokens
    pub fn forward(&self, ids: Tensor<2, Int>) -> TextOutput {
        on_compute_thread(&ids.device(), || self.encode(ids))
    }

    fn encode(&self, ids: Tensor<2, Int>) -> TextOutput {
        let [_, tokens] = ids.dims();
        let model = &self.text_model;
        let positions = model
            .embeddings
            .position_embedding
            .weight
            .val()
            .narrow(0, 0, tokens);
        let mut x = model.embeddings.token_embedding.forward(ids) + positions.unsqueeze();
        let mut penultimate = x.clone();
        for layer in &model.encoder.layers {
            penultimate = x.clone();
            x = layer.forward(x);
        }
        TextOutput {
            last_hidden_state: model.final_layer_norm.forward(x),
            penultimate,
        }
    }

    /// Normalizes hidden states as the last ones are, for models conditioned on an earlier layer.
    ///
    /// # Shapes
    /// - hidden and output: `[batch, tokens, width]`
    pub fn normalize(&self, hidden: Tensor<3>) -> Tensor<3> {
        self.text_model.final_layer_norm.forward(hidden)
    }

    /// Takes the hidden state at the end of each prompt, projected when the model has a projection.
    ///
    /// # Shapes
    /// - ids: `[batch, tokens]`, last_hidden_state: `[batch, tokens, width]`
    /// - output: `[batch, width]`, or `[batch, projection_dim]`
    pub fn pooled(&self, ids: Tensor<2, Int>, last_hidden_state: Tensor<3>) -> Tensor<2> {
        let [batch, _, width] = last_hidden_state.dims();
        let end = if self.end_token == LARGEST_ID {
            ids.argmax(1)
        } else {
            ids.equal_elem(self.end_token).int().argmax(1)
        };
        let index = end.reshape([batch, 1, 1]).expand([batch, 1, width]);
        let pooled = last_hidden_state.gather(1, index).reshape([batch, width]);
        match &self.text_projection {
            Some(projection) => projection.forward(pooled),
            None => pooled,
        }
    }
}

impl AdaptTarget for ClipTextModel {
    fn layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.named_layers_mut(visit);
    }
}

/// The `eos_token_id` of early published models, which says nothing about their vocabulary.
const LARGEST_ID: i64 = 2;
