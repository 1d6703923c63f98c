//! Layer names in kohya's form, where dots became underscores.

use super::AdapterError;

/// Starts of names with the component that they stand for.
const PREFIXES: [(&str, &str); 4] = [
    ("lora_unet_", "unet"),
    ("lora_te_", "text_encoder"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
];

/// Start of the names for one component of the model, of which there may be one text encoder or two.
pub(super) fn prefix(component: &str, two_encoders: bool) -> &'static str {
    let mut prefixes = PREFIXES.iter().filter(|(_, name)| *name == component);
    let (first, second) = (prefixes.next(), prefixes.next());
    let prefix = second.filter(|_| two_encoders).or(first);
    prefix.map_or("lora_", |(prefix, _)| prefix)
}

/// Splits a tensor's name into the component and the rest.
pub(super) fn split_component(name: &str) -> Option<(&'static str, &str)> {
    let split = |(prefix, component): &(&str, &'static str)| Some((*component, name.strip_prefix(prefix)?));
    PREFIXES.iter().chain(&[LYCORIS]).find_map(split)
}

/// What LyCORIS puts before the names of the denoiser where it trains without kohya's scripts.
const LYCORIS: (&str, &str) = ("lycoris_", "unet");

/// A layer's name as it stands in a file.
pub(super) fn mangle(layer: &str) -> String {
    layer.replace('.', "_")
}

/// Whether a tensor's name is in kohya's form.
pub(super) fn is_kohya(name: &str) -> bool {
    ["lora_unet_", "lora_te", LYCORIS.0]
        .iter()
        .any(|start| name.starts_with(start))
}

/// Names with an underscore of their own, which undoing the mangling must keep; longer ones first.
const COMPOUNDS: [&[&str]; 27] = [
    &["time", "emb", "proj"],
    &["down", "blocks"],
    &["up", "blocks"],
    &["mid", "block"],
    &["input", "blocks"],
    &["output", "blocks"],
    &["middle", "block"],
    &["transformer", "blocks"],
    &["time", "embedding"],
    &["add", "embedding"],
    &["linear", "1"],
    &["linear", "2"],
    &["conv", "in"],
    &["conv", "out"],
    &["conv", "shortcut"],
    &["proj", "in"],
    &["proj", "out"],
    &["to", "q"],
    &["to", "k"],
    &["to", "v"],
    &["text", "model"],
    &["text", "projection"],
    &["self", "attn"],
    &["q", "proj"],
    &["k", "proj"],
    &["v", "proj"],
    &["out", "proj"],
];

/// The diffusers name of a layer.
///
/// Also takes the names of the original implementation (`input_blocks_4_1_...`), as kohya's scripts
/// write them for Stable Diffusion XL; its levels have two residual blocks each.
///
/// # Errors
/// A name of the original implementation that stands for no layer.
pub(super) fn unmangle(mangled: &str) -> Result<String, AdapterError> {
    let words: Vec<&str> = mangled.split('_').collect();
    let parts = join_compounds(&words);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    original_layer(&parts).ok_or_else(|| AdapterError::UnknownLayer {
        layer: mangled.to_owned(),
        count: 1,
    })
}

fn join_compounds(words: &[&str]) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = words;
    while let Some(first) = rest.first() {
        let compound = COMPOUNDS.iter().find(|compound| rest.starts_with(compound));
        let length = compound.map_or(1, |compound| compound.len());
        // `to_out` and the original names below are compounds whose number is a part of its own.
        let length = match (*first, rest.get(1).copied()) {
            ("to", Some("out")) | ("in" | "out" | "emb", Some("layers")) => 2,
            ("skip", Some("connection")) | ("time", Some("embed")) | ("label", Some("emb")) => 2,
            _ => length,
        };
        parts.push(rest[..length].join("_"));
        rest = &rest[length..];
    }
    parts
}

/// Residual blocks per level, on the way down.
const LAYERS: usize = 2;

/// Turns the path of the original implementation into that of diffusers; others stay.
pub(super) fn original_layer(parts: &[&str]) -> Option<String> {
    let number = |text: &str| text.parse::<usize>().ok();
    let (head, tail): (String, &[&str]) = match parts {
        ["time_embed", index, tail @ ..] => {
            (format!("time_embedding.linear_{}", number(index)? / 2 + 1), tail)
        }
        ["label_emb", "0", index, tail @ ..] => {
            (format!("add_embedding.linear_{}", number(index)? / 2 + 1), tail)
        }
        ["input_blocks", "0", "0", tail @ ..] => ("conv_in".to_owned(), tail),
        ["out", "2", tail @ ..] => ("conv_out".to_owned(), tail),
        ["input_blocks", block, _, "op", tail @ ..] => {
            let level = (number(block)?.checked_sub(1)?) / (LAYERS + 1);
            (format!("down_blocks.{level}.downsamplers.0.conv"), tail)
        }
        ["input_blocks", block, kind, tail @ ..] => {
            let block = number(block)?.checked_sub(1)?;
            let (level, layer) = (block / (LAYERS + 1), block % (LAYERS + 1));
            (format!("down_blocks.{level}.{}.{layer}", kind_of(kind)?), tail)
        }
        ["middle_block", "1", tail @ ..] => ("mid_block.attentions.0".to_owned(), tail),
        ["middle_block", index, tail @ ..] => (format!("mid_block.resnets.{}", number(index)? / 2), tail),
        ["output_blocks", block, _, "conv", tail @ ..] => (
            format!("up_blocks.{}.upsamplers.0.conv", number(block)? / (LAYERS + 1)),
            tail,
        ),
        ["output_blocks", block, kind, tail @ ..] => {
            let block = number(block)?;
            let (level, layer) = (block / (LAYERS + 1), block % (LAYERS + 1));
            (format!("up_blocks.{level}.{}.{layer}", kind_of(kind)?), tail)
        }
        parts => return Some(parts.join(".")),
    };
    let inner = match tail {
        ["in_layers", "2"] => "conv1".to_owned(),
        ["out_layers", "3"] => "conv2".to_owned(),
        ["emb_layers", "1"] => "time_emb_proj".to_owned(),
        ["skip_connection"] => "conv_shortcut".to_owned(),
        [] => return Some(head),
        tail => tail.join("."),
    };
    Some(format!("{head}.{inner}"))
}

fn kind_of(index: &str) -> Option<&'static str> {
    match index {
        "0" => Some("resnets"),
        "1" => Some("attentions"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::layers::AdaptTarget as _;
    use crate::unet::{UNet2DConditionConfig, UNet2DConditionModel};

    #[test]
    fn mangling_is_undone_for_every_layer_of_a_unet() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/model/unet/config.json");
        let text = std::fs::read_to_string(path).unwrap();
        let config: UNet2DConditionConfig = serde_json::from_str(&text).unwrap();
        let mut count = 0;
        UNet2DConditionModel::new(&config, &burn::tensor::Device::flex()).layers_mut(&mut |name, _| {
            assert_eq!(unmangle(&mangle(name)).unwrap(), name);
            count += 1;
        });
        assert_eq!(count, 83);
    }

    #[test]
    fn mangling_is_undone_for_layers_of_text_encoders() {
        for layer in [
            "text_model.encoder.layers.11.self_attn.q_proj",
            "text_model.encoder.layers.0.self_attn.out_proj",
            "text_model.encoder.layers.0.mlp.fc1",
            "text_projection",
        ] {
            assert_eq!(unmangle(&mangle(layer)).unwrap(), layer);
        }
    }

    #[test]
    fn original_names_are_those_of_the_conversion_in_diffusers() {
        for (original, name) in [
            ("input_blocks_0_0", "conv_in"),
            ("out_2", "conv_out"),
            ("time_embed_0", "time_embedding.linear_1"),
            ("time_embed_2", "time_embedding.linear_2"),
            ("label_emb_0_2", "add_embedding.linear_2"),
            ("input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
            (
                "input_blocks_4_1_transformer_blocks_0_attn1_to_q",
                "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
            ),
            ("input_blocks_8_0_in_layers_2", "down_blocks.2.resnets.1.conv1"),
            ("input_blocks_8_1_proj_in", "down_blocks.2.attentions.1.proj_in"),
            (
                "middle_block_1_transformer_blocks_9_ff_net_0_proj",
                "mid_block.attentions.0.transformer_blocks.9.ff.net.0.proj",
            ),
            ("middle_block_2_emb_layers_1", "mid_block.resnets.1.time_emb_proj"),
            ("output_blocks_2_2_conv", "up_blocks.0.upsamplers.0.conv"),
            (
                "output_blocks_5_1_transformer_blocks_1_attn2_to_out_0",
                "up_blocks.1.attentions.2.transformer_blocks.1.attn2.to_out.0",
            ),
            ("output_blocks_8_0_out_layers_3", "up_blocks.2.resnets.2.conv2"),
            (
                "output_blocks_8_0_skip_connection",
                "up_blocks.2.resnets.2.conv_shortcut",
            ),
        ] {
            assert_eq!(unmangle(original).unwrap(), name);
        }
        assert!(unmangle("input_blocks_x_1_proj_in").is_err());
        assert!(unmangle("output_blocks_5_7_proj_in").is_err());
    }
}
