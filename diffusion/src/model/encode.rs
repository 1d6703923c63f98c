//! From prompts to what the denoiser is told.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::{DiffusionModel, ModelError};
use crate::clip::ClipTextModel;
use crate::conditioning::{AddedConditioning, Conditioning, ImageSize};
use crate::tokenizer::Tokenizer;

/// Prompts as the denoiser reads them.
#[derive(Debug, Clone)]
pub struct EncodedPrompts {
    /// One row per prompt.
    pub conditioning: Conditioning,
    /// Whether each prompt was too long and its end was cut off.
    pub truncated: Vec<bool>,
}

/// Token ids of prompts, and which of them were cut off.
struct Ids {
    ids: Tensor<2, Int>,
    truncated: Vec<bool>,
}

/// Prompts as the first text encoder reads them.
#[derive(Debug, Clone)]
pub struct TokenizedPrompts {
    /// One row per prompt, `[prompts, tokens]`.
    pub ids: Tensor<2, Int>,
    /// Whether each prompt was too long and its end was cut off.
    pub truncated: Vec<bool>,
}

impl DiffusionModel {
    /// Turns prompts into the token ids of the first text encoder, for trainings that it is part of.
    ///
    /// # Errors
    /// As [`Self::encode_prompts`].
    pub fn tokenize_prompts(
        &self,
        prompts: &[&str],
        device: &Device,
    ) -> Result<TokenizedPrompts, ModelError> {
        let Ids { ids, truncated } = token_ids(&self.tokenizer, prompts, device)?;
        Ok(TokenizedPrompts { ids, truncated })
    }

    /// Encodes prompts for images of a size.
    ///
    /// Stable Diffusion XL reads the last state but one of both its text encoders, side by side, and
    /// is told that images were neither scaled nor cut: the original size is the size wanted.
    ///
    /// # Errors
    /// When there are no prompts, or one cannot be encoded.
    pub fn encode_prompts(
        &self,
        prompts: &[&str],
        size: ImageSize,
        device: &Device,
    ) -> Result<EncodedPrompts, ModelError> {
        let Ids { ids, truncated } = token_ids(&self.tokenizer, prompts, device)?;
        let first = self.text_encoder.forward(ids);
        let Some(second) = &self.second_text_encoder else {
            return Ok(EncodedPrompts {
                conditioning: first.last_hidden_state.into(),
                truncated,
            });
        };
        let also = token_ids(&second.tokenizer, prompts, device)?;
        let (penultimate, text_embeds) = states_and_vector(&second.text_encoder, also.ids);
        let context = Tensor::cat(vec![first.penultimate, penultimate], 2);
        let sizes = [size.height, size.width, 0, 0, size.height, size.width];
        let sizes = sizes.iter().map(|pixels| *pixels as f32).collect();
        let time_ids = Tensor::from_data(TensorData::new(sizes, [1, 6]), (device, DType::F32));
        let added = AddedConditioning {
            text_embeds,
            time_ids: Some(time_ids.repeat_dim(0, prompts.len())),
        };
        let either = |(one, other): (bool, bool)| one || other;
        Ok(EncodedPrompts {
            conditioning: Conditioning {
                context,
                value_context: None,
                key_contexts: None,
                added: Some(added),
            },
            truncated: truncated.into_iter().zip(also.truncated).map(either).collect(),
        })
    }

    /// One vector for each prompt: the last state of the first text encoder where the prompt ends, as CLIP compares texts,
    /// projected where the encoder has a projection.
    ///
    /// # Shapes
    /// - output: `[prompts, width]`
    ///
    /// # Errors
    /// As [`Self::encode_prompts`].
    pub fn pooled_prompts(&self, prompts: &[&str], device: &Device) -> Result<Tensor<2>, ModelError> {
        let Ids { ids, .. } = token_ids(&self.tokenizer, prompts, device)?;
        let (_, pooled) = states_and_vector(&self.text_encoder, ids);
        Ok(pooled)
    }

    /// Encodes the text of the unconditional branch, one row; usually it is empty.
    ///
    /// The empty text is all zeros where the model's index says so
    /// ([`force_zeros_for_empty_prompt`](super::SecondTextEncoder::force_zeros_for_empty_prompt)),
    /// as in a diffusers pipeline that is given no negative prompt.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn encode_negative(
        &self,
        text: &str,
        size: ImageSize,
        device: &Device,
    ) -> Result<EncodedPrompts, ModelError> {
        let mut encoded = self.encode_prompts(&[text], size, device)?;
        let zeros = |second: &super::SecondTextEncoder| second.force_zeros_for_empty_prompt;
        if text.is_empty() && self.second_text_encoder.as_ref().is_some_and(zeros) {
            let Conditioning { context, added, .. } = encoded.conditioning;
            encoded.conditioning = Conditioning {
                context: context.zeros_like(),
                value_context: None,
                key_contexts: None,
                added: added.map(|added| AddedConditioning {
                    text_embeds: added.text_embeds.zeros_like(),
                    ..added
                }),
            };
        }
        Ok(encoded)
    }
}

/// The states before the last layer, and the projected state at the end of each prompt.
fn states_and_vector(encoder: &ClipTextModel, ids: Tensor<2, Int>) -> (Tensor<3>, Tensor<2>) {
    let output = encoder.forward(ids.clone());
    let pooled = encoder.pooled(ids, output.last_hidden_state);
    (output.penultimate, pooled)
}

fn token_ids(tokenizer: &Tokenizer, prompts: &[&str], device: &Device) -> Result<Ids, ModelError> {
    let encoded = prompts
        .iter()
        .map(|prompt| tokenizer.encode(prompt))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| ModelError::Tokenizer { source })?;
    let tokens = encoded.first().ok_or(ModelError::NoPrompts)?.ids.len();
    let ids: Vec<i32> = encoded
        .iter()
        .flat_map(|prompt| &prompt.ids)
        .map(|id| *id as i32)
        .collect();
    let data = TensorData::new(ids, [prompts.len(), tokens]);
    Ok(Ids {
        ids: Tensor::from_data(data, (device, DType::I32)),
        truncated: encoded.iter().map(|prompt| prompt.truncated).collect(),
    })
}
