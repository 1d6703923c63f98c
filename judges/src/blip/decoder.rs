//! What answers: a BERT that reads the states of the question, and says which token comes next.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use mitune_diffusion::nn::compute_threads::on_compute_thread;
use mitune_diffusion::nn::kernels::{gelu, linear};
use mitune_diffusion::nn::layers::{Bias, LayerNorm, Linear};

use super::error::BlipError;
use super::text_batch::TextBatch;
use super::text_config::BlipTextConfig;
use super::text_layer::{Context, layer_norm};
use super::text_model::BlipTextModel;

/// transformers' `BlipTextLMHeadModel`.
#[derive(Module, Debug)]
pub struct BlipTextDecoder {
    bert: BlipTextModel,
    cls: Head,
}

/// Whether the output layer has a weight of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputWeight {
    /// It is that of the vocabulary's embeddings.
    Shared,
    /// The file holds one.
    Own,
}

#[derive(Module, Debug)]
struct Head {
    predictions: Predictions,
}

#[derive(Module, Debug)]
struct Predictions {
    transform: Transform,
    bias: Param<Tensor<1>>,
    decoder: Option<OutputRows>,
}

#[derive(Module, Debug)]
struct Transform {
    dense: Linear,
    /// `LayerNorm` in files.
    layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct OutputRows {
    /// `[tokens, width]`
    weight: Param<Tensor<2>>,
}

impl BlipTextDecoder {
    pub(super) fn new(
        config: &BlipTextConfig,
        weight: OutputWeight,
        device: &Device,
    ) -> Result<Self, BlipError> {
        let (width, tokens) = (config.hidden_size, config.vocab_size);
        let own = || OutputRows {
            weight: Initializer::Normal { mean: 0.0, std: 0.02 }.init([tokens, width], device),
        };
        Ok(Self {
            bert: BlipTextModel::new(config, device)?,
            cls: Head {
                predictions: Predictions {
                    transform: Transform {
                        dense: Linear::new(width, width, Bias::Present, device),
                        layer_norm: layer_norm(config, device),
                    },
                    bias: Initializer::Zeros.init([tokens], device),
                    decoder: (weight == OutputWeight::Own).then(own),
                },
            },
        })
    }

    /// Logits of some tokens as the first of an answer, f32.
    ///
    /// The whole vocabulary is not needed to compare two of its tokens, so only the rows of those are multiplied.
    ///
    /// # Shapes
    /// - states: of the questions, `[batch, question tokens, width]`
    /// - output: `[batch, answers]`
    pub(super) fn first_logits(
        &self,
        start: u32,
        questions: &TextBatch,
        states: Tensor<3>,
        answers: &[u32],
    ) -> Tensor<2> {
        let device = states.device();
        let starts = vec![start as i32; questions.count()];
        let starts = TensorData::new(starts, [questions.count(), 1]);
        let ids: Tensor<2, Int> = Tensor::from_data(starts, (&device, DType::I32));
        let context = Context {
            states,
            bias: Some(questions.bias.clone()),
        };
        on_compute_thread(&device, || {
            let states = self.bert.encode(ids, None, &context);
            self.logits(states, answers)
        })
    }

    fn logits(&self, states: Tensor<3>, answers: &[u32]) -> Tensor<2> {
        let head = &self.cls.predictions;
        let [batch, _, width] = states.dims();
        let states = head.transform.forward(states).reshape([batch, width]);
        let answers: Vec<i32> = answers.iter().map(|id| *id as i32).collect();
        let count = answers.len();
        let answers = TensorData::new(answers, [count]);
        let answers: Tensor<1, Int> = Tensor::from_data(answers, (&states.device(), DType::I32));
        let weight = match &head.decoder {
            Some(rows) => rows.weight.val(),
            None => self.bert.word_embeddings(),
        };
        let (weight, bias) = (
            weight.select(0, answers.clone()),
            head.bias.val().select(0, answers),
        );
        linear(
            states.cast(DType::F32),
            weight.cast(DType::F32),
            Some(bias.cast(DType::F32)),
        )
    }
}

impl Transform {
    fn forward(&self, states: Tensor<3>) -> Tensor<3> {
        self.layer_norm.forward(gelu(self.dense.forward(states)))
    }
}
