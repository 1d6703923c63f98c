use super::AdapterError;
use super::foreign::foreign;
use super::kohya_names::original_layer;

/// Start of the names in PEFT's own files.
pub(super) const PEFT_PREFIX: &str = "base_model.model.";

/// The denoiser, in names of tensors.
pub const UNET: &str = "unet";

/// The text encoder, the first of two, in names of tensors.
pub const TEXT_ENCODER: &str = "text_encoder";

/// Components of a model that an adapter can change, in names of tensors.
pub const COMPONENTS: [&str; 3] = [UNET, TEXT_ENCODER, "text_encoder_2"];

/// Starts of the names of the original implementation.
const ORIGINAL: [&str; 2] = ["diffusion_model.", "model.diffusion_model."];

/// A tensor of one layer's adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    A,
    B,
    Magnitude,
    Alpha,
}

impl Part {
    /// What follows the layer's name in files of PEFT and diffusers.
    pub(super) fn written_name(self) -> &'static str {
        match self {
            Self::A => "lora_A.weight",
            Self::B => "lora_B.weight",
            Self::Magnitude => "lora_magnitude_vector",
            Self::Alpha => "alpha",
        }
    }
}

/// Splits a tensor's name into the component of the model, the layer and the part.
///
/// Understands PEFT (`lora_A`, with or without the adapter's name after it), diffusers
/// (`lora.down`, `lora_linear_layer.down`), the attention processors of older diffusers
/// (`processor.to_q_lora.down`) and kohya's parts after names with dots (`lora_down`). Names may start with the
/// component, with `base_model.model`, with `diffusion_model` and then the names of the original implementation, or
/// with the layer, which then is one of the denoiser unless only text encoders have its like.
pub(super) fn parse_name(name: &str) -> Result<(&'static str, String, Part), AdapterError> {
    let unknown = |reason| AdapterError::UnknownTensor {
        tensor: name.to_owned(),
        reason,
    };
    let path = name.strip_prefix(PEFT_PREFIX).unwrap_or(name);
    if path.starts_with("transformer.") {
        return Err(unknown(Some(
            "it belongs to a transformer denoiser, such as that of Stable Diffusion 3",
        )));
    }
    let component =
        |component: &&'static str| Some((*component, path.strip_prefix(component)?.strip_prefix('.')?));
    let original = ORIGINAL.iter().find_map(|start| path.strip_prefix(start));
    let text = || {
        ["text_model.", "encoder.layers."]
            .iter()
            .any(|start| path.starts_with(start))
    };
    let (component, path) = match (COMPONENTS.iter().find_map(component), original) {
        (Some(found), _) => found,
        (None, Some(path)) => (UNET, path),
        (None, None) if text() => ("text_encoder", path),
        (None, None) => (UNET, path),
    };
    let (layer, part) = split_part(path).ok_or_else(|| unknown(foreign(name)))?;
    if original.is_some() {
        let parts: Vec<&str> = layer.split('.').collect();
        let layer = original_layer(&parts).ok_or_else(|| unknown(None))?;
        return Ok((component, layer, part));
    }
    if component == UNET {
        return Ok((component, layer, part));
    }
    // transformers 5 leaves out the `text_model.` that every published file has.
    let layer = match layer.starts_with("encoder.") {
        true => format!("text_model.{layer}"),
        false => layer,
    };
    Ok((component, layer, part))
}

fn split_part(path: &str) -> Option<(String, Part)> {
    let words: Vec<&str> = path.split('.').collect();
    let marker = words.iter().position(|word| is_marker(word));
    let Some(marker) = marker else {
        let layer = path.strip_suffix(".alpha")?;
        return Some((layer.to_owned(), Part::Alpha));
    };
    let mut layer: Vec<&str> = words[..marker].to_vec();
    let part = match (words[marker], &words[marker + 1..]) {
        ("lora_A", ["weight"] | [_, "weight"]) => Part::A,
        ("lora_B", ["weight"] | [_, "weight"]) => Part::B,
        ("lora_magnitude_vector", [] | [_] | [_, "weight"]) | ("dora_scale", []) => Part::Magnitude,
        ("lora_down", ["weight"]) => Part::A,
        ("lora_up", ["weight"]) => Part::B,
        ("lora" | "lora_linear_layer", tail) => legacy_part(tail)?,
        (word, tail) => {
            if layer.last() == Some(&"processor") {
                layer.pop();
            }
            layer.push(word.strip_suffix("_lora")?);
            legacy_part(tail)?
        }
    };
    if layer.contains(&"self_attn") {
        let last = layer.pop()?;
        layer.push(match last {
            "to_q" => "q_proj",
            "to_k" => "k_proj",
            "to_v" => "v_proj",
            "to_out" => "out_proj",
            other => other,
        });
    } else if layer.last() == Some(&"to_out") {
        layer.push("0");
    }
    (!layer.is_empty()).then(|| (layer.join("."), part))
}

fn is_marker(word: &str) -> bool {
    let named = [
        "lora_A",
        "lora_B",
        "lora_magnitude_vector",
        "lora",
        "lora_linear_layer",
        "lora_down",
        "lora_up",
        "dora_scale",
    ];
    named.contains(&word) || word.ends_with("_lora")
}

fn legacy_part(tail: &[&str]) -> Option<Part> {
    match tail {
        ["down", "weight"] => Some(Part::A),
        ["up", "weight"] => Some(Part::B),
        ["alpha"] => Some(Part::Alpha),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_writer_are_understood() {
        for (name, layer, part) in [
            ("unet.mid.to_q.lora_A.weight", "mid.to_q", Part::A),
            ("unet.mid.to_q.lora_A.default.weight", "mid.to_q", Part::A),
            ("unet.mid.to_q.lora.up.weight", "mid.to_q", Part::B),
            (
                "unet.mid.ff.net.2.lora_linear_layer.up.weight",
                "mid.ff.net.2",
                Part::B,
            ),
            (
                "unet.mid.attn1.processor.to_k_lora.down.weight",
                "mid.attn1.to_k",
                Part::A,
            ),
            (
                "mid.attn1.processor.to_out_lora.up.weight",
                "mid.attn1.to_out.0",
                Part::B,
            ),
            ("base_model.model.mid.to_q.lora_B.weight", "mid.to_q", Part::B),
            (
                "base_model.model.unet.mid.to_q.lora_A.weight",
                "mid.to_q",
                Part::A,
            ),
            (
                "mid.to_out.0.lora_magnitude_vector.weight",
                "mid.to_out.0",
                Part::Magnitude,
            ),
            (
                "mid.to_v.lora_magnitude_vector.default.weight",
                "mid.to_v",
                Part::Magnitude,
            ),
            (
                "mid.to_v.lora_magnitude_vector.default",
                "mid.to_v",
                Part::Magnitude,
            ),
            ("unet.mid.to_v.lora_magnitude_vector", "mid.to_v", Part::Magnitude),
            ("unet.mid.to_v.alpha", "mid.to_v", Part::Alpha),
            ("unet.mid.to_v.lora_down.weight", "mid.to_v", Part::A),
            ("mid.to_v.lora_up.weight", "mid.to_v", Part::B),
            ("unet.mid.to_v.dora_scale", "mid.to_v", Part::Magnitude),
            (
                "diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q.lora_A.weight",
                "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
                Part::A,
            ),
            (
                "model.diffusion_model.middle_block.1.proj_in.lora_up.weight",
                "mid_block.attentions.0.proj_in",
                Part::B,
            ),
        ] {
            assert_eq!(
                parse_name(name).unwrap(),
                ("unet", layer.to_owned(), part),
                "{name}"
            );
        }
    }

    #[test]
    fn text_encoders_have_names_of_their_own() {
        let layer = "text_model.encoder.layers.0.self_attn.out_proj";
        for (name, component) in [
            (format!("text_encoder.{layer}.lora_A.weight"), "text_encoder"),
            (
                format!("text_encoder_2.{layer}.lora_linear_layer.down.weight"),
                "text_encoder_2",
            ),
            (
                "text_encoder.encoder.layers.0.self_attn.out_proj.lora_A.weight".to_owned(),
                "text_encoder",
            ),
            (
                "text_encoder.text_model.encoder.layers.0.self_attn.to_out_lora.down.weight".to_owned(),
                "text_encoder",
            ),
            (format!("base_model.model.{layer}.lora_A.weight"), "text_encoder"),
            (
                "base_model.model.encoder.layers.0.self_attn.out_proj.lora_A.weight".to_owned(),
                "text_encoder",
            ),
        ] {
            assert_eq!(
                parse_name(&name).unwrap(),
                (component, layer.to_owned(), Part::A),
                "{name}"
            );
        }
    }

    #[test]
    fn foreign_tensors_are_refused_with_their_name() {
        for (name, words) in [
            ("transformer.blocks.0.to_q.lora_A.weight", "Stable Diffusion 3"),
            ("unet.mid.to_q.hada_w1_a", "LoHa"),
            ("unet.mid.to_q.lokr_w1", "LoKr"),
            ("unet.mid.to_q.lora_B.bias", "bias"),
            ("unet.mid.to_q.base_layer.weight", "weight of the model itself"),
            ("unet.mid.to_q.weight", "not part of"),
            ("model.diffusion_model.input_blocks.0.0.weight", "whole model"),
            ("first_stage_model.decoder.conv_in.bias", "whole model"),
            ("emb_params", "textual inversion"),
        ] {
            let message = parse_name(name).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains(words), "{message}");
        }
    }
}
