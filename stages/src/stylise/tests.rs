use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use burn::tensor::{Device, FloatDType, Tensor};
use mitune_diffusion::image::RgbImage;
use mitune_diffusion::model::ModelDirectory;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::StyliseConfig;
use super::style::Style;
use crate::contract::{Progress, StageError, StageOutput, Work};
use crate::tables::pairs::read_pairs;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_model;
use crate::testing::trial_tables::{Candidate, candidates, images};

fn picture(number: u32, side: u32) -> RgbImage {
    let pixels = (0..side * side * 3).map(|place| (place / 7 * (number + 3) * 97 % 251) as u8);
    RgbImage::new(side, side, pixels.collect()).unwrap()
}

/// Two prompts with three images of 32 x 32 pixels each.
fn pool() -> Vec<Candidate> {
    let candidate = |number: u32| Candidate {
        prompt: ["a red circle", "a cross"][number as usize / 3].to_owned(),
        seed_index: number % 3,
        mi: 0.0,
        latent: (0..256)
            .map(|place| ((place + 31 * number) as f32 * 0.37).sin())
            .collect(),
        png: Some(picture(number, 32).to_png().unwrap()),
    };
    (0..6).map(candidate).collect()
}

fn trial() -> Trial {
    let mut trial = Trial::new();
    let model = trial.folder.path().join("model");
    trial_model::write(&model);
    trial.defaults.model = Some(model);
    trial
}

fn settings(port: &str, style: Json) -> Json {
    let mut settings = json!({"style": style, "batch_size": 2, "shard_size": 3});
    settings[port] = json!("t");
    settings
}

/// Counts images that are styled; may stop the run at the first.
#[derive(Default)]
struct Count<'a> {
    computed: AtomicU64,
    stop: Option<&'a AtomicBool>,
}

impl Progress for Count<'_> {
    fn begin(&self, _: Work) {}

    fn advance(&self, units: u64) {
        if units > 0
            && self.computed.fetch_add(units, Ordering::Relaxed) == 0
            && let Some(stop) = self.stop
        {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
}

fn styled(trial: &Trial, port: &'static str, style: Json, table: &Artifact) -> (StageOutput, u64) {
    let count = Count::default();
    let output = trial
        .run_watched::<StyliseConfig>(settings(port, style), &[(port, &[table])], &count)
        .unwrap();
    (output, count.computed.into_inner())
}

fn table(trial: &Trial, output: &StageOutput, name: &str) -> RecordBatch {
    let artifacts = trial.store.artifacts();
    artifacts.read_table_whole(&output.outputs[name], None).unwrap()
}

fn latents(table: &RecordBatch, column: &str) -> Vec<f32> {
    let values = table[column].as_list::<i32>().values().clone();
    values.as_primitive::<Float32Type>().values().to_vec()
}

fn pictures(table: &RecordBatch) -> Vec<RgbImage> {
    let bytes = table["image"].as_struct().column_by_name("bytes").unwrap();
    let bytes = bytes.as_binary::<i32>();
    (0..bytes.len())
        .map(|row| RgbImage::from_png(bytes.value(row)).unwrap())
        .collect()
}

/// Latents of images by the model's autoencoder, each alone.
fn encoded(trial: &Trial, images: &[RgbImage]) -> Vec<f32> {
    let device = Device::flex();
    let path = trial.defaults.model.as_ref().unwrap();
    let model = ModelDirectory::open(path)
        .unwrap()
        .load(&device, FloatDType::F32)
        .unwrap();
    let encode = |image: &RgbImage| -> Vec<f32> {
        let image: Tensor<4> = Tensor::stack(vec![image.to_tensor(&device)], 0);
        model.encode(image).into_data().try_into_vec().unwrap()
    };
    images.iter().flat_map(encode).collect()
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let far = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let far = far.fold(0.0, f32::max);
    assert!(far < 1e-5, "{far}");
}

fn seed_indices(table: &RecordBatch, column: &str) -> Vec<u32> {
    table[column].as_primitive::<UInt32Type>().values().to_vec()
}

#[test]
fn styled_images_win_over_the_images_they_are_made_of() {
    let trial = trial();
    let (pool, generated) = (pool(), candidates(&trial.store, &pool()));
    for style in [
        json!({"edge_sketch": {}}),
        json!({"palette": {}}),
        json!({"blur_and_snow": {"flakes": 60.0}}),
    ] {
        let (output, computed) = styled(&trial, "candidates", style.clone(), &generated);
        assert_eq!(computed, 6, "{style}");
        let images = table(&trial, &output, "images");
        let found = pictures(&images);
        let style: Style = serde_json::from_value(style).unwrap();
        assert_eq!(output.metrics["style"], style.name());
        for (number, found) in (0..).zip(&found) {
            let original = picture(number, 32);
            assert_eq!(*found, style.apply(&original));
            assert_ne!(*found, original);
        }
        let pairs = table(&trial, &output, "pairs");
        let original: Vec<f32> = pool.iter().flat_map(|one| one.latent.clone()).collect();
        assert_eq!(latents(&pairs, "rejected_latent"), original);
        assert_close(&latents(&pairs, "preferred_latent"), &encoded(&trial, &found));
        assert_eq!(
            latents(&table(&trial, &output, "latents"), "latent"),
            latents(&pairs, "preferred_latent")
        );
        assert_eq!(seed_indices(&pairs, "rejected_seed_index"), [0, 1, 2, 0, 1, 2]);
        let preferred = [0_u32, 1, 2, 0, 1, 2].map(|index| index + (1 << 31));
        assert_eq!(seed_indices(&pairs, "preferred_seed_index"), preferred);
        assert_eq!(seed_indices(&images, "seed_index"), [0, 1, 2, 0, 1, 2]);
        let read = read_pairs(&trial.store, &output.outputs["pairs"]).unwrap();
        assert_eq!((read.len(), read[3].prompt.as_str()), (6, "a cross"));
        assert_eq!(read[3].prompt_id, pool[3].id());
        assert_eq!(read[3].preferred.latent.shape, [4, 8, 8]);
    }
}

#[test]
fn images_without_latents_are_encoded_too() {
    let trial = trial();
    let (output, computed) = styled(
        &trial,
        "images",
        json!({"palette": {}}),
        &images(&trial.store, &pool()),
    );
    assert_eq!(computed, 6);
    let originals: Vec<RgbImage> = (0..6).map(|number| picture(number, 32)).collect();
    let pairs = table(&trial, &output, "pairs");
    assert_close(&latents(&pairs, "rejected_latent"), &encoded(&trial, &originals));
}

#[test]
fn what_was_interrupted_ends_with_the_same_bytes_and_known_images_are_not_styled_again() {
    let sketch = json!({"edge_sketch": {}});
    let whole = trial();
    let generated = candidates(&whole.store, &pool());
    let (expected, _) = styled(&whole, "candidates", sketch.clone(), &generated);
    let mut trial = trial();
    trial.defaults.model.clone_from(&whole.defaults.model);
    let generated = candidates(&trial.store, &pool());
    let inputs: [(&'static str, &[&Artifact]); 1] = [("candidates", &[&generated])];
    let stopped = Count {
        stop: Some(&trial.cancelled),
        ..Count::default()
    };
    let error = trial.run_watched::<StyliseConfig>(settings("candidates", sketch.clone()), &inputs, &stopped);
    assert!(matches!(error, Err(StageError::Interrupted)));
    trial.cancelled.store(false, Ordering::Relaxed);
    let (resumed, computed) = styled(&trial, "candidates", sketch.clone(), &generated);
    assert_eq!(stopped.computed.into_inner() + computed, 6);
    for name in ["images", "pairs", "latents"] {
        assert_eq!(
            resumed.outputs[name].content, expected.outputs[name].content,
            "{name}"
        );
    }
    // Another prompt for the same image is another row of the same item.
    let mut renamed = pool();
    renamed[4].prompt = "a blue square".to_owned();
    let (output, computed) = styled(&trial, "candidates", sketch, &candidates(&trial.store, &renamed));
    assert_eq!(computed, 0);
    let prompts = table(&trial, &output, "latents")["prompt"].clone();
    assert_eq!(prompts.as_string::<i32>().value(4), "a blue square");
}

#[test]
fn what_cannot_be_styled_is_refused() {
    let trial = trial();
    let refused = |pool: &[Candidate]| {
        let table = images(&trial.store, pool);
        let settings = settings("images", json!({"palette": {}}));
        let error = trial
            .run::<StyliseConfig>(settings, &[("images", &[&table])])
            .unwrap_err();
        let mut told = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            told.push_str(&format!(": {inner}"));
            source = inner.source();
        }
        told
    };
    let mut odd = pool();
    odd[0].png = Some(picture(0, 30).to_png().unwrap());
    assert!(
        refused(&odd).contains("30 x 30 pixels cannot be encoded, expected sides that are multiples of 4")
    );
    let mut late = pool();
    late[0].seed_index = 1 << 31;
    assert!(refused(&late).contains("has a seed index from 2147483648 on"));
    assert!(refused(&[]).contains("no rows"));
    let wrong = |style: Json| {
        let error = trial.stage::<StyliseConfig>(settings("images", style)).err();
        error.unwrap().to_string()
    };
    assert!(
        wrong(json!({"edge_sketch": {"threshold": 90.0, "saturation": 90.0}}))
            .contains("more than `threshold`")
    );
    assert!(wrong(json!({"palette": {"colours": []}})).contains("at least one colour"));
    let both = with(
        &settings("images", json!({"palette": {}})),
        "candidates",
        &json!("c"),
    );
    let error = trial.stage::<StyliseConfig>(both).err().unwrap();
    assert!(error.to_string().contains("found 2 of them"));
}

#[test]
fn every_setting_of_a_style_is_keyed() {
    let trial = trial();
    let base = settings("images", json!({"edge_sketch": {}}));
    let changes = [
        json!({"edge_sketch": {"threshold": 1.0}}),
        json!({"edge_sketch": {"saturation": 100.0}}),
        json!({"palette": {}}),
        json!({"palette": {"levels": 3}}),
        json!({"palette": {"colours": [[1, 2, 3]]}}),
        json!({"blur_and_snow": {}}),
        json!({"blur_and_snow": {"radius": 2}}),
        json!({"blur_and_snow": {"passes": 1}}),
        json!({"blur_and_snow": {"haze": 0.5}}),
        json!({"blur_and_snow": {"flakes": 1.0}}),
        json!({"blur_and_snow": {"largest_flake": 1.0}}),
        json!({"blur_and_snow": {"seed": 1}}),
    ];
    let changes: Vec<(&str, Json)> = changes.into_iter().map(|style| ("style", style)).collect();
    trial.assert_keyed::<StyliseConfig>(&base, &changes);
}
