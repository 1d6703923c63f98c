use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};

use super::*;
use crate::nn::weights::{SafetensorsFile, TensorMap, golden, load_module, module_tensors};

const CASES: [&str; 4] = ["quick_gelu", "gelu", "legacy_end", "projection"];

fn config(case: &str) -> ClipTextConfig {
    let text = std::fs::read(golden::path(&format!("clip/{case}/config.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn load(case: &str, device: &Device) -> ClipTextModel {
    let file = golden::path(&format!("clip/{case}/model.safetensors"));
    let model = ClipTextModel::new(&config(case), device).unwrap();
    load_module(
        model,
        &SafetensorsFile::open(&file).unwrap(),
        &TEXT_MODEL_NAMES,
        FloatDType::F32,
    )
    .unwrap()
}

fn ids(expected: &TensorMap, device: &Device) -> Tensor<2, Int> {
    let golden = &expected["ids"];
    let (numbers, _) = golden.data.as_chunks::<8>();
    let numbers: Vec<i32> = numbers
        .iter()
        .map(|bytes| i64::from_le_bytes(*bytes) as i32)
        .collect();
    Tensor::from_data(TensorData::new(numbers, golden.shape.clone()), device)
}

#[test]
fn equals_transformers() {
    let device = Device::flex();
    for case in CASES {
        let model = load(case, &device);
        let expected = golden::tensors(&format!("clip/{case}/golden.safetensors"));
        let ids = ids(&expected, &device);
        let output = model.forward(ids.clone());
        let pooled = model.pooled(ids, output.last_hidden_state.clone());
        let errors = [
            golden::relative_error(output.last_hidden_state, &expected, "last_hidden_state"),
            golden::relative_error(output.penultimate, &expected, "penultimate"),
            golden::relative_error(pooled, &expected, "pooled"),
        ];
        println!("clip {case}: relative errors {errors:?}");
        assert!(errors.iter().all(|error| *error < 1e-5), "{case}: {errors:?}");
    }
}

#[test]
fn later_tokens_do_not_change_earlier_states() {
    let device = Device::flex();
    let model = load("gelu", &device);
    let states = |ids: [i32; 6]| {
        let ids = Tensor::<1, Int>::from_data(ids, &device).reshape([1, 6]);
        model.forward(ids).last_hidden_state.narrow(1, 0, 4).into_data()
    };
    assert_eq!(states([1, 5, 9, 3, 7, 2]), states([1, 5, 9, 3, 30, 31]));
    assert_ne!(states([1, 5, 9, 3, 7, 2]), states([1, 6, 9, 3, 7, 2]));
}

#[test]
fn saved_names_are_the_published_ones() {
    let device = Device::flex();
    let model = load("gelu", &device);
    let mut published = golden::tensors("clip/gelu/model.safetensors");
    assert!(published.remove("text_model.embeddings.position_ids").is_some());
    assert_eq!(module_tensors(&model, &TEXT_MODEL_NAMES), published);
    let projected = module_tensors(&load("projection", &device), &TEXT_MODEL_NAMES);
    assert_eq!(projected["text_projection.weight"].shape, [10, 24]);
}

#[test]
fn what_cannot_be_built_is_refused() {
    let heads = ClipTextConfig {
        hidden_size: 20,
        num_attention_heads: 3,
        ..Default::default()
    };
    assert_eq!(
        heads.validate(),
        Err(ClipTextConfigError::Heads { width: 20, heads: 3 })
    );
    let empty = ClipTextConfig {
        vocab_size: 0,
        ..Default::default()
    };
    assert_eq!(
        empty.validate(),
        Err(ClipTextConfigError::Zero { field: "vocab_size" })
    );
    let epsilon = ClipTextConfig {
        layer_norm_eps: f64::NAN,
        ..Default::default()
    };
    assert!(matches!(
        epsilon.validate(),
        Err(ClipTextConfigError::Range { .. })
    ));
    assert!(serde_json::from_str::<ClipTextConfig>(r#"{"hidden_act": "relu"}"#).is_err());
}
