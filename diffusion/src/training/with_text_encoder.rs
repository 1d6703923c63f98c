//! A denoiser that is trained together with the text encoder that reads its prompts.

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor};
use burn::tensor::{Device, Int, Tensor};

use super::trainable_denoiser::TrainableDenoiser;
use crate::adapter::TEXT_ENCODER;
use crate::clip::ClipTextModel;
use crate::conditioning::Conditioning;
use crate::nn::layers::{AdaptTarget, AdaptableLayer};

const DENOISER: &str = "denoiser";
const CONTAINER: &str = "Struct:DenoiserWithTextEncoder";

/// A denoiser with its text encoder, told tokens in place of hidden states, so that gradients reach the text encoder.
///
/// For models of one text encoder, whose last hidden states are all that the denoiser is told. Parameters have names
/// that begin with `denoiser.` and `text_encoder.`; layers those that adapter files give them, the denoiser's without
/// prefix.
#[derive(Debug, Clone)]
pub struct DenoiserWithTextEncoder<D> {
    /// The denoiser.
    pub denoiser: D,
    /// The text encoder.
    pub text_encoder: ClipTextModel,
}

/// Whether a parameter of a [`DenoiserWithTextEncoder`] is one of the text encoder, which learns at a rate of its own.
pub fn is_of_text_encoder(parameter: &str) -> bool {
    parameter
        .strip_prefix(TEXT_ENCODER)
        .is_some_and(|rest| rest.starts_with('.'))
}

impl<D: TrainableDenoiser<Conditioning = Conditioning>> TrainableDenoiser for DenoiserWithTextEncoder<D> {
    /// Token ids, `[batch, tokens]`.
    type Conditioning = Tensor<2, Int>;

    fn predict_each(&self, noisy: Tensor<4>, timesteps: Tensor<1>, ids: Tensor<2, Int>) -> Tensor<4> {
        let context = self.text_encoder.forward(ids).last_hidden_state;
        self.denoiser.predict_each(noisy, timesteps, context.into())
    }
}

impl<D: AdaptTarget> AdaptTarget for DenoiserWithTextEncoder<D> {
    fn layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.denoiser.layers_mut(visit);
        self.text_encoder
            .layers_mut(&mut |name, layer| visit(&format!("{TEXT_ENCODER}.{name}"), layer));
    }
}

// Written out, because not every network that can be part of it derives what a derived module asks of its fields.
impl<D: Module> Module for DenoiserWithTextEncoder<D> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.text_encoder
            .collect_devices(self.denoiser.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        Self {
            denoiser: self.denoiser.fork(device),
            text_encoder: self.text_encoder.fork(device),
        }
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            denoiser: self.denoiser.to_device(device),
            text_encoder: self.text_encoder.to_device(device),
        }
    }

    fn train(self) -> Self {
        Self {
            denoiser: self.denoiser.train(),
            text_encoder: self.text_encoder.train(),
        }
    }

    fn valid(&self) -> Self {
        Self {
            denoiser: self.denoiser.valid(),
            text_encoder: self.text_encoder.valid(),
        }
    }

    fn materialize(self) -> Self {
        Self {
            denoiser: self.denoiser.materialize(),
            text_encoder: self.text_encoder.materialize(),
        }
    }

    fn num_params(&self) -> usize {
        self.denoiser.num_params() + self.text_encoder.num_params()
    }

    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        visitor.enter_module(DENOISER, CONTAINER);
        self.denoiser.visit(visitor);
        visitor.exit_module(DENOISER, CONTAINER);
        visitor.enter_module(TEXT_ENCODER, CONTAINER);
        self.text_encoder.visit(visitor);
        visitor.exit_module(TEXT_ENCODER, CONTAINER);
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        mapper.enter_module(DENOISER, CONTAINER);
        let denoiser = self.denoiser.map(mapper);
        mapper.exit_module(DENOISER, CONTAINER);
        mapper.enter_module(TEXT_ENCODER, CONTAINER);
        let text_encoder = self.text_encoder.map(mapper);
        mapper.exit_module(TEXT_ENCODER, CONTAINER);
        Self {
            denoiser,
            text_encoder,
        }
    }
}
