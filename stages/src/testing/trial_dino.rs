//! A whole DINOv2 of a few thousand weights in the layout of transformers, for tests.

use std::path::Path;

use mitune_diffusion::nn::weights::{HostTensor, TensorMap, write_safetensors};
use serde_json::json;

/// Width of the hidden states, and inside the feed-forward layers.
const WIDTH: usize = 8;
const INNER: usize = 16;

/// Side of the images that the position embeddings are of, and of a patch.
const SIDE: usize = 28;
const PATCH: usize = 14;

/// Writes a DINOv2 of one layer; other seeds are other weights.
pub(crate) fn write(folder: &Path, seed: u32) {
    let config = json!({
        "model_type": "dinov2", "architectures": ["Dinov2Model"], "hidden_size": WIDTH, "num_hidden_layers": 1,
        "num_attention_heads": 2, "mlp_ratio": 2, "image_size": SIDE, "patch_size": PATCH,
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    write_safetensors(&folder.join("model.safetensors"), &tensors(seed), None).unwrap();
}

fn tensors(seed: u32) -> TensorMap {
    let places = (SIDE / PATCH) * (SIDE / PATCH) + 1;
    let layer = |name: &str| format!("encoder.layer.0.{name}");
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.cls_token".to_owned(), vec![1, 1, WIDTH]),
        (
            "embeddings.position_embeddings".to_owned(),
            vec![1, places, WIDTH],
        ),
        (
            "embeddings.patch_embeddings.projection.weight".to_owned(),
            vec![WIDTH, 3, PATCH, PATCH],
        ),
        (
            "embeddings.patch_embeddings.projection.bias".to_owned(),
            vec![WIDTH],
        ),
        (layer("layer_scale1.lambda1"), vec![WIDTH]),
        (layer("layer_scale2.lambda1"), vec![WIDTH]),
    ];
    for norm in [layer("norm1"), layer("norm2"), "layernorm".to_owned()] {
        shapes.extend(["weight", "bias"].map(|part| (format!("{norm}.{part}"), vec![WIDTH])));
    }
    let linears = [
        ("attention.attention.query", WIDTH, WIDTH),
        ("attention.attention.key", WIDTH, WIDTH),
        ("attention.attention.value", WIDTH, WIDTH),
        ("attention.output.dense", WIDTH, WIDTH),
        ("mlp.fc1", INNER, WIDTH),
        ("mlp.fc2", WIDTH, INNER),
    ];
    for (name, outputs, inputs) in linears {
        let path = layer(name);
        shapes.push((format!("{path}.weight"), vec![outputs, inputs]));
        shapes.push((format!("{path}.bias"), vec![outputs]));
    }
    let tensor = |(place, (name, shape)): (usize, (String, Vec<usize>))| {
        let count: usize = shape.iter().product();
        let phase = (seed as usize * 31 + place * 7) as f32;
        let values: Vec<f32> = (0..count)
            .map(|index| ((index as f32 + phase) * 0.73).sin() * 0.4)
            .collect();
        (name, HostTensor::from_f32(&values, shape))
    };
    shapes.into_iter().enumerate().map(tensor).collect()
}
