//! Tiny random CLIPs against transformers, made by `tools/goldens/export_judges_clip.py`.

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use mitune_diffusion::nn::weights::{HostTensor, TensorMap, seeded_input_values};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::seeded::seeded_clip;
use super::{ClipConfig, ClipModel};

#[derive(Deserialize)]
struct Case {
    seed: u64,
    config: Map<String, Value>,
    logit_scale: f32,
    ids: Vec<Vec<u32>>,
    image_features: Vec<Vec<f64>>,
    text_features: Vec<Vec<f64>>,
    logits_per_image: Vec<Vec<f64>>,
}

impl Case {
    fn all() -> Vec<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/clip/random.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn config(&self) -> ClipConfig {
        ClipConfig::try_from(self.config.clone()).unwrap()
    }

    fn weights(&self) -> TensorMap {
        seeded_clip(&self.config(), self.seed, self.logit_scale)
    }

    fn model(&self, dtype: FloatDType) -> ClipModel {
        ClipModel::load(&self.weights(), &self.config(), &Device::flex(), dtype).unwrap()
    }

    fn images(&self, dtype: FloatDType) -> Tensor<4> {
        let (count, side) = (self.image_features.len(), self.config().vision.image_size);
        let shape = [count, side, side, 3];
        let values = seeded_input_values(self.seed, "images", shape.iter().product());
        Tensor::<4>::from_data(TensorData::new(values, shape), &Device::flex()).cast(dtype)
    }
}

fn values(rows: Tensor<2>) -> Vec<f64> {
    let values: Vec<f32> = rows.into_data().try_to_vec().unwrap();
    values.into_iter().map(f64::from).collect()
}

/// Largest difference in units of the largest value.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let most = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max) / most
}

fn logits(images: &[f64], texts: &[f64], width: usize, scale: f64) -> Vec<f64> {
    let unit = |row: &[f64]| {
        let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        row.iter().map(|value| value / length).collect::<Vec<f64>>()
    };
    let texts: Vec<Vec<f64>> = texts.chunks(width).map(unit).collect();
    let images = images.chunks(width).map(unit);
    images
        .flat_map(|image| {
            let dot = |text: &Vec<f64>| text.iter().zip(&image).map(|(a, b)| a * b).sum::<f64>() * scale;
            texts.iter().map(dot).collect::<Vec<f64>>()
        })
        .collect()
}

#[test]
fn random_configurations_equal_transformers() {
    for case in Case::all() {
        let model = case.model(FloatDType::F32);
        let images = values(model.vision.forward(case.images(FloatDType::F32)));
        let texts = case.ids.iter().flat_map(|ids| values(model.text.forward(ids)));
        let texts: Vec<f64> = texts.collect();
        let width = case.config().projection_dim;
        let scale = f64::from(model.logit_scale).exp();
        let logits = logits(&images, &texts, width, scale);
        let errors = [
            difference(&images, &case.image_features.concat()),
            difference(&texts, &case.text_features.concat()),
            difference(&logits, &case.logits_per_image.concat()),
        ];
        println!("seed {}: relative errors {errors:?}", case.seed);
        assert!(
            errors.iter().all(|error| *error < 1e-5),
            "{}: {errors:?}",
            case.seed
        );
    }
}

#[test]
fn half_precision_stays_close() {
    for case in Case::all() {
        let model = case.model(FloatDType::F16);
        let images = values(model.vision.forward(case.images(FloatDType::F16)));
        let error = difference(&images, &case.image_features.concat());
        assert!(error < 2e-2, "{}: {error:e}", case.seed);
    }
}

#[test]
fn what_stands_behind_the_end_of_a_text_changes_nothing() {
    let case = &Case::all()[0];
    let model = case.model(FloatDType::F32);
    let ids = &case.ids[1];
    let end = ids.iter().position(|id| *id == ids[ids.len() - 1]).unwrap();
    let whole = values(model.text.forward(ids));
    assert!(difference(&values(model.text.forward(&ids[..=end])), &whole) < 1e-6);
    let mut other = ids.clone();
    other[end + 1..].fill(3);
    assert!(difference(&values(model.text.forward(&other)), &whole) < 1e-6);
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let case = &Case::all()[0];
    type Change = Box<dyn Fn(&mut TensorMap)>;
    let load = |change: Change| {
        let mut weights = case.weights();
        change(&mut weights);
        let error = ClipModel::load(&weights, &case.config(), &Device::flex(), FloatDType::F32);
        error.unwrap_err().to_string()
    };
    fn remove(name: &'static str) -> Change {
        Box::new(move |weights| drop(weights.remove(name)))
    }
    fn add(name: &'static str) -> Change {
        Box::new(move |weights| drop(weights.insert(name.to_owned(), HostTensor::from_f32(&[0.0], vec![1]))))
    }
    for (change, words) in [
        (remove("logit_scale"), "missing `logit_scale`"),
        (
            remove("visual_projection.weight"),
            "missing `visual_projection.weight`",
        ),
        (
            remove("text_projection.weight"),
            "missing `text_projection.weight`",
        ),
        (add("extra"), "unused `extra`"),
        (add("vision_model.extra"), "unused `vision_model.extra`"),
    ] {
        let error = load(change);
        assert!(error.contains(words), "{error}");
    }
    let mut weights = case.weights();
    let ids = HostTensor::from_f32(&[0.0; 17], vec![1, 17]);
    weights.insert("vision_model.embeddings.position_ids".to_owned(), ids);
    ClipModel::load(&weights, &case.config(), &Device::flex(), FloatDType::F32).unwrap();
}
