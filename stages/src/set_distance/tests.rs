use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mitune_diffusion::image::RgbImage;
use mitune_store::{Artifact, Store};
use serde_json::{Value as Json, json};

use super::{SetDistanceConfig, SetMetrics};
use crate::contract::{Dtype, Progress, Silent, StageError, StageOutput, Work};
use crate::generate::GenerateConfig;
use crate::ingest::prompts::PromptsConfig;
use crate::judge::image_sets::{ImageSets, SetJudge};
use crate::select::SelectConfig;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_tables::{Candidate, candidates};
use crate::testing::{trial_clip, trial_dino, trial_model};

fn png(number: u32, phase: u32) -> Vec<u8> {
    let (width, height) = (8 + 5 * (number % 3), 11);
    let pixels = (0..width * height * 3).map(|i| ((i * (number + 3) + phase) * 97 % 251) as u8);
    RgbImage::new(width, height, pixels.collect())
        .unwrap()
        .to_png()
        .unwrap()
}

fn write_images(folder: &Path, count: u32, phase: u32) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        fs::write(folder.join(format!("{number}.png")), png(number, phase)).unwrap();
    }
}

/// Candidates of prompts of two images each.
fn pool(count: u32) -> Vec<Candidate> {
    let candidate = |number: u32| Candidate {
        prompt: format!("prompt {}", number / 2),
        seed_index: number % 2,
        mi: 0.0,
        latent: vec![0.0; 16],
        png: Some(png(number, 0)),
    };
    (0..count).map(candidate).collect()
}

/// A CLIP, a DINOv2 and a folder of four images.
fn trial() -> Trial {
    let trial = Trial::new();
    for name in ["clip", "dino"] {
        fs::create_dir(trial.folder.path().join(name)).unwrap();
    }
    trial_clip::write(&trial.folder.path().join("clip"), 1);
    trial_dino::write(&trial.folder.path().join("dino"), 1);
    write_images(&trial.folder.path().join("reference"), 4, 60);
    trial
}

fn settings() -> Json {
    json!({
        "images": ["c"], "metric": "cmmd", "model": "clip", "reference_folder": "reference",
        "batch_size": 3, "shard_size": 4,
    })
}

fn diversity() -> Json {
    json!({
        "images": ["c"], "metric": "diversity_clip", "model": "clip", "batch_size": 3, "shard_size": 4,
        "resamples": 50,
    })
}

/// Counts images whose features are computed; may stop the run at the first, or wait for another one there.
#[derive(Default)]
struct Count<'a> {
    computed: AtomicU64,
    stop: Option<&'a AtomicBool>,
    meet: Option<&'a Barrier>,
}

impl Progress for Count<'_> {
    fn begin(&self, _: Work) {}

    fn advance(&self, units: u64) {
        if units == 0 || self.computed.fetch_add(units, Ordering::Relaxed) > 0 {
            return;
        }
        if let Some(stop) = self.stop {
            stop.store(true, Ordering::Relaxed);
        }
        if let Some(meet) = self.meet {
            meet.wait();
        }
    }

    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
}

fn report(trial: &Trial, output: &StageOutput) -> SetMetrics {
    trial
        .store
        .artifacts()
        .read_json(&output.outputs["summary"])
        .unwrap()
}

/// What is measured of sets, and how many features that takes.
fn measured(trial: &Trial, settings: Json, sets: &[&Artifact]) -> (SetMetrics, u64) {
    let count = Count::default();
    let output = trial
        .run_watched::<SetDistanceConfig>(settings, &[("images", sets)], &count)
        .unwrap();
    assert!(output.metrics["headline"].is_string());
    (report(trial, &output), count.computed.into_inner())
}

#[test]
fn a_distance_is_that_of_folders_with_the_same_images() {
    let trial = trial();
    let table = candidates(&trial.store, &pool(6));
    let (found, computed) = measured(&trial, settings(), &[&table]);
    assert_eq!(
        (computed, found.reference_images, found.arms[0].images),
        (10, Some(4), 6)
    );
    let folder = trial.folder.path();
    write_images(&folder.join("images"), 6, 0);
    let folders = ImageSets {
        judge: SetJudge::Cmmd,
        model: folder.join("clip"),
        device: "cpu".parse().unwrap(),
        dtype: Dtype::F32,
        batch_size: NonZeroU32::new(3).unwrap(),
        images: folder.join("images"),
        reference: folder.join("reference"),
        resampling: None,
    };
    let expected = folders
        .distance(&Silent, &AtomicBool::new(false))
        .unwrap()
        .distance;
    let distance = found.arms[0].distance.unwrap();
    assert!((distance / expected - 1.0).abs() < 1e-9, "{distance} {expected}");
    assert!(found.arms[0].estimate.is_none() && found.arms[0].diversity.is_none());
}

#[test]
fn every_image_goes_through_a_network_once_whatever_set_and_metric_it_is_of() {
    let trial = trial();
    let some = candidates(&trial.store, &pool(6));
    assert_eq!(measured(&trial, settings(), &[&some]).1, 10);
    let more = candidates(&trial.store, &pool(9));
    let (one, computed) = measured(&trial, settings(), &[&more]);
    assert_eq!(computed, 3);
    assert_eq!(measured(&trial, diversity(), &[&more]).1, 0);
    // Names of files mean nothing.
    let folder = trial.folder.path().join("reference");
    fs::rename(folder.join("0.png"), folder.join("z.png")).unwrap();
    let (renamed, computed) = measured(&trial, settings(), &[&more, &some]);
    assert_eq!((computed, renamed.arms.len()), (0, 2));
    assert_eq!(renamed.arms[0].distance, one.arms[0].distance);
    // An image that is added to the reference is known as one of a candidate.
    fs::write(folder.join("added.png"), png(1, 0)).unwrap();
    let (added, computed) = measured(&trial, settings(), &[&more]);
    assert_eq!((computed, added.reference_images), (0, Some(5)));
    // That image is of both sets.
    let other = with(&settings(), "batch_size", &json!(2));
    assert_eq!(measured(&trial, other, &[&some]).1, 10);
}

#[test]
fn a_stopped_stage_goes_on_where_it_stopped() {
    let trial = trial();
    let table = candidates(&trial.store, &pool(6));
    let count = Count {
        stop: Some(&trial.cancelled),
        ..Count::default()
    };
    let stopped = trial.run_watched::<SetDistanceConfig>(settings(), &[("images", &[&table])], &count);
    assert!(matches!(stopped, Err(StageError::Interrupted)));
    let before = count.computed.load(Ordering::Relaxed);
    assert!((1..10).contains(&before), "{before}");
    trial.cancelled.store(false, Ordering::Relaxed);
    assert_eq!(measured(&trial, settings(), &[&table]).1, 10 - before);
}

fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

#[test]
fn two_processes_share_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let table = candidates(&Store::open(&path).unwrap(), &pool(16));
    let barrier = Barrier::new(2);
    let run = || {
        let mut trial = trial();
        trial.store = Store::open(&path).unwrap();
        // Each has begun a portion before the other goes on, so that none does all the work.
        let count = Count {
            meet: Some(&barrier),
            ..Count::default()
        };
        let inputs: [(&'static str, &[&Artifact]); 1] = [("images", &[&table])];
        let output = trial
            .run_watched::<SetDistanceConfig>(diversity(), &inputs, &count)
            .unwrap();
        output.outputs["summary"].content
    };
    let [one, other] =
        std::thread::scope(|scope| [scope.spawn(run), scope.spawn(run)].map(|one| one.join().unwrap()));
    assert_eq!(one, other);
    // Four portions of four images, none of them twice.
    assert_eq!(files(&path.join("shards")), 4);
}

#[test]
fn arms_are_compared_with_other_candidates_and_have_intervals() {
    let trial = trial();
    let (same, fewer) = (
        candidates(&trial.store, &pool(6)),
        candidates(&trial.store, &pool(4)),
    );
    let settings = json!({
        "images": ["c"], "names": ["same", "fewer"], "reference": "r", "metric": "fd_dino", "model": "dino",
        "resamples": 5, "batch_size": 3,
    });
    let inputs: [(&'static str, &[&Artifact]); 2] = [("images", &[&same, &fewer]), ("reference", &[&same])];
    let output = trial.run::<SetDistanceConfig>(settings, &inputs).unwrap();
    let found = report(&trial, &output);
    let [one, other] = &found.arms[..] else {
        panic!("{found:?}")
    };
    assert_eq!((one.name.as_str(), other.name.as_str()), ("same", "fewer"));
    let (none, some) = (one.distance.unwrap(), other.distance.unwrap());
    assert!(none < 1e-6 * some.max(1e-3), "{none} {some}");
    let estimate = other.estimate.unwrap();
    assert_eq!((estimate.value, found.resamples), (some, Some(5)));
    assert!(estimate.low <= estimate.high);
    let told = output.metrics["fd_dino"]["fewer"].as_f64().unwrap();
    assert!((told / some - 1.0).abs() < 1e-12);
}

#[test]
fn diversity_is_that_of_each_prompt() {
    let trial = trial();
    let mut rows = pool(6);
    // Of the last prompt one image is left.
    rows.pop();
    let differing = candidates(&trial.store, &rows);
    for number in [1, 3] {
        rows[number].png = rows[number - 1].png.clone();
    }
    let alike = candidates(&trial.store, &rows);
    for (metric, model) in [("diversity_clip", "clip"), ("diversity_dino", "dino")] {
        let settings = with(
            &with(&diversity(), "metric", &json!(metric)),
            "model",
            &json!(model),
        );
        let (found, _) = measured(&trial, settings, &[&differing, &alike]);
        let [one, other] = [0, 1].map(|arm| found.arms[arm].diversity.clone().unwrap());
        assert_eq!((one.prompts, one.left_out, found.resamples), (2, 1, Some(50)));
        assert!(one.mean_cosine_distance.value > 1e-12, "{one:?}");
        assert!(
            one.vendi_score.value > 1.0 && one.vendi_score.value < 2.0 + 1e-9,
            "{one:?}"
        );
        assert!(other.mean_cosine_distance.value.abs() < 1e-13, "{other:?}");
        assert!((other.vendi_score.value - 1.0).abs() < 1e-6, "{other:?}");
    }
    let single = candidates(&trial.store, &rows[..1]);
    let error = trial
        .run::<SetDistanceConfig>(diversity(), &[("images", &[&single])])
        .unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
}

#[test]
fn images_of_a_selection_are_decoded_from_their_latents() {
    let mut trial = trial();
    let model = trial.folder.path().join("model");
    trial_model::write(&model);
    let prompts = json!({"source": {"inline": ["a red circle and a blue square"]}});
    let prompts = trial.run::<PromptsConfig>(prompts, &[]).unwrap().outputs["prompts"].clone();
    trial.defaults.model = Some(model);
    let generate = json!({
        "prompts": "p", "candidates_per_prompt": 2, "batch_size": 1, "sampler": {"steps": 1}, "images": false,
    });
    let generated = trial
        .run::<GenerateConfig>(generate, &[("prompts", &[&prompts])])
        .unwrap();
    let table = &generated.outputs["candidates"];
    let select = json!({"candidates": "c", "top_k": 1});
    let selected = trial
        .run::<SelectConfig>(select, &[("candidates", &[table])])
        .unwrap();
    let mut settings = with(&settings(), "reference", &json!("r"));
    settings["reference_folder"] = Json::Null;
    let inputs: [(&'static str, &[&Artifact]); 2] = [
        ("images", &[&selected.outputs["selection"]]),
        ("reference", &[table]),
    ];
    let count = Count::default();
    let output = trial
        .run_watched::<SetDistanceConfig>(settings.clone(), &inputs, &count)
        .unwrap();
    assert_eq!(report(&trial, &output).arms[0].images, 1);
    assert_eq!(count.computed.into_inner(), 2);
    trial.defaults.model = None;
    let error = trial.run::<SetDistanceConfig>(with(&settings, "batch_size", &json!(2)), &inputs);
    assert!(matches!(error, Err(StageError::Configuration(_))));
}

#[test]
fn a_network_or_a_reference_that_changed_is_noticed() {
    let trial = trial();
    let table = candidates(&trial.store, &pool(4));
    let folder = trial.folder.path();
    let changed = |change: &dyn Fn()| {
        let inputs: [(&'static str, &[&Artifact]); 1] = [("images", &[&table])];
        match trial
            .run_changed::<SetDistanceConfig>(settings(), &inputs, &Silent, change)
            .unwrap_err()
        {
            StageError::Changed { input } => input,
            error => panic!("{error}"),
        }
    };
    assert_eq!(changed(&|| trial_clip::write(&folder.join("clip"), 2)), "network");
    let other = || fs::write(folder.join("reference/0.png"), png(7, 5)).unwrap();
    assert_eq!(changed(&other), "reference_folder");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let trial = trial();
    let refused = |settings: &Json, words: &str| {
        let error = trial
            .stage::<SetDistanceConfig>(settings.clone())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(words), "{error}");
    };
    let plain = settings();
    refused(&with(&plain, "reference", &json!("r")), "both");
    refused(&with(&plain, "reference_folder", &Json::Null), "neither");
    refused(&with(&plain, "metric", &json!("diversity_clip")), "no meaning");
    refused(&with(&plain, "images", &json!([])), "`images`");
    refused(&with(&plain, "names", &json!(["a", "a"])), "twice");
    refused(&with(&plain, "resamples", &json!(1)), "`resamples`");
    refused(&with(&plain, "confidence", &json!(1.0)), "confidence");
    let missing = with(&plain, "model", &json!("nowhere"));
    let table = candidates(&trial.store, &pool(2));
    let error = trial
        .run::<SetDistanceConfig>(missing, &[("images", &[&table])])
        .unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}
