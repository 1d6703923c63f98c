//! `open_clip_config.json`, or the sizes of ViT-H/14 where there is none.

use mitune_diffusion::clip::{ClipTextConfig, HiddenActivation};
use mitune_diffusion::config_fields::{
    ConfigFields, POSITIVE, SettingError, TRANSFORMERS, flag, number, positive,
};
use serde_json::{Map, Value, json};

use super::super::vision_config::side;
use super::super::{ClipConfig, ClipVisionConfig};

/// Reads the sizes of a network from the fields of an `open_clip_config.json`, or of its `model_cfg` alone.
///
/// # Errors
/// When a field is missing, or asks for a network that is not a plain CLIP.
pub fn read_open_clip_config(mut fields: Map<String, Value>) -> Result<ClipConfig, SettingError> {
    // What is around it is about pictures, which are prepared by the rules of whoever judges.
    if let Some(Value::Object(model)) = fields.remove("model_cfg") {
        fields = model;
    }
    let text = object(&mut fields, "text_cfg")?;
    let vision = object(&mut fields, "vision_cfg")?;
    // Its version is its package's, which no file tells.
    let mut fields = ConfigFields::new(fields, TRANSFORMERS);
    let projection_dim = fields.take_required("embed_dim", POSITIVE, positive)?;
    let quick = fields.take("quick_gelu", "`true` or `false`", false, flag)?;
    fields.refuse("multimodal_cfg", &[Value::Null])?;
    let activation = match quick {
        true => HiddenActivation::QuickGelu,
        false => HiddenActivation::Gelu,
    };
    let text = read_text(text, activation)?;
    let vision = read_vision(vision, activation)?;
    Ok(ClipConfig::new(text, vision, projection_dim))
}

/// The sizes of open_clip's ViT-H-14, on which both versions of HPS are built.
pub(crate) fn vit_h_14() -> ClipConfig {
    let text = ClipTextConfig {
        hidden_size: 1024,
        intermediate_size: 4096,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        hidden_act: HiddenActivation::Gelu,
        eos_token_id: Some(LARGEST_ID),
        ..ClipTextConfig::default()
    };
    let vision = ClipVisionConfig {
        hidden_size: 1280,
        intermediate_size: 5120,
        num_hidden_layers: 32,
        num_attention_heads: 16,
        patch_size: 14,
        hidden_act: HiddenActivation::Gelu,
        ..ClipVisionConfig::default()
    };
    ClipConfig::new(text, vision, 1024)
}

/// What says in a configuration that a text ends at its largest id, which is how open_clip finds the end.
const LARGEST_ID: i64 = 2;

/// Fields of both halves that change the network, with what leaves it a plain one.
fn plain() -> [(&'static str, Vec<Value>); 17] {
    let no = || vec![json!(false), Value::Null];
    let none = || vec![Value::Null];
    [
        ("act_kwargs", vec![json!({}), Value::Null]),
        ("attentional_pool", no()),
        ("block_type", none()),
        ("embed_cls", no()),
        ("final_ln_after_pool", no()),
        ("global_average_pool", no()),
        ("hf_model_name", none()),
        ("input_patchnorm", no()),
        ("ls_init_value", none()),
        ("no_causal_mask", no()),
        ("no_ln_pre", no()),
        ("norm_kwargs", vec![json!({}), Value::Null]),
        ("pool_type", vec![json!("tok"), json!("argmax")]),
        ("pos_embed_type", vec![json!("learnable")]),
        ("proj_bias", no()),
        ("qk_norm", no()),
        ("timm_model_name", none()),
    ]
}

fn read_text(
    fields: Map<String, Value>,
    activation: HiddenActivation,
) -> Result<ClipTextConfig, SettingError> {
    let mut fields = ConfigFields::new(fields, TRANSFORMERS);
    let width = fields.take("width", POSITIVE, 512, positive)?;
    let ratio = fields.take("mlp_ratio", "a number", 4.0, number)?;
    let config = ClipTextConfig {
        vocab_size: fields.take("vocab_size", POSITIVE, 49408, positive)?,
        hidden_size: width,
        intermediate_size: inner(width, ratio),
        num_hidden_layers: fields.take("layers", POSITIVE, 12, positive)?,
        num_attention_heads: fields.take("heads", POSITIVE, 8, positive)?,
        max_position_embeddings: fields.take("context_length", POSITIVE, 77, positive)?,
        hidden_act: activation,
        eos_token_id: Some(LARGEST_ID),
        ..ClipTextConfig::default()
    };
    finish(fields)?;
    Ok(config)
}

fn read_vision(
    fields: Map<String, Value>,
    activation: HiddenActivation,
) -> Result<ClipVisionConfig, SettingError> {
    let mut fields = ConfigFields::new(fields, TRANSFORMERS);
    let width = fields.take("width", POSITIVE, 768, positive)?;
    let ratio = fields.take("mlp_ratio", "a number", 4.0, number)?;
    let head = fields.take("head_width", POSITIVE, 64, positive)?;
    let config = ClipVisionConfig {
        hidden_size: width,
        intermediate_size: inner(width, ratio),
        // A list of four is a convolutional network, and no number.
        num_hidden_layers: fields.take("layers", POSITIVE, 12, positive)?,
        num_attention_heads: width / head,
        image_size: fields.take("image_size", POSITIVE, 224, side)?,
        patch_size: fields.take("patch_size", POSITIVE, 16, side)?,
        hidden_act: activation,
        ..ClipVisionConfig::default()
    };
    finish(fields)?;
    Ok(config)
}

fn finish(mut fields: ConfigFields) -> Result<(), SettingError> {
    for (field, off) in plain() {
        fields.refuse(field, &off)?;
    }
    fields.finish()
}

/// The width within a feed-forward layer, cut off as Python's `int` does; one that is none is refused later, as 0.
fn inner(width: usize, ratio: f64) -> usize {
    (width as f64 * ratio).clamp(0.0, 1e9) as usize
}

fn object(fields: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, SettingError> {
    match fields.remove(name) {
        Some(Value::Object(part)) => Ok(part),
        other => Err(SettingError::Unsupported {
            field: name.to_owned(),
            found: other.unwrap_or(Value::Null).to_string(),
            supported: "an object".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<ClipConfig, String> {
        let Value::Object(fields) = value else { panic!() };
        read_open_clip_config(fields).map_err(|error| error.to_string())
    }

    /// open_clip's own `ViT-H-14.json`.
    #[test]
    fn the_file_of_vit_h_14_says_what_holds_without_it() {
        let model = json!({
            "embed_dim": 1024,
            "vision_cfg": {"image_size": 224, "layers": 32, "width": 1280, "head_width": 80, "patch_size": 14},
            "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 1024, "heads": 16, "layers": 24}
        });
        assert_eq!(read(model.clone()).unwrap(), vit_h_14());
        let whole = json!({"model_cfg": model, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}});
        assert_eq!(read(whole).unwrap(), vit_h_14());
        vit_h_14().validate().unwrap();
    }

    #[test]
    fn other_networks_are_refused() {
        for (vision, text, words) in [
            (json!({"layers": [3, 4, 6, 3]}), json!({}), "`layers`"),
            (json!({"timm_model_name": "vit"}), json!({}), "`timm_model_name`"),
            (json!({}), json!({"hf_model_name": "xlm"}), "`hf_model_name`"),
            (json!({}), json!({"pool_type": "last"}), "`pool_type`"),
            (json!([]), json!({}), "`vision_cfg`"),
        ] {
            let error = read(json!({"embed_dim": 8, "vision_cfg": vision, "text_cfg": text})).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let thin = json!({"embed_dim": 8, "vision_cfg": {"width": 32, "head_width": 64}, "text_cfg": {}});
        assert!(read(thin).unwrap().validate().is_err());
    }
}
