//! A whole CLIP of a few thousand weights in the layout of transformers, for tests.

use std::path::Path;

use mitune_diffusion::nn::weights::{HostTensor, TensorMap, write_safetensors};
use mitune_diffusion::tokenizer::VocabularyBuilder;
use serde_json::json;

/// Tokens of a prompt.
const TOKENS: usize = 9;

/// Width of the hidden states, and of the feed-forward layers.
const WIDTH: usize = 8;
const INNER: usize = 16;

/// Width of embeddings.
const EMBEDDED: usize = 6;

/// Side of images and of their patches.
const SIDE: usize = 8;
const PATCH: usize = 4;

/// Writes a CLIP that sees 8 x 8 pixels; other seeds are other weights.
pub(crate) fn write(folder: &Path, seed: u32) {
    let words = [
        "a", "and", "red", "green", "blue", "circle", "square", "cross", "triangle",
    ];
    let vocabulary = VocabularyBuilder::new(words).unwrap();
    vocabulary.write(folder, TOKENS).unwrap();
    let vocabulary = vocabulary.vocabulary();
    let end = vocabulary["<|endoftext|>"];
    let half = |kind: &str| {
        json!({
            "model_type": kind, "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": 1,
            "num_attention_heads": 2, "projection_dim": EMBEDDED,
        })
    };
    let (mut text, mut vision) = (half("clip_text_model"), half("clip_vision_model"));
    text["vocab_size"] = json!(vocabulary.len());
    text["max_position_embeddings"] = json!(TOKENS);
    text["bos_token_id"] = json!(end - 1);
    text["eos_token_id"] = json!(end);
    text["pad_token_id"] = json!(end);
    vision["image_size"] = json!(SIDE);
    vision["patch_size"] = json!(PATCH);
    let config = json!({
        "model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": EMBEDDED,
        "text_config": text, "vision_config": vision,
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let preprocessing = json!({
        "size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE},
    });
    std::fs::write(folder.join("preprocessor_config.json"), preprocessing.to_string()).unwrap();
    let tensors = tensors(vocabulary.len(), seed);
    write_safetensors(&folder.join("model.safetensors"), &tensors, None).unwrap();
}

fn tensors(vocabulary: usize, seed: u32) -> TensorMap {
    let places = (SIDE / PATCH) * (SIDE / PATCH) + 1;
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        (
            "text_model.embeddings.token_embedding.weight".to_owned(),
            vec![vocabulary, WIDTH],
        ),
        (
            "text_model.embeddings.position_embedding.weight".to_owned(),
            vec![TOKENS, WIDTH],
        ),
        ("text_projection.weight".to_owned(), vec![EMBEDDED, WIDTH]),
        ("vision_model.embeddings.class_embedding".to_owned(), vec![WIDTH]),
        (
            "vision_model.embeddings.patch_embedding.weight".to_owned(),
            vec![WIDTH, 3, PATCH, PATCH],
        ),
        (
            "vision_model.embeddings.position_embedding.weight".to_owned(),
            vec![places, WIDTH],
        ),
        ("visual_projection.weight".to_owned(), vec![EMBEDDED, WIDTH]),
    ];
    let norms = [
        "text_model.encoder.layers.0.layer_norm1",
        "text_model.encoder.layers.0.layer_norm2",
        "text_model.final_layer_norm",
        "vision_model.pre_layrnorm",
        "vision_model.encoder.layers.0.layer_norm1",
        "vision_model.encoder.layers.0.layer_norm2",
        "vision_model.post_layernorm",
    ];
    for norm in norms {
        shapes.extend(["weight", "bias"].map(|part| (format!("{norm}.{part}"), vec![WIDTH])));
    }
    let linears = [
        ("self_attn.q_proj", WIDTH, WIDTH),
        ("self_attn.k_proj", WIDTH, WIDTH),
        ("self_attn.v_proj", WIDTH, WIDTH),
        ("self_attn.out_proj", WIDTH, WIDTH),
        ("mlp.fc1", INNER, WIDTH),
        ("mlp.fc2", WIDTH, INNER),
    ];
    for half in ["text_model", "vision_model"] {
        for (name, outputs, inputs) in linears {
            let path = format!("{half}.encoder.layers.0.{name}");
            shapes.push((format!("{path}.weight"), vec![outputs, inputs]));
            shapes.push((format!("{path}.bias"), vec![outputs]));
        }
    }
    let mut tensors: TensorMap = shapes
        .into_iter()
        .enumerate()
        .map(|(place, (name, shape))| {
            let count: usize = shape.iter().product();
            let phase = (seed as usize * 31 + place * 7) as f32;
            let values: Vec<f32> = (0..count)
                .map(|index| ((index as f32 + phase) * 0.73).sin() * 0.4)
                .collect();
            (name, HostTensor::from_f32(&values, shape))
        })
        .collect();
    let scale = HostTensor::from_f32(&[4.0], Vec::new());
    tensors.insert("logit_scale".to_owned(), scale);
    tensors
}
