//! Images that are no candidates, and files of pairs.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use mitune_diffusion::image::RgbImage;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::JudgeConfig;
use super::given_pairs::JudgedPairs;
use super::listed_pairs::ListedPairs;
use crate::contract::{Progress, Silent, StageError, StageOutput, Work};
use crate::testing::trial::Trial;
use crate::testing::trial_clip;
use crate::testing::trial_tables::{Candidate, candidates, images};

fn png(number: u32) -> Vec<u8> {
    let pixels = (0..8 * 9 * 3).map(|place| (place * (number + 3) * 97 % 251) as u8);
    let image = RgbImage::new(8, 9, pixels.collect()).unwrap();
    image.to_png().unwrap()
}

/// Three prompts with two images each.
fn pool() -> Vec<Candidate> {
    let candidate = |number: u32| Candidate {
        prompt: ["a red circle", "a cross", "a blue square"][number as usize / 2].to_owned(),
        seed_index: number % 2,
        mi: 0.0,
        latent: vec![0.0; 16],
        png: Some(png(number)),
    };
    (0..6).map(candidate).collect()
}

fn trial() -> Trial {
    let trial = Trial::new();
    trial_clip::write(&trial.folder.path().join("clip"), 1);
    trial
}

/// Settings for what stands under a name.
fn settings(what: &str, value: &str) -> Json {
    let mut settings = json!({"judge": {"clip_score": {"model": "clip"}}, "batch_size": 4, "shard_size": 4});
    settings[what] = json!(value);
    settings
}

#[derive(Default)]
struct Count(AtomicU64);

impl Progress for Count {
    fn begin(&self, _: Work) {}

    fn advance(&self, units: u64) {
        self.0.fetch_add(units, Ordering::Relaxed);
    }

    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
}

fn run(
    trial: &Trial,
    settings: Json,
    inputs: &[(&'static str, &[&Artifact])],
) -> Result<(StageOutput, u64), StageError> {
    let count = Count::default();
    let output = trial.run_watched::<JudgeConfig>(settings, inputs, &count)?;
    Ok((output, count.0.into_inner()))
}

fn table(trial: &Trial, output: &StageOutput) -> RecordBatch {
    let artifacts = trial.store.artifacts();
    artifacts
        .read_table_whole(&output.outputs["scores"], None)
        .unwrap()
}

fn scores(table: &RecordBatch) -> Vec<f64> {
    table["clip_score"]
        .as_primitive::<Float64Type>()
        .values()
        .to_vec()
}

#[test]
fn images_are_judged_as_candidates_with_the_same_files_are() {
    let trial = trial();
    let (generated, given) = (candidates(&trial.store, &pool()), images(&trial.store, &pool()));
    let (of_candidates, computed) = run(
        &trial,
        settings("candidates", "c"),
        &[("candidates", &[&generated])],
    )
    .unwrap();
    assert_eq!(computed, 6);
    let (of_images, computed) = run(&trial, settings("images", "i"), &[("images", &[&given])]).unwrap();
    assert_eq!(computed, 0, "they are the same items");
    assert_eq!(
        of_images.outputs["scores"].content,
        of_candidates.outputs["scores"].content
    );
    let fresh = self::trial();
    let given = images(&fresh.store, &pool());
    let (alone, computed) = run(&fresh, settings("images", "i"), &[("images", &[&given])]).unwrap();
    assert_eq!(computed, 6);
    assert_eq!(table(&fresh, &alone), table(&trial, &of_candidates));
}

/// Writes a file of pairs of all images, in which a prompt has white space around it.
fn write_pairs(trial: &Trial) {
    let mut rows = "image,prompt\n".to_owned();
    for (number, candidate) in pool().iter().enumerate() {
        trial.write(format!("pictures/{number}.png"), &png(number as u32));
        rows.push_str(&format!("pictures/{number}.png,{} \n", candidate.prompt));
    }
    trial.write("pairs.csv", rows.as_bytes());
}

#[test]
fn a_file_of_pairs_is_judged_as_by_the_command() {
    let trial = trial();
    write_pairs(&trial);
    let (judged, computed) = run(&trial, settings("pairs", "pairs.csv"), &[]).unwrap();
    assert_eq!(computed, 6);
    let rows = table(&trial, &judged);
    let seed_indices = rows["seed_index"].as_primitive::<UInt32Type>();
    assert_eq!(seed_indices.values().to_vec(), [0, 1, 0, 1, 0, 1]);
    let folder = trial.folder.path();
    let command = JudgedPairs {
        judge: serde_json::from_value(json!({"clip_score": {"model": folder.join("clip")}})).unwrap(),
        device: "cpu".parse().unwrap(),
        batch_size: NonZeroU32::new(4).unwrap(),
        pairs: folder.join("pairs.csv"),
        out: folder.join("scores.parquet"),
    };
    let told = command.judge(&Silent, &AtomicBool::new(false)).unwrap();
    let told: Vec<f64> = told.pairs.iter().map(|pair| pair.score).collect();
    assert_eq!(scores(&rows), told);
    // Names of files mean nothing, and one more pair is one more item.
    let moved: Vec<u8> = fs::read_to_string(folder.join("pairs.csv"))
        .unwrap()
        .replace("pictures/", "moved/")
        .into_bytes();
    fs::rename(folder.join("pictures"), folder.join("moved")).unwrap();
    trial.write("pairs.csv", &moved);
    let (_, computed) = run(&trial, settings("pairs", "pairs.csv"), &[]).unwrap();
    assert_eq!(computed, 0);
    trial.write("moved/new.png", &png(9));
    trial.write("pairs.csv", &[&moved[..], b"moved/new.png,a cross\n"].concat());
    let (_, computed) = run(&trial, settings("pairs", "pairs.csv"), &[]).unwrap();
    assert_eq!(computed, 1);
}

#[test]
fn pairs_that_change_are_not_judged_under_their_former_key() {
    let trial = trial();
    write_pairs(&trial);
    let change = || trial.write("pictures/3.png", &png(17));
    let error = trial
        .run_changed::<JudgeConfig>(settings("pairs", "pairs.csv"), &[], &Silent, change)
        .unwrap_err();
    assert!(
        matches!(&error, StageError::Changed { input } if input == "pairs"),
        "{error:?}"
    );
}

fn listed(path: &Path) -> Result<ListedPairs, String> {
    ListedPairs::open(path, true).map_err(|error| error.to_string())
}

#[test]
fn noun_phrases_are_those_of_the_file() {
    let trial = trial();
    let path = trial.folder.path().join("pairs.csv");
    trial.write("a.png", &png(1));
    let write = |chunks: &str| {
        trial.write(
            "pairs.csv",
            format!("image,prompt,chunks\na.png,a car,{chunks}\n").as_bytes(),
        )
    };
    write(r#""[""a red car"", ""the sky""]""#);
    let with = listed(&path).unwrap();
    assert_eq!(
        with.pairs()[0].phrases.as_deref().unwrap(),
        ["a red car", "the sky"]
    );
    write("");
    let without = listed(&path).unwrap();
    assert_eq!(without.pairs()[0].phrases, None);
    write("[]");
    let none = listed(&path).unwrap();
    assert_eq!(none.pairs()[0].phrases.as_deref().unwrap().len(), 0);
    assert_ne!(with.digest(), without.digest());
    assert_ne!(none.digest(), without.digest());
    write("car");
    assert!(listed(&path).err().unwrap().contains("no JSON list"));
}

#[test]
fn what_is_judged_is_said_once() {
    let trial = trial();
    let mut both = settings("candidates", "c");
    both["images"] = json!("i");
    for (settings, found) in [
        (both, "found 2 of them"),
        (json!({"judge": "shapes"}), "found 0 of them"),
    ] {
        let error = trial.stage::<JudgeConfig>(settings).err().unwrap().to_string();
        assert!(error.contains(found), "{error}");
    }
}
