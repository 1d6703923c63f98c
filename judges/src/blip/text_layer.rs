//! One layer of BLIP's BERT.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use mitune_diffusion::nn::kernels::Activation;
use mitune_diffusion::nn::layers::{Bias, LayerNorm, Linear};

use super::attention::attend_with_bias;
use super::text_config::BlipTextConfig;
use crate::wide_attention::attend;

/// transformers' `BlipTextLayer`: attention to the text, to what is given with it, and a feed-forward part, each with a
/// residual and normalised after it.
#[derive(Module, Debug)]
pub(super) struct TextLayer {
    attention: TextAttention,
    crossattention: TextAttention,
    intermediate: Intermediate,
    output: Output,
}

#[derive(Module, Debug)]
struct TextAttention {
    /// `self` in files.
    attend: Projections,
    output: Output,
}

#[derive(Module, Debug)]
struct Projections {
    query: Linear,
    key: Linear,
    value: Linear,
    #[module(skip)]
    heads: usize,
}

#[derive(Module, Debug)]
struct Intermediate {
    dense: Linear,
}

#[derive(Module, Debug)]
struct Output {
    dense: Linear,
    /// `LayerNorm` in files.
    layer_norm: LayerNorm,
}

/// Tokens to attend to.
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// `[batch, tokens, features]`, of a batch that divides that of the text: an image of several texts is there once.
    pub(super) states: Tensor<3>,
    /// What is added to the scores of each token, `[batch, 1, 1, tokens]`; nothing where every token counts.
    pub(super) bias: Option<Tensor<4>>,
}

impl TextLayer {
    pub(super) fn new(config: &BlipTextConfig, device: &Device) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        Self {
            attention: TextAttention::new(config, width, device),
            crossattention: TextAttention::new(config, config.encoder_hidden_size, device),
            intermediate: Intermediate {
                dense: Linear::new(width, inner, Bias::Present, device),
            },
            output: Output::new(config, inner, device),
        }
    }

    /// # Shapes
    /// - x and output: `[batch, tokens, width]`
    /// - bias: `[batch, 1, 1, tokens]`, nothing where every token counts
    pub(super) fn forward(&self, x: Tensor<3>, bias: Option<Tensor<4>>, context: &Context) -> Tensor<3> {
        let own = Context {
            states: x.clone(),
            bias,
        };
        let x = self.attention.forward(x, &own);
        let x = self.crossattention.forward(x, context);
        let inner = self
            .intermediate
            .dense
            .forward_activated(x.clone(), Activation::Gelu);
        self.output.forward(inner, x)
    }
}

impl TextAttention {
    fn new(config: &BlipTextConfig, context_width: usize, device: &Device) -> Self {
        let width = config.hidden_size;
        let linear = |input| Linear::new(input, width, Bias::Present, device);
        Self {
            attend: Projections {
                query: linear(width),
                key: linear(context_width),
                value: linear(context_width),
                heads: config.num_attention_heads,
            },
            output: Output::new(config, width, device),
        }
    }

    fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        self.output.forward(self.attend.gather(x.clone(), context), x)
    }
}

impl Projections {
    fn gather(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let query = self.query.forward(x);
        let key = self.key.forward(context.states.clone());
        let value = self.value.forward(context.states.clone());
        match &context.bias {
            Some(bias) => attend_with_bias([query, key, value], self.heads, bias.clone()),
            None => {
                // Texts of one image are one long text to it: tokens do not see each other here.
                let images = key.dims()[0];
                let query = query.reshape([images, batch / images * tokens, width]);
                attend([query, key, value], self.heads).reshape([batch, tokens, width])
            }
        }
    }
}

impl Output {
    fn new(config: &BlipTextConfig, input: usize, device: &Device) -> Self {
        Self {
            dense: Linear::new(input, config.hidden_size, Bias::Present, device),
            layer_norm: layer_norm(config, device),
        }
    }

    fn forward(&self, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        self.layer_norm.forward(self.dense.forward(x) + residual)
    }
}

pub(super) fn layer_norm(config: &BlipTextConfig, device: &Device) -> LayerNorm {
    LayerNorm::with_epsilon(config.hidden_size, config.layer_norm_eps, device)
}
