//! The folder that the judge ships in: transformers' `CLIPModel` with its tokenizer.

use std::path::Path;

use mitune_diffusion::nn::weights::{Dtype as FileDtype, TensorMap, write_safetensors};
use mitune_judges::clip::ClipConfig;
use serde_json::{Value, json};

use crate::contract::StageError;
use crate::shapes::render::SIDE;

/// Writes configuration, preprocessing and weights beside the tokenizer; weights are shipped in half precision.
pub(super) fn write_judge(folder: &Path, config: &ClipConfig, tensors: &TensorMap) -> Result<(), StageError> {
    write_json(&folder.join("config.json"), &config.to_transformers())?;
    write_json(&folder.join("preprocessor_config.json"), &preprocessing())?;
    let path = folder.join("model.safetensors");
    write_safetensors(&path, tensors, Some(FileDtype::F16)).map_err(StageError::failed)
}

/// What transformers' `CLIPImageProcessor` is told besides its defaults, which are CLIP's own colours.
fn preprocessing() -> Value {
    json!({
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": true,
        "do_resize": true,
        "size": {"shortest_edge": SIDE},
        "resample": 3,
        "do_center_crop": true,
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_rescale": true,
        "do_normalize": true,
    })
}

fn write_json(path: &Path, value: &Value) -> Result<(), StageError> {
    std::fs::write(path, format!("{value:#}\n")).map_err(StageError::failed)
}
