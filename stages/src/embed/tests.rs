use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use mitune_diffusion::image::RgbImage;
use mitune_store::{Artifact, DirectoryEntry, Store};
use serde_json::{Value as Json, json};

use super::EmbedConfig;
use crate::contract::{Progress, StageError, StageOutput, Work};
use crate::judge::JudgeConfig;
use crate::tables::features::{Features, read_features};
use crate::tables::schema;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_tables::{Candidate, candidates, images, lists, texts};
use crate::testing::{trial_clip, trial_model};

/// Three prompts with four images each; the latents of 32 x 32 pixels.
fn pool() -> Vec<Candidate> {
    let candidate = |number: u32| {
        let pixels = (0..9 * 8 * 3).map(|place| (place * (number + 3) * 97 % 251) as u8);
        let image = RgbImage::new(9, 8, pixels.collect()).unwrap();
        Candidate {
            prompt: ["a red circle", "a cross", "a blue square"][number as usize / 4].to_owned(),
            seed_index: number % 4,
            mi: 0.0,
            latent: latent(number),
            png: Some(image.to_png().unwrap()),
        }
    };
    (0..12).map(candidate).collect()
}

fn latent(number: u32) -> Vec<f32> {
    (0..256)
        .map(|place| ((place + 31 * number) as f32 * 0.37).sin())
        .collect()
}

/// A CLIP, and a model that decodes latents.
fn trial() -> Trial {
    let mut trial = Trial::new();
    trial_clip::write(&trial.folder.path().join("clip"), 1);
    let model = trial.folder.path().join("model");
    trial_model::write(&model);
    trial.defaults.model = Some(model);
    trial
}

/// Settings for a table on a port.
fn settings(port: &str) -> Json {
    let mut settings = json!({"judge_model": "clip", "batch_size": 4, "shard_size": 5});
    settings[port] = json!("t");
    settings
}

/// Counts images whose features are computed; may stop the run at the first.
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

fn embedded(trial: &Trial, port: &'static str, table: &Artifact) -> (StageOutput, u64) {
    let count = Count::default();
    let output = trial
        .run_watched::<EmbedConfig>(settings(port), &[(port, &[table])], &count)
        .unwrap();
    (output, count.computed.into_inner())
}

fn features(trial: &Trial, output: &StageOutput) -> Features {
    read_features(&trial.store, &output.outputs["features"]).unwrap()
}

fn product(one: &[f32], other: &[f32]) -> f64 {
    one.iter()
        .zip(other)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

#[test]
fn products_of_features_are_what_clip_score_says() {
    let trial = trial();
    let table = candidates(&trial.store, &pool());
    let (output, computed) = embedded(&trial, "candidates", &table);
    assert_eq!((computed, &output.metrics["images"]), (12, &json!(12)));
    let features = features(&trial, &output);
    let judge = json!({"candidates": "c", "judge": {"clip_score": {"model": "clip"}}});
    let judged = trial
        .run::<JudgeConfig>(judge, &[("candidates", &[&table])])
        .unwrap();
    let artifacts = trial.store.artifacts();
    let scores = artifacts
        .read_table_whole(&judged.outputs["scores"], None)
        .unwrap();
    let cosines = scores["clip_score"].as_primitive::<Float64Type>();
    let mut seen = Vec::new();
    for (candidate, cosine) in pool().iter().zip(cosines.values()) {
        let (image, text) = features.of(&candidate.id(), candidate.seed_index).unwrap();
        for direction in [image, text] {
            assert!((product(direction, direction) - 1.0).abs() < 1e-6);
        }
        assert!((product(image, text) - cosine).abs() < 1e-6, "{cosine}");
        seen.push(*cosine);
    }
    assert!(
        seen.iter().any(|cosine| (cosine - seen[0]).abs() > 1e-5),
        "{seen:?}"
    );
    // Images that are no candidates are the same items.
    let (of_images, computed) = embedded(&trial, "images", &images(&trial.store, &pool()));
    assert_eq!(computed, 0);
    assert_eq!(
        of_images.outputs["features"].content,
        output.outputs["features"].content
    );
}

/// Stores pairs of candidates of one prompt by their numbers.
fn pairs(store: &Store, rows: &[(u32, u32)]) -> Artifact {
    let pool = pool();
    let of = |number: u32| &pool[number as usize];
    let numbers = |number: fn(&(u32, u32)) -> u32| -> ArrayRef {
        let seed_indices = rows.iter().map(|row| of(number(row)).seed_index);
        Arc::new(UInt32Array::from_iter_values(seed_indices))
    };
    let columns: Vec<ArrayRef> = vec![
        texts(rows.iter().map(|row| of(row.0).id())),
        texts(rows.iter().map(|row| of(row.0).prompt.clone())),
        numbers(|row| row.0),
        numbers(|row| row.1),
        lists::<Float32Type>(rows.iter().map(|row| latent(row.0))),
        lists::<Float32Type>(rows.iter().map(|row| latent(row.1))),
        lists::<Int32Type>(rows.iter().map(|_| vec![4, 8, 8])),
    ];
    let batch = RecordBatch::try_new(schema::pairs(), columns).unwrap();
    store.artifacts().put_table(&schema::pairs(), [batch]).unwrap()
}

#[test]
fn both_members_of_pairs_have_features_once() {
    let trial = trial();
    let table = pairs(&trial.store, &[(0, 1), (2, 1), (5, 4)]);
    let (output, computed) = embedded(&trial, "pairs", &table);
    assert_eq!((computed, output.outputs["features"].rows), (5, Some(5)));
    let of_pairs = features(&trial, &output);
    // Candidates without images have the same features, five of which are known.
    let mut without = pool();
    without.iter_mut().for_each(|candidate| candidate.png = None);
    let (output, computed) = embedded(&trial, "candidates", &candidates(&trial.store, &without));
    assert_eq!(computed, 7);
    let of_candidates = features(&trial, &output);
    for number in [0_usize, 1, 2, 4, 5] {
        let name = (without[number].id(), without[number].seed_index);
        let found = of_pairs.of(&name.0, name.1);
        assert!(found.is_some());
        assert_eq!(found, of_candidates.of(&name.0, name.1));
    }
    assert!(of_pairs.of(&without[3].id(), 3).is_none());
}

#[test]
fn what_was_interrupted_ends_with_the_same_bytes() {
    let whole = trial();
    let (expected, _) = embedded(&whole, "candidates", &candidates(&whole.store, &pool()));
    let trial = trial();
    let table = candidates(&trial.store, &pool());
    let inputs: [(&'static str, &[&Artifact]); 1] = [("candidates", &[&table])];
    let stopped = Count {
        stop: Some(&trial.cancelled),
        ..Count::default()
    };
    let error = trial.run_watched::<EmbedConfig>(settings("candidates"), &inputs, &stopped);
    assert!(matches!(error, Err(StageError::Interrupted)));
    trial.cancelled.store(false, Ordering::Relaxed);
    let (resumed, computed) = embedded(&trial, "candidates", &table);
    assert_eq!(stopped.computed.into_inner() + computed, 12);
    assert_eq!(
        resumed.outputs["features"].content,
        expected.outputs["features"].content
    );
    let rows = trial
        .store
        .artifacts()
        .read_table_whole(&resumed.outputs["features"], Some(&["seed_index"]))
        .unwrap();
    let seed_indices = rows["seed_index"].as_primitive::<UInt32Type>();
    assert_eq!(seed_indices.values()[..5], [0, 1, 2, 3, 0]);
}

#[test]
fn a_clip_of_a_stage_embeds_as_its_folder_does() {
    let trial = trial();
    let folder = trial.folder.path().join("clip");
    let entry = |file: std::fs::DirEntry| {
        let name = file.file_name().into_string().unwrap();
        (name, DirectoryEntry::Bytes(std::fs::read(file.path()).unwrap()))
    };
    let files = std::fs::read_dir(folder).unwrap();
    let mut entries: Vec<(String, DirectoryEntry)> = files.map(|file| entry(file.unwrap())).collect();
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    let clip = trial.store.artifacts().put_directory(&entries).unwrap();
    let table = candidates(&trial.store, &pool());
    let (expected, _) = embedded(&trial, "candidates", &table);
    let mut settings = settings("candidates");
    settings["judge_model"] = Json::Null;
    settings["judge_model_from"] = json!("judge");
    let inputs: [(&'static str, &[&Artifact]); 2] =
        [("candidates", &[&table]), ("judge_model_from", &[&clip])];
    let output = trial.run::<EmbedConfig>(settings, &inputs).unwrap();
    assert_eq!(
        output.outputs["features"].content,
        expected.outputs["features"].content
    );
}

#[test]
fn settings_that_do_not_say_what_is_embedded_are_refused() {
    let trial = trial();
    let base = settings("candidates");
    for (name, value, words) in [
        ("selection", json!("s"), "found 2 of them"),
        ("candidates", Json::Null, "found 0 of them"),
        ("judge_model", Json::Null, "found neither of them"),
        ("judge_model_from", json!("j"), "found both of them"),
    ] {
        let error = trial
            .stage::<EmbedConfig>(with(&base, name, &value))
            .err()
            .unwrap();
        assert!(error.to_string().contains(words), "{error}");
    }
}
