//! The configuration as diffusers' JSON: reading it, and what is refused.

mod writing;

use serde_json::{Map, Value, json};

use super::config::{TextTimeAddition, UNet2DConditionConfig, UNetConfigError};
use crate::config_fields::{ConfigFields, DIFFUSERS, POSITIVE, SettingError, flag, positive};

const DOWN_BLOCKS: [&str; 2] = ["DownBlock2D", "CrossAttnDownBlock2D"];
const MID_BLOCK: &str = "UNetMidBlock2DCrossAttn";
const ADDITION: &str = "text_time";
const UP_BLOCKS: [&str; 2] = ["UpBlock2D", "CrossAttnUpBlock2D"];

/// Features that are not implemented, each with the values that leave it switched off.
fn switched_off() -> Vec<(&'static str, Vec<Value>)> {
    let null = || vec![Value::Null];
    let no = || vec![json!(false), Value::Null];
    vec![
        ("act_fn", vec![json!("silu"), json!("swish")]),
        ("attention_type", vec![json!("default")]),
        ("class_embed_type", null()),
        ("class_embeddings_concat", no()),
        ("dropout", vec![json!(0.0), json!(0)]),
        ("dual_cross_attention", no()),
        ("encoder_hid_dim", null()),
        ("encoder_hid_dim_type", null()),
        ("num_attention_heads", null()),
        ("num_class_embeds", null()),
        ("quantization_config", null()),
        ("resnet_time_scale_shift", vec![json!("default")]),
        ("reverse_transformer_layers_per_block", null()),
        ("time_cond_proj_dim", null()),
        ("time_embedding_act_fn", null()),
        ("time_embedding_type", vec![json!("positional")]),
        ("timestep_post_act", null()),
    ]
}

/// Fields that only matter to features above or to block types that are not supported.
const IRRELEVANT: [&str; 5] = [
    "addition_embed_type_num_heads",
    "cross_attention_norm",
    "mid_block_only_cross_attention",
    "resnet_out_scale_factor",
    "resnet_skip_time_act",
];

impl TryFrom<Map<String, Value>> for UNet2DConditionConfig {
    type Error = UNetConfigError;

    fn try_from(fields: Map<String, Value>) -> Result<Self, UNetConfigError> {
        let mut reader = ConfigFields::new(fields, DIFFUSERS);
        let config = read(&mut reader)?;
        for (field, off) in switched_off() {
            reader.refuse(field, &off)?;
        }
        reader.ignore(&IRRELEVANT);
        reader.finish()?;
        check(&config)?;
        Ok(config)
    }
}

fn read(reader: &mut ConfigFields) -> Result<UNet2DConditionConfig, UNetConfigError> {
    let widths = vec![320, 640, 1280, 1280];
    let widths = reader.take_list("block_out_channels", EVENS, widths, even)?;
    if widths.is_empty() {
        return Err(UNetConfigError::NoLevels);
    }
    let levels = widths.len();
    let down = (0..4).map(|level| level < 3).collect();
    let up = (0..4).map(|level| level > 0).collect();
    let count = POSITIVE;
    let switch = "`true` or `false`";
    let number = "a number";
    let factor = "a number other than 0";
    Ok(UNet2DConditionConfig {
        sample_size: reader.take_optional(
            "sample_size",
            &format!("{POSITIVE}, or two of them that are equal, or `null`,"),
            size,
        )?,
        in_channels: reader.take("in_channels", count, 4, positive)?,
        out_channels: reader.take("out_channels", count, 4, positive)?,
        center_input_sample: reader.take("center_input_sample", switch, false, flag)?,
        flip_sin_to_cos: reader.take("flip_sin_to_cos", switch, true, flag)?,
        freq_shift: reader.take("freq_shift", number, 0.0, Value::as_f64)?,
        down_attention: block_types(reader, "down_block_types", DOWN_BLOCKS, down, levels)?,
        mid_block: reader.take(
            "mid_block_type",
            &format!("`\"{MID_BLOCK}\"` or `null`"),
            true,
            |value| match value {
                Value::Null => Some(false),
                value => (value == MID_BLOCK).then_some(true),
            },
        )?,
        up_attention: {
            let types = block_types(reader, "up_block_types", UP_BLOCKS, up, levels)?;
            types.into_iter().rev().collect()
        },
        only_cross_attention: reader.take_per_level("only_cross_attention", switch, false, levels, flag)?,
        layers_per_block: reader.take_per_level("layers_per_block", LAYERS, 2, levels, layers)?,
        downsample_padding: reader.take("downsample_padding", "`0` or `1`", 1, |value| {
            match value.as_u64() {
                Some(0) => Some(0),
                Some(1) => Some(1),
                _ => None,
            }
        })?,
        mid_block_scale_factor: reader.take("mid_block_scale_factor", factor, 1.0, |value| {
            value.as_f64().filter(|factor| *factor != 0.0)
        })?,
        norm_num_groups: reader.take("norm_num_groups", count, 32, positive)?,
        norm_eps: reader.take("norm_eps", number, 1e-5, Value::as_f64)?,
        cross_attention_dim: reader.take_per_level("cross_attention_dim", count, 1280, levels, positive)?,
        transformer_layers_per_block: reader.take_per_level(
            "transformer_layers_per_block",
            LAYERS,
            1,
            levels,
            layers,
        )?,
        attention_heads: reader.take_per_level("attention_head_dim", count, 8, levels, positive)?,
        use_linear_projection: reader.take("use_linear_projection", switch, false, flag)?,
        upcast_attention: reader.take("upcast_attention", switch, false, flag)?,
        time_embedding_dim: reader.take_optional(
            "time_embedding_dim",
            &format!("{POSITIVE}, or `null`,"),
            positive,
        )?,
        conv_in_kernel: reader.take("conv_in_kernel", ODD, 3, odd)?,
        conv_out_kernel: reader.take("conv_out_kernel", ODD, 3, odd)?,
        addition: addition(reader)?,
        block_out_channels: widths,
    })
}

/// Reads what is added to the time embedding; its sizes say nothing where nothing is added.
fn addition(reader: &mut ConfigFields) -> Result<Option<TextTimeAddition>, SettingError> {
    let supported = format!("`null` or `\"{ADDITION}\"`");
    let present = reader.take("addition_embed_type", &supported, false, |value| match value {
        Value::Null => Some(false),
        value => (value == ADDITION).then_some(true),
    })?;
    let [time, input] = ["addition_time_embed_dim", "projection_class_embeddings_input_dim"];
    if !present {
        reader.ignore(&[time, input]);
        return Ok(None);
    }
    let time_features = reader.take_required(time, EVEN, even)?;
    let sizes = TextTimeAddition::SIZES * time_features;
    let supported = format!("{POSITIVE} and above {} times `{time}`", TextTimeAddition::SIZES);
    let in_features = reader.take_required(input, &supported, |value| {
        positive(value).filter(|features| *features > sizes)
    })?;
    Ok(Some(TextTimeAddition {
        time_features,
        in_features,
    }))
}

/// Checks what involves two fields at once.
fn check(config: &UNet2DConditionConfig) -> Result<(), UNetConfigError> {
    let sines = config.addition.map(|addition| addition.time_features);
    let fewest = config.block_out_channels[0].min(sines.unwrap_or(usize::MAX)) / 2;
    // The frequencies' exponent is divided by the difference.
    if config.freq_shift >= fewest as f64 {
        let error = SettingError::Unsupported {
            field: "freq_shift".to_owned(),
            found: config.freq_shift.to_string(),
            supported: format!("a number below the {fewest} frequencies"),
        };
        return Err(error.into());
    }
    let groups = config.norm_num_groups;
    for (&channels, &heads) in config.block_out_channels.iter().zip(&config.attention_heads) {
        if channels % groups != 0 {
            return Err(UNetConfigError::Groups { groups, channels });
        }
        if heads > channels {
            return Err(UNetConfigError::Heads { heads, channels });
        }
    }
    Ok(())
}

/// Reads block types as whether each has attention.
fn block_types(
    reader: &mut ConfigFields,
    field: &str,
    [plain, with_attention]: [&str; 2],
    default: Vec<bool>,
    levels: usize,
) -> Result<Vec<bool>, SettingError> {
    let supported = format!("`{plain}` and `{with_attention}`");
    let types = reader.take_list(field, &supported, default, |value| match value.as_str()? {
        name if name == plain => Some(false),
        name if name == with_attention => Some(true),
        _ => None,
    })?;
    match types.len() == levels {
        true => Ok(types),
        false => Err(SettingError::LevelCount {
            field: field.to_owned(),
            found: types.len(),
            expected: levels,
        }),
    }
}

const LAYERS: &str = "a whole number from 1 to 1024";

fn layers(value: &Value) -> Option<usize> {
    positive(value).filter(|number| *number <= 1024)
}

const EVEN: &str = "an even number from 2 to 65536";
const EVENS: &str = "even numbers from 2 to 65536";

fn even(value: &Value) -> Option<usize> {
    positive(value).filter(|number| number % 2 == 0)
}

const ODD: &str = "an odd number from 1 to 65535";

fn odd(value: &Value) -> Option<usize> {
    positive(value).filter(|number| number % 2 == 1)
}

/// A size for both axes, or one for each, of which only equal ones are known.
fn size(value: &Value) -> Option<usize> {
    match value.as_array().map(Vec::as_slice) {
        Some([height, width]) => positive(height).filter(|height| positive(width) == Some(*height)),
        Some(_) => None,
        None => positive(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields that Stable Diffusion 1.5 ships with.
    const STABLE_DIFFUSION_1: &str = r#"{
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280],
        "center_input_sample": false, "cross_attention_dim": 768,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
            "DownBlock2D"],
        "downsample_padding": 1, "flip_sin_to_cos": true, "freq_shift": 0, "in_channels": 4,
        "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05,
        "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
            "CrossAttnUpBlock2D"]
    }"#;

    fn parse(changes: Value) -> Result<UNet2DConditionConfig, String> {
        let mut fields: Map<String, Value> = serde_json::from_str(STABLE_DIFFUSION_1).unwrap();
        if let Value::Object(changes) = changes {
            fields.extend(changes);
        }
        UNet2DConditionConfig::try_from(fields).map_err(|error| error.to_string())
    }

    #[test]
    fn stable_diffusion_1_is_diffusers_default_but_for_the_prompt() {
        let shipped = parse(json!({})).unwrap();
        let mut default = UNet2DConditionConfig::try_from(Map::new()).unwrap();
        default.cross_attention_dim = vec![768; 4];
        default.sample_size = Some(64);
        assert_eq!(shipped, default);
        assert_eq!(shipped.down_attention, [true, true, true, false]);
        assert_eq!(shipped.up_attention, [true, true, true, false]);
        assert_eq!(shipped.attention_heads, [8; 4]);
        assert_eq!(shipped.time_features(), 1280);
    }

    #[test]
    fn stable_diffusion_2_and_harmless_fields() {
        let config = parse(json!({
            "attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024,
            "use_linear_projection": true, "upcast_attention": true, "dual_cross_attention": false,
            "num_class_embeds": null, "only_cross_attention": false, "class_embed_type": null,
            "resnet_time_scale_shift": "default", "cross_attention_norm": null,
            "resnet_out_scale_factor": 1.0, "mid_block_type": "UNetMidBlock2DCrossAttn", "use_ema": true,
            "decay": 0.9999, "some_new_key": null, "sample_size": [96, 96],
        }))
        .unwrap();
        assert_eq!(config.attention_heads, [5, 10, 20, 20]);
        assert!(config.use_linear_projection && config.upcast_attention);
        assert_eq!(config.sample_size, Some(96));
    }

    /// Every field that Stable Diffusion XL ships with.
    #[test]
    fn stable_diffusion_xl() {
        let config = parse(json!({
            "addition_embed_type": "text_time", "addition_embed_type_num_heads": 64, "addition_time_embed_dim": 256,
            "attention_head_dim": [5, 10, 20], "block_out_channels": [320, 640, 1280], "class_embed_type": null,
            "class_embeddings_concat": false, "conv_in_kernel": 3, "conv_out_kernel": 3,
            "cross_attention_dim": 2048, "cross_attention_norm": null,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "dual_cross_attention": false, "encoder_hid_dim": null, "encoder_hid_dim_type": null,
            "mid_block_only_cross_attention": null, "mid_block_type": "UNetMidBlock2DCrossAttn",
            "num_attention_heads": null, "num_class_embeds": null, "only_cross_attention": false,
            "projection_class_embeddings_input_dim": 2816, "resnet_out_scale_factor": 1.0,
            "resnet_skip_time_act": false, "resnet_time_scale_shift": "default", "sample_size": 128,
            "time_cond_proj_dim": null, "time_embedding_act_fn": null, "time_embedding_dim": null,
            "time_embedding_type": "positional", "timestep_post_act": null,
            "transformer_layers_per_block": [1, 2, 10],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "upcast_attention": null,
            "use_linear_projection": true,
        }))
        .unwrap();
        assert_eq!(config.transformer_layers_per_block, [1, 2, 10]);
        assert!(!config.upcast_attention);
        let addition = config.addition.unwrap();
        assert_eq!((addition.time_features, addition.text_features()), (256, 1280));
    }

    #[test]
    fn written_configuration_reads_back() {
        let changes = [
            json!({}),
            json!({
                "attention_head_dim": [1, 2, 4, 8], "mid_block_type": null, "freq_shift": 0.5,
                "time_embedding_dim": 12, "only_cross_attention": [true, false, false, true],
                "mid_block_scale_factor": 1.25, "layers_per_block": [1, 2, 3, 4],
                "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"],
            }),
            json!({"addition_embed_type": "text_time", "addition_time_embed_dim": 256,
                "projection_class_embeddings_input_dim": 2816}),
        ];
        for changes in changes {
            let config = parse(changes).unwrap();
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(
                serde_json::from_str::<UNet2DConditionConfig>(&text).unwrap(),
                config
            );
        }
        let fields = Map::from(parse(json!({})).unwrap());
        assert_eq!(fields["attention_head_dim"], json!(8));
        assert_eq!(fields["freq_shift"], json!(0));
    }

    #[test]
    fn what_would_change_the_result_is_refused_by_name() {
        let off = "Field `addition_embed_type` is `\"image_hint\"`, but only `null` or `\"text_time\"` is supported";
        let up = "Field `up_block_types` is `[\"AttnUpBlock2D\"]`, but only a list of `UpBlock2D` \
                  and `CrossAttnUpBlock2D` is supported";
        let cases = [
            (json!({"addition_embed_type": "image_hint"}), off),
            (
                json!({"addition_embed_type": "text_time", "addition_time_embed_dim": 256}),
                "Field `projection_class_embeddings_input_dim` is `null`, but only a whole number from 1 to 65536 \
                 and above 6 times `addition_time_embed_dim` is supported",
            ),
            (
                json!({"addition_embed_type": "text_time", "addition_time_embed_dim": 256,
                    "projection_class_embeddings_input_dim": 1536}),
                "Field `projection_class_embeddings_input_dim` is `1536`, but only a whole number from 1 to 65536 \
                 and above 6 times `addition_time_embed_dim` is supported",
            ),
            (json!({"up_block_types": ["AttnUpBlock2D"]}), up),
            (
                json!({"time_cond_proj_dim": 256}),
                "Field `time_cond_proj_dim` is `256`, but only `null` is supported",
            ),
            (
                json!({"transformer_layers_per_block": [1, 2, [1, 1], 1]}),
                "Field `transformer_layers_per_block` is `[1,1]`, but only a whole number from 1 to 1024 is \
                 supported",
            ),
            (
                json!({"new_feature": {"on": 1}, "_diffusers_version": "0.50.1"}),
                "Field `new_feature` is unknown, and its value `{\"on\":1}` may change the result: the file is of \
                 diffusers 0.50.1, later than what is known here",
            ),
            (
                json!({"attention_head_dim": [5, 10, 20]}),
                "Field `attention_head_dim` has 3 entries, `block_out_channels` has 4",
            ),
            (
                json!({"norm_num_groups": 48}),
                "`norm_num_groups` is 48, which does not divide the 320 channels of a level",
            ),
            (
                json!({"attention_head_dim": 400}),
                "`attention_head_dim` asks for 400 heads on a level of 320 channels",
            ),
            (json!({"block_out_channels": []}), "`block_out_channels` is empty"),
            (
                json!({"freq_shift": 160}),
                "Field `freq_shift` is `160`, but only a number below the 160 frequencies is supported",
            ),
            (
                json!({"conv_in_kernel": 2}),
                "Field `conv_in_kernel` is `2`, but only an odd number from 1 to 65535 is supported",
            ),
            (
                json!({"sample_size": 0}),
                "Field `sample_size` is `0`, but only a whole number from 1 to 65536, or two of them that are equal, \
                 or `null`, is supported",
            ),
            (
                json!({"sample_size": [64, 96]}),
                "Field `sample_size` is `[64,96]`, but only a whole number from 1 to 65536, or two of them that are \
                 equal, or `null`, is supported",
            ),
            (
                json!({"block_out_channels": [0, 64]}),
                "Field `block_out_channels` is `[0,64]`, but only a list of even numbers from 2 to 65536 is supported",
            ),
            (
                json!({"mid_block_scale_factor": 0}),
                "Field `mid_block_scale_factor` is `0`, but only a number other than 0 is supported",
            ),
        ];
        for (changes, message) in cases {
            assert_eq!(parse(changes).unwrap_err(), message);
        }
    }
}
