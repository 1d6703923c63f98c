//! A CLIP as transformers writes it.

use mitune_diffusion::clip::{ClipTextModel, TEXT_MODEL_NAMES};
use mitune_diffusion::nn::weights::{HostTensor, TensorMap, module_tensors};
use serde_json::{Value, json};

use super::model::SCALE;
use super::vision_model::NAMES;
use super::{ClipConfig, ClipVisionModel};

/// The tensors of a whole CLIP under transformers' names, for whoever trained both halves.
///
/// The text model needs its projection, as that of [`ClipConfig::new`] has one.
pub fn clip_tensors(vision: &ClipVisionModel, text: &ClipTextModel, logit_scale: f32) -> TensorMap {
    let mut tensors = module_tensors(vision, &NAMES);
    tensors.extend(module_tensors(text, &TEXT_MODEL_NAMES));
    tensors.insert(SCALE.to_owned(), HostTensor::from_f32(&[logit_scale], Vec::new()));
    tensors
}

impl ClipConfig {
    /// The `config.json` that transformers builds a `CLIPModel` of this configuration from.
    pub fn to_transformers(&self) -> Value {
        json!({
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": self.projection_dim,
            "text_config": self.text_part(),
            "vision_config": self.vision_part(),
        })
    }

    fn text_part(&self) -> Value {
        let text = &self.text;
        json!({
            "model_type": "clip_text_model",
            "vocab_size": text.vocab_size,
            "hidden_size": text.hidden_size,
            "intermediate_size": text.intermediate_size,
            "projection_dim": self.projection_dim,
            "num_hidden_layers": text.num_hidden_layers,
            "num_attention_heads": text.num_attention_heads,
            "max_position_embeddings": text.max_position_embeddings,
            "hidden_act": text.hidden_act,
            "layer_norm_eps": text.layer_norm_eps,
            "bos_token_id": text.bos_token_id,
            "eos_token_id": text.eos_token_id,
            "pad_token_id": text.pad_token_id,
        })
    }

    fn vision_part(&self) -> Value {
        let vision = &self.vision;
        json!({
            "model_type": "clip_vision_model",
            "hidden_size": vision.hidden_size,
            "intermediate_size": vision.intermediate_size,
            "projection_dim": self.projection_dim,
            "num_hidden_layers": vision.num_hidden_layers,
            "num_attention_heads": vision.num_attention_heads,
            "num_channels": 3,
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "hidden_act": vision.hidden_act,
            "layer_norm_eps": vision.layer_norm_eps,
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, FloatDType};
    use mitune_diffusion::clip::ClipTextConfig;

    use super::*;
    use crate::clip::{ClipModel, ClipVisionConfig};

    fn config() -> ClipConfig {
        let text = ClipTextConfig {
            vocab_size: 20,
            hidden_size: 8,
            intermediate_size: 12,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            max_position_embeddings: 9,
            bos_token_id: Some(18),
            eos_token_id: Some(19),
            pad_token_id: Some(19),
            ..ClipTextConfig::default()
        };
        let vision = ClipVisionConfig {
            hidden_size: 12,
            intermediate_size: 10,
            num_hidden_layers: 2,
            num_attention_heads: 3,
            image_size: 8,
            patch_size: 4,
            ..ClipVisionConfig::default()
        };
        ClipConfig::new(text, vision, 6)
    }

    #[test]
    fn what_is_written_is_read_as_the_same_configuration() {
        let config = config();
        let Value::Object(fields) = config.to_transformers() else {
            panic!("an object is written")
        };
        assert_eq!(ClipConfig::try_from(fields).unwrap(), config);
    }

    #[test]
    fn written_tensors_are_those_of_a_whole_clip() {
        let (config, device) = (config(), Device::flex());
        let vision = ClipVisionModel::new(&config, &device).unwrap();
        let text = ClipTextModel::new(&config.text, &device).unwrap();
        let tensors = clip_tensors(&vision, &text, 2.5);
        let model = ClipModel::load(&tensors, &config, &device, FloatDType::F32).unwrap();
        assert_eq!(model.logit_scale, 2.5);
        assert_eq!(
            module_tensors(&model.vision, &NAMES),
            module_tensors(&vision, &NAMES)
        );
    }
}
