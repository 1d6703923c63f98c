//! The `config.json` of a whole CLIP.

use mitune_diffusion::clip::ClipTextConfig;
use mitune_diffusion::config_fields::{ConfigFields, POSITIVE, SettingError, TRANSFORMERS, positive};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{ClipError, ClipVisionConfig};

/// The shape of a [`ClipModel`](super::ClipModel), read from the `config.json` of transformers' `CLIPModel`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClipConfig {
    /// The text model, with its projection.
    pub text: ClipTextConfig,
    /// The vision model.
    pub vision: ClipVisionConfig,
    /// Width of the embeddings of images and texts.
    pub projection_dim: usize,
}

impl ClipConfig {
    /// Joins two models; their projections have the width `projection_dim`, whatever the text model's own says.
    pub fn new(text: ClipTextConfig, vision: ClipVisionConfig, projection_dim: usize) -> Self {
        Self {
            text: ClipTextConfig {
                projection_dim,
                architectures: Some(vec!["CLIPTextModelWithProjection".to_owned()]),
                ..text
            },
            vision,
            projection_dim,
        }
    }

    /// Checks that a model of this configuration can be built.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn validate(&self) -> Result<(), ClipError> {
        self.text
            .validate()
            .map_err(|source| ClipError::Text { source })?;
        self.vision.validate()
    }
}

/// Fields of the whole that change nothing here: the scale of the logits is among the weights.
const IRRELEVANT: [&str; 7] = [
    "dtype",
    "initializer_factor",
    "initializer_range",
    "logit_scale_init_value",
    "return_dict",
    "tie_word_embeddings",
    "torch_dtype",
];

impl TryFrom<Map<String, Value>> for ClipConfig {
    type Error = SettingError;

    fn try_from(mut fields: Map<String, Value>) -> Result<Self, SettingError> {
        let text = part(&mut fields, ["text_config_dict", "text_config"]);
        let vision = part(&mut fields, ["vision_config_dict", "vision_config"]);
        let mut fields = ConfigFields::new(fields, TRANSFORMERS);
        fields.refuse("model_type", &[json!("clip")])?;
        fields.take("architectures", "`CLIPModel`", (), |value| match value {
            Value::Array(names) => names.contains(&json!("CLIPModel")).then_some(()),
            value => value.is_null().then_some(()),
        })?;
        let projection_dim = fields.take("projection_dim", POSITIVE, 512, positive)?;
        fields.refuse("quantization_config", &[Value::Null])?;
        fields.ignore(&IRRELEVANT);
        fields.finish()?;
        Ok(Self::new(
            ClipTextConfig::try_from(text)?,
            ClipVisionConfig::try_from(vision)?,
            projection_dim,
        ))
    }
}

/// Takes the configuration of a half. Files of old versions have it twice, and the first one there counts, as in
/// transformers.
fn part(fields: &mut Map<String, Value>, names: [&str; 2]) -> Map<String, Value> {
    let found = names.map(|name| match fields.remove(name) {
        Some(Value::Object(part)) => Some(part),
        _ => None,
    });
    found.into_iter().flatten().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::clip::HiddenActivation;

    use super::*;

    fn read(value: Value) -> Result<ClipConfig, String> {
        let Value::Object(fields) = value else { panic!() };
        ClipConfig::try_from(fields).map_err(|error| error.to_string())
    }

    #[test]
    fn halves_are_read_with_the_older_spelling_first() {
        let config = read(json!({
            "model_type": "clip",
            "architectures": ["CLIPModel"],
            "projection_dim": 24,
            "text_config": {"model_type": "clip_text_model", "hidden_size": 8, "eos_token_id": 2},
            "vision_config": {"image_size": [28, 28], "patch_size": 14, "hidden_act": "gelu", "hidden_size": 80},
            "vision_config_dict": {"image_size": 56, "patch_size": 14, "hidden_size": 80, "num_attention_heads": 1},
        }))
        .unwrap();
        assert_eq!((config.text.hidden_size, config.text.projection_dim), (8, 24));
        assert!(config.text.has_projection());
        assert_eq!((config.vision.image_size, config.vision.tokens()), (56, 17));
        assert_eq!(config.vision.hidden_act, HiddenActivation::QuickGelu);
        config.validate().unwrap();
        assert_eq!(
            read(json!({"model_type": "clip"})).unwrap().vision,
            ClipVisionConfig::default()
        );
    }

    #[test]
    fn other_networks_and_hostile_sizes_are_refused() {
        let cases = [
            (json!({"model_type": "siglip"}), "`model_type`"),
            (
                json!({"model_type": "clip", "architectures": ["CLIPTextModel"]}),
                "`CLIPModel`",
            ),
            (json!({"vision_config": {"hidden_act": "relu"}}), "`hidden_act`"),
            (json!({"vision_config": {"image_size": [28, 14]}}), "`image_size`"),
            (json!({"vision_config": {"hidden_size": 1e18}}), "`hidden_size`"),
            (json!({"projection_dim": -1}), "`projection_dim`"),
        ];
        for (mut value, words) in cases {
            if value.get("model_type").is_none() {
                value["model_type"] = json!("clip");
            }
            let error = read(value).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        for vision in [
            json!({"patch_size": 225}),
            json!({"image_size": 65536, "patch_size": 1}),
            json!({"hidden_size": 80, "num_attention_heads": 12}),
            json!({"num_hidden_layers": 60000}),
            json!({"layer_norm_eps": 0}),
        ] {
            let config = read(json!({"model_type": "clip", "vision_config": vision})).unwrap();
            assert!(config.validate().is_err(), "{config:?}");
        }
    }
}
