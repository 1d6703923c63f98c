//! The `config.json` of a DINOv2.

use mitune_diffusion::config_fields::{
    ConfigFields, POSITIVE, SettingError, TRANSFORMERS, flag, number, positive,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::DinoError;

/// The shape of a [`DinoModel`](super::DinoModel), read from the `config.json` of transformers' `Dinov2Model`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DinoConfig {
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Number of transformer layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward layers over that of the hidden states.
    pub mlp_ratio: f64,
    /// Constant under the root of every layer normalization.
    pub layer_norm_eps: f64,
    /// Side of the images that the position embeddings are of.
    pub image_size: usize,
    /// Side of a patch.
    pub patch_size: usize,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Whether feed-forward layers have a gate, as those of the giant model.
    pub use_swiglu_ffn: bool,
}

impl Default for DinoConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            mlp_ratio: 4.0,
            layer_norm_eps: 1e-6,
            image_size: 224,
            patch_size: 14,
            qkv_bias: true,
            use_swiglu_ffn: false,
        }
    }
}

/// Position embeddings of more patches are none that anybody has trained.
const MOST_PATCHES: usize = 1 << 16;

const DEEPEST: usize = 1024;

impl DinoConfig {
    /// Patches along a side of the images that the position embeddings are of.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Width inside the feed-forward layers, rounded as transformers does.
    pub fn inner_size(&self) -> usize {
        let inner = (self.hidden_size as f64 * self.mlp_ratio) as usize;
        match self.use_swiglu_ffn {
            true => ((inner as f64 * 2.0 / 3.0) as usize).next_multiple_of(8),
            false => inner,
        }
    }

    /// Checks that a model of this configuration can be built.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn validate(&self) -> Result<(), DinoError> {
        let refuse = |reason| Err(DinoError::Configuration { reason });
        let Self {
            hidden_size: width,
            num_attention_heads: heads,
            num_hidden_layers: layers,
            patch_size: patch,
            image_size: side,
            ..
        } = *self;
        if [width, heads, layers, patch, side].contains(&0) {
            return refuse("a size in it is 0".to_owned());
        }
        if !width.is_multiple_of(heads) {
            return refuse(format!(
                "`hidden_size` {width} is not a multiple of `num_attention_heads` {heads}"
            ));
        }
        if layers > DEEPEST {
            return refuse(format!(
                "`num_hidden_layers` is {layers}, expected at most {DEEPEST}"
            ));
        }
        if self.grid() == 0 || self.grid() > MOST_PATCHES || self.grid().pow(2) > MOST_PATCHES {
            return refuse(format!(
                "`image_size` {side} has {} patches of {patch} along a side, expected 1 to 256",
                self.grid()
            ));
        }
        if !(self.mlp_ratio > 0.0 && self.mlp_ratio <= 64.0) || self.inner_size() == 0 {
            return refuse(format!("`mlp_ratio` is {}, expected at most 64", self.mlp_ratio));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps.is_finite()) {
            return refuse(format!(
                "`layer_norm_eps` is {}, expected a positive number",
                self.layer_norm_eps
            ));
        }
        Ok(())
    }
}

/// Settings that only matter in training, to what is returned besides the result, or to the network as a backbone.
const IRRELEVANT: [&str; 14] = [
    "apply_layernorm",
    "attention_probs_dropout_prob",
    "drop_path_rate",
    "dtype",
    "hidden_dropout_prob",
    "initializer_range",
    "layerscale_value",
    "out_features",
    "out_indices",
    "reshape_hidden_states",
    "return_dict",
    "stage_names",
    "torch_dtype",
    "use_mask_token",
];

impl TryFrom<Map<String, Value>> for DinoConfig {
    type Error = SettingError;

    fn try_from(fields: Map<String, Value>) -> Result<Self, SettingError> {
        let mut fields = ConfigFields::new(fields, TRANSFORMERS);
        let default = Self::default();
        fields.refuse("model_type", &[json!("dinov2")])?;
        fields.take("architectures", "`Dinov2Model`", (), |value| match value {
            Value::Array(names) => names.contains(&json!("Dinov2Model")).then_some(()),
            value => value.is_null().then_some(()),
        })?;
        fields.refuse("hidden_act", &[json!("gelu")])?;
        fields.refuse("num_channels", &[json!(3)])?;
        fields.refuse("head_dim", &[Value::Null])?;
        fields.refuse("quantization_config", &[Value::Null])?;
        let read = &mut fields;
        let mut size = |field: &str, default: usize| read.take(field, POSITIVE, default, positive);
        let config = Self {
            hidden_size: size("hidden_size", default.hidden_size)?,
            num_hidden_layers: size("num_hidden_layers", default.num_hidden_layers)?,
            num_attention_heads: size("num_attention_heads", default.num_attention_heads)?,
            image_size: read.take("image_size", "one side of a square", default.image_size, side)?,
            patch_size: read.take("patch_size", "one side of a square", default.patch_size, side)?,
            mlp_ratio: read.take("mlp_ratio", "a number", default.mlp_ratio, number)?,
            layer_norm_eps: read.take("layer_norm_eps", "a number", default.layer_norm_eps, number)?,
            qkv_bias: read.take("qkv_bias", "`true` or `false`", default.qkv_bias, flag)?,
            use_swiglu_ffn: read.take("use_swiglu_ffn", "`true` or `false`", false, flag)?,
        };
        fields.ignore(&IRRELEVANT);
        fields.finish()?;
        Ok(config)
    }
}

/// A side, which may be written as height and width.
fn side(value: &Value) -> Option<usize> {
    match value {
        Value::Array(sides) => match sides.as_slice() {
            [height, width] if height == width => positive(height),
            _ => None,
        },
        value => positive(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<DinoConfig, String> {
        let Value::Object(fields) = value else { panic!() };
        DinoConfig::try_from(fields).map_err(|error| error.to_string())
    }

    #[test]
    fn published_configurations_are_read() {
        let large = read(json!({
            "architectures": ["Dinov2Model"], "model_type": "dinov2", "hidden_act": "gelu", "hidden_size": 1024,
            "image_size": 518, "layer_norm_eps": 1e-06, "layerscale_value": 1.0, "mlp_ratio": 4,
            "num_attention_heads": 16, "num_channels": 3, "num_hidden_layers": 24, "patch_size": 14,
            "qkv_bias": true, "torch_dtype": "float32", "transformers_version": "4.31.0.dev0",
            "use_swiglu_ffn": false, "out_features": ["stage24"], "stage_names": ["stem"],
        }))
        .unwrap();
        assert_eq!((large.grid(), large.inner_size()), (37, 4096));
        large.validate().unwrap();
        let giant = DinoConfig {
            hidden_size: 1536,
            use_swiglu_ffn: true,
            ..DinoConfig::default()
        };
        assert_eq!(giant.inner_size(), 4096);
        assert_eq!(read(json!({"image_size": [28, 28]})).unwrap().grid(), 2);
    }

    #[test]
    fn other_networks_and_hostile_sizes_are_refused() {
        for (value, words) in [
            (json!({"model_type": "dinov2_with_registers"}), "`model_type`"),
            (
                json!({"architectures": ["Dinov2ForImageClassification"]}),
                "`Dinov2Model`",
            ),
            (json!({"image_size": [28, 14]}), "`image_size`"),
            (json!({"hidden_size": 1e18}), "`hidden_size`"),
            (json!({"hidden_act": "relu"}), "`hidden_act`"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        for value in [
            json!({"num_attention_heads": 7}),
            json!({"patch_size": 225}),
            json!({"image_size": 65536, "patch_size": 1}),
            json!({"num_hidden_layers": 60000}),
            json!({"mlp_ratio": 1e300}),
            json!({"layer_norm_eps": 0}),
        ] {
            let config = read(value).unwrap();
            assert!(config.validate().is_err(), "{config:?}");
        }
    }
}
