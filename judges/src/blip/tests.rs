//! Against transformers' `BlipForQuestionAnswering`; `tools/goldens/export_judges_blip.py` made the values.

use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use mitune_diffusion::nn::weights::{Dtype, SeededTensors, TensorSource as _, seeded_input_values};
use serde_json::{Map, Value, json};

use super::*;

pub(super) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/blip")
        .join(name)
}

#[derive(serde::Deserialize)]
struct Case {
    seed: u64,
    config: Map<String, Value>,
    /// Side of the images; position embeddings are stretched where it is not the configuration's.
    side: usize,
    images: usize,
    ids: Vec<Vec<u32>>,
    length: usize,
    logits: Vec<Vec<f32>>,
}

impl Case {
    fn all() -> Vec<Self> {
        serde_json::from_slice(&std::fs::read(golden("vqa.json")).unwrap()).unwrap()
    }

    fn config(&self) -> BlipVqaConfig {
        BlipVqaConfig::from_fields(self.config.clone()).unwrap()
    }

    fn load(&self, device: &Device, dtype: FloatDType) -> BlipForQuestionAnswering {
        let config = self.config();
        let of_file = BlipForQuestionAnswering::new(&config, device).unwrap();
        let source = SeededTensors::new(self.seed, Dtype::F32, &of_file, &BLIP_NAMES);
        let wanted = BlipVqaConfig {
            vision_config: config.vision_config.with_image_size(self.side),
            ..config
        };
        let patches = wanted.vision_config.patches_per_side();
        let name = "vision_model.embeddings.position_embedding";
        let stretched = StretchedPositions::new(&source, name, patches).unwrap();
        BlipForQuestionAnswering::load(&stretched, &wanted, device, dtype).unwrap()
    }

    fn logits(&self, dtype: FloatDType) -> Vec<f32> {
        let device = Device::flex();
        let network = self.load(&device, dtype);
        let shape = [self.images, self.side, self.side, 3];
        let pixels = seeded_input_values(self.seed, "pixels", shape.iter().product());
        let pixels = Tensor::<4>::from_data(TensorData::new(pixels, shape), (&device, DType::F32));
        let images = network.encode_images(pixels.cast(dtype));
        let texts = TextBatch::new(&self.ids, self.length, 0, &device);
        let answers: Vec<u32> = (0..self.logits[0].len() as u32).collect();
        let found = network.first_logits(&texts, images, &answers);
        found.into_data().try_to_vec().unwrap()
    }
}

/// Euclidean distance relative to the length of what was expected.
fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |value: f64| value * value;
    let pairs = found.iter().zip(expected);
    let distance: f64 = pairs.map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let length: f64 = expected.iter().map(|value| square(f64::from(*value))).sum();
    (distance / length).sqrt()
}

#[test]
fn first_logits_equal_those_of_transformers() {
    let cases = Case::all();
    assert!(cases.len() >= 4);
    assert!(
        cases
            .iter()
            .any(|case| case.side != case.config().vision_config.image_size)
    );
    for case in &cases {
        let error = relative_error(&case.logits(FloatDType::F32), &case.logits.concat());
        println!("blip {}: relative error {error:.1e}", case.seed);
        assert!(error < 1e-5, "{}: {error:.1e}", case.seed);
    }
}

#[test]
fn half_precision_stays_close() {
    let case = &Case::all()[0];
    for (dtype, tolerance) in [(FloatDType::F16, 0.01), (FloatDType::BF16, 0.08)] {
        let error = relative_error(&case.logits(dtype), &case.logits.concat());
        assert!(error < tolerance, "{dtype:?}: {error:.1e}");
    }
}

/// A file of the output layer's own weight is read where there is one; the bias may have either of its two names.
#[test]
fn the_output_layer_may_be_in_the_file() {
    let case = &Case::all()[0];
    let device = Device::flex();
    let model = BlipForQuestionAnswering::new(&case.config(), &device).unwrap();
    let mut tensors = SeededTensors::new(case.seed, Dtype::F32, &model, &BLIP_NAMES)
        .read_all()
        .unwrap();
    let load = |tensors: &mitune_diffusion::nn::weights::TensorMap| {
        BlipForQuestionAnswering::load(tensors, &case.config(), &device, FloatDType::F32)
    };
    let own = tensors["text_decoder.bert.embeddings.word_embeddings.weight"].clone();
    tensors.insert("text_decoder.cls.predictions.decoder.weight".to_owned(), own);
    let bias = tensors["text_decoder.cls.predictions.bias"].clone();
    tensors.insert("text_decoder.cls.predictions.decoder.bias".to_owned(), bias);
    assert!(load(&tensors).is_ok());
    tensors.remove("text_decoder.cls.predictions.bias");
    assert!(load(&tensors).is_ok());
    tensors.remove("text_encoder.encoder.layer.0.crossattention.self.key.bias");
    let message = load(&tensors).unwrap_err().to_string();
    assert!(
        message.contains("text_encoder.encoder.layer.0.crossattention.self.key.bias"),
        "{message}"
    );
}

#[test]
fn what_cannot_be_built_is_refused_by_name() {
    let fields = Case::all()[0].config.clone();
    for (part, field, value) in [
        ("vision_config", "hidden_act", json!("quick_gelu")),
        ("vision_config", "patch_size", json!(5)),
        ("vision_config", "num_attention_heads", json!(0)),
        ("vision_config", "image_size", json!(1_u64 << 40)),
        ("text_config", "num_hidden_layers", json!(60_000)),
        ("text_config", "num_attention_heads", json!(7)),
        ("text_config", "is_decoder", json!(false)),
        ("text_config", "layer_norm_eps", json!(-1.0)),
        ("text_config", "vocab_size", json!(1_u64 << 60)),
    ] {
        let mut changed = fields.clone();
        changed[part][field] = value;
        let message = BlipVqaConfig::from_fields(changed).unwrap_err().to_string();
        assert!(
            message.contains(field) && message.contains(part),
            "{field}: {message}"
        );
    }
    for (field, value) in [
        ("architectures", json!(["BlipForConditionalGeneration"])),
        ("model_type", json!("clip")),
        ("text_config", json!([])),
    ] {
        let mut changed = fields.clone();
        changed.insert(field.to_owned(), value);
        let message = BlipVqaConfig::from_fields(changed).unwrap_err().to_string();
        assert!(message.contains(field), "{field}: {message}");
    }
}
