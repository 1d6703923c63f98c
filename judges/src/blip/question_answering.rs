//! BLIP for questions about an image.

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use mitune_diffusion::nn::weights::{Dtype, SeededTensors, TensorSource, load_module};

use super::BLIP_NAMES;
use super::config::BlipVqaConfig;
use super::decoder::{BlipTextDecoder, OutputWeight};
use super::error::BlipError;
use super::text_batch::TextBatch;
use super::text_model::BlipTextModel;
use super::vision_model::BlipVisionModel;

/// transformers' `BlipForQuestionAnswering`.
#[derive(Module, Debug)]
pub struct BlipForQuestionAnswering {
    vision_model: BlipVisionModel,
    text_encoder: BlipTextModel,
    text_decoder: BlipTextDecoder,
    #[module(skip)]
    start: usize,
}

/// The output layer's weight, in files that have one of its own.
const OUTPUT_WEIGHT: &str = "text_decoder.cls.predictions.decoder.weight";

impl BlipForQuestionAnswering {
    /// Builds a model with random parameters, whose output layer shares its weight with the vocabulary's embeddings.
    ///
    /// # Errors
    /// When the configuration is inconsistent.
    pub fn new(config: &BlipVqaConfig, device: &Device) -> Result<Self, BlipError> {
        Self::with_output(config, OutputWeight::Shared, device)
    }

    fn with_output(config: &BlipVqaConfig, weight: OutputWeight, device: &Device) -> Result<Self, BlipError> {
        config.validate()?;
        if config.text_config.bos_token_id >= config.text_config.vocab_size {
            return Err(BlipError::Range {
                field: "text_config.bos_token_id",
                found: config.text_config.bos_token_id.to_string(),
                expected: format!("below `vocab_size` {}", config.text_config.vocab_size),
            });
        }
        Ok(Self {
            vision_model: BlipVisionModel::new(&config.vision_config, device)?,
            text_encoder: BlipTextModel::new(&config.text_config, device)?,
            text_decoder: BlipTextDecoder::new(&config.text_config, weight, device)?,
            start: config.text_config.bos_token_id,
        })
    }

    /// Builds a model with the weights of a file.
    ///
    /// # Errors
    /// When the configuration is inconsistent, or the weights do not fit it.
    pub fn load(
        source: &dyn TensorSource,
        config: &BlipVqaConfig,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, BlipError> {
        let weight = match source.describe(OUTPUT_WEIGHT) {
            Some(_) => OutputWeight::Own,
            None => OutputWeight::Shared,
        };
        let model = Self::with_output(config, weight, device)?;
        Ok(load_module(model, source, &BLIP_NAMES, dtype)?)
    }

    /// Makes a model whose weights follow from a seed.
    pub(crate) fn seeded(
        config: &BlipVqaConfig,
        seed: u64,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, BlipError> {
        let weights = SeededTensors::new(seed, Dtype::F32, &Self::new(config, device)?, &BLIP_NAMES);
        Self::load(&weights, config, device, dtype)
    }

    /// Encodes images, once for all questions about them.
    ///
    /// # Shapes
    /// - pixels: `[images, height, width, 3]`, normalised
    /// - output: `[images, tokens, width]`
    pub fn encode_images(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.vision_model.forward(pixels)
    }

    /// Logits of some tokens as the first of the answer to each question, f32.
    ///
    /// # Shapes
    /// - images: `[images, tokens, width]`, of a number that divides that of the questions
    /// - output: `[questions, answers]`
    pub fn first_logits(&self, questions: &TextBatch, images: Tensor<3>, answers: &[u32]) -> Tensor<2> {
        let states = self.text_encoder.forward(questions, images);
        self.text_decoder
            .first_logits(self.start as u32, questions, states, answers)
    }
}
