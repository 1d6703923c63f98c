//! Whole CLIPs whose weights follow from a seed, as `tools/goldens/export_judges_clip.py` makes them too.

use burn::tensor::Device;
use mitune_diffusion::clip::{ClipTextModel, TEXT_MODEL_NAMES};
use mitune_diffusion::nn::weights::{Dtype, HostTensor, SeededTensors, TensorMap, TensorSource as _};

use super::vision_model::NAMES;
use super::{ClipConfig, ClipVisionModel};

pub(crate) fn seeded_clip(config: &ClipConfig, seed: u64, logit_scale: f32) -> TensorMap {
    let device = Device::flex();
    let vision = ClipVisionModel::new(config, &device).unwrap();
    let text = ClipTextModel::new(&config.text, &device).unwrap();
    let mut tensors = SeededTensors::new(seed, Dtype::F32, &vision, &NAMES)
        .read_all()
        .unwrap();
    let text = SeededTensors::new(seed, Dtype::F32, &text, &TEXT_MODEL_NAMES);
    tensors.extend(text.read_all().unwrap());
    let scale = HostTensor::from_f32(&[logit_scale], Vec::new());
    tensors.insert("logit_scale".to_owned(), scale);
    tensors
}
