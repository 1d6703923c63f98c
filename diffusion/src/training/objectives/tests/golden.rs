//! Against PyTorch's autograd in f64 (`tools/goldens/export_objectives.py`).

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use serde::Deserialize;

use crate::nn::weights::golden::path;
use crate::nn::weights::{Dtype, HostTensor, SafetensorsFile, TensorMap, TensorSource as _};
use crate::training::objectives::case::ObjectiveCase;

#[derive(Deserialize)]
struct Golden {
    inputs: BTreeMap<String, BTreeMap<String, Numbers>>,
    cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct GoldenCase {
    #[serde(flatten)]
    case: ObjectiveCase,
    inputs: String,
    loss: f64,
    gradients: BTreeMap<String, Vec<f64>>,
}

fn host(numbers: &Numbers) -> HostTensor {
    HostTensor {
        dtype: Dtype::F64,
        shape: numbers.shape.clone(),
        data: numbers
            .values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
    }
}

fn assert_loss(found: &TensorMap, expected: f64, tolerance: f64, what: &str) {
    let loss = found["loss"].to_f64().unwrap();
    assert!(found["loss"].shape.is_empty() && loss.len() == 1);
    let allowed = tolerance * expected.abs().max(1.0);
    assert!(
        (loss[0] - expected).abs() <= allowed,
        "{what}: {} {expected}",
        loss[0]
    );
}

/// Euclidean distance at most so many times the length of what is expected: nothing at all where that is zero.
fn assert_gradient(found: &TensorMap, name: &str, expected: &[f64], tolerance: f64, what: &str) {
    let found = found[&format!("grad_{name}")].to_f64().unwrap();
    assert_eq!(found.len(), expected.len(), "{what} {name}");
    let apart = length(
        found
            .iter()
            .zip(expected)
            .map(|(found, expected)| found - expected),
    );
    let size = length(expected.iter().copied());
    assert!(apart <= tolerance * size, "{what} {name}: {apart:e} of {size:e}");
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    are_those_of_pytorch("objectives.json", 26);
}

/// DDPO's, from `tools/goldens/export_policy_gradient.py`.
#[test]
fn losses_and_gradients_of_rollouts_are_those_of_pytorch() {
    are_those_of_pytorch("policy_gradient.json", 4);
}

fn are_those_of_pytorch(file: &str, cases: usize) {
    let text = std::fs::read(path(file)).unwrap();
    let golden: Golden = serde_json::from_slice(&text).unwrap();
    assert!(golden.cases.len() >= cases);
    for expected in &golden.cases {
        let case = &expected.case;
        let what = format!("{} {:?}", case.objective, case.settings);
        let inputs = golden.inputs[&expected.inputs].iter();
        let inputs: TensorMap = inputs
            .map(|(name, numbers)| (name.clone(), host(numbers)))
            .collect();
        let found = case.evaluate(&inputs, &Device::flex()).unwrap();
        assert_loss(&found, expected.loss, 1e-10, &what);
        assert_eq!(case.gradients_of.len(), expected.gradients.len());
        for (name, gradient) in &expected.gradients {
            assert_gradient(&found, name, gradient, 1e-9, &what);
        }
    }
}

/// Cases of other programs: folders with `case.json`, `inputs.safetensors`, `expect.json` and `expected.safetensors`.
#[test]
fn cases_of_a_folder_are_met() {
    let Some(folder) = std::env::var_os("MITUNE_OBJECTIVE_CASES") else {
        return;
    };
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("case.json").is_file() {
            meets(&folder);
            count += 1;
        }
    }
    assert!(count > 0);
}

fn meets(folder: &Path) {
    let json = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let tensors = |name: &str| {
        SafetensorsFile::open(&folder.join(name))
            .unwrap()
            .read_all()
            .unwrap()
    };
    let case: ObjectiveCase = serde_json::from_slice(&json("case.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&json("expect.json")).unwrap();
    let found = case
        .evaluate(&tensors("inputs.safetensors"), &Device::flex())
        .unwrap();
    let what = folder.display().to_string();
    assert_loss(&found, expected["loss"].as_f64().unwrap(), 1e-9, &what);
    let gradients = tensors("expected.safetensors");
    for name in &case.gradients_of {
        let gradient = gradients[&format!("grad_{name}")].to_f64().unwrap();
        assert_gradient(&found, name, &gradient, 1e-8, &what);
    }
}

#[test]
fn what_is_no_case_is_an_error_that_names_it() {
    let inputs = TensorMap::from([(
        "prediction".to_owned(),
        HostTensor::from_f32(&[0.5, 1.0], vec![2]),
    )]);
    let refused = |text: &str| {
        let case: ObjectiveCase = serde_json::from_str(text).unwrap();
        case.evaluate(&inputs, &Device::flex()).unwrap_err().to_string()
    };
    for (text, named) in [
        (r#"{"objective": "ppo"}"#, "`ppo`"),
        (r#"{"objective": "f-dpo-tv"}"#, "`f-dpo-tv`"),
        (
            r#"{"objective": "f-dpo-js", "settings": {"divergence": "rkl"}}"#,
            "`rkl`",
        ),
        (r#"{"objective": "sft", "settings": {"beta": 1}}"#, "`sft`"),
        (r#"{"objective": "sft"}"#, "`prediction`"),
        (r#"{"objective": "rpo"}"#, "`prediction_winner`"),
    ] {
        let error = refused(text);
        assert!(error.contains(named), "{error}");
    }
}
