//! Several judges at once, and judges with a model.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use mitune_diffusion::image::RgbImage;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::JudgeConfig;
use crate::contract::{Progress, StageError, StageOutput, Work};
use crate::select::SelectConfig;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_clip;
use crate::testing::trial_tables::{Candidate, candidates};

/// Six prompts with three images each, of which one size is not a multiple of anything.
fn pool() -> Vec<Candidate> {
    let candidate = |number: u32| {
        let (width, height) = if number.is_multiple_of(2) {
            (12, 12)
        } else {
            (17, 9)
        };
        let pixels = (0..width * height * 3).map(|i| ((i + number * 41) * 97 % 251) as u8);
        Candidate {
            prompt: format!("a red circle and {} a cross", "a ".repeat(number as usize / 3)),
            seed_index: number % 3,
            mi: f64::from(number),
            latent: vec![0.0; 256],
            png: Some(
                RgbImage::new(width, height, pixels.collect())
                    .unwrap()
                    .to_png()
                    .unwrap(),
            ),
        }
    };
    (0..18).map(candidate).collect()
}

fn clip_score(name: &str) -> Json {
    json!({"clip_score": {"model": "clip", "name": name}})
}

fn settings(judges: Json) -> Json {
    json!({"candidates": "generate", "judges": judges, "batch_size": 4, "shard_size": 6})
}

fn trial() -> Trial {
    let trial = Trial::new();
    trial_clip::write(&trial.folder.path().join("clip"), 1);
    trial
}

fn run(trial: &Trial, settings: Json, table: &Artifact) -> Result<StageOutput, StageError> {
    trial.run::<JudgeConfig>(settings, &[("candidates", &[table])])
}

fn table(trial: &Trial, output: &StageOutput) -> RecordBatch {
    trial
        .store
        .artifacts()
        .read_table_whole(&output.outputs["scores"], None)
        .unwrap()
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<f64> {
    batch[name].as_primitive::<Float64Type>().values().to_vec()
}

/// Counts images that are computed, and may stop the run at the first.
#[derive(Default)]
struct Computed<'a> {
    images: AtomicU64,
    stop: Option<&'a AtomicBool>,
}

impl Progress for Computed<'_> {
    fn begin(&self, _: Work) {}

    fn advance(&self, units: u64) {
        self.images.fetch_add(units, Ordering::Relaxed);
        if let Some(stop) = self.stop.filter(|_| units > 0) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
}

fn computed(trial: &Trial, settings: &Json, table: &Artifact) -> u64 {
    let counted = Computed::default();
    let inputs: [(&'static str, &[&Artifact]); 1] = [("candidates", &[table])];
    trial
        .run_watched::<JudgeConfig>(settings.clone(), &inputs, &counted)
        .unwrap();
    counted.images.load(Ordering::Relaxed)
}

#[test]
fn columns_stand_side_by_side_in_the_order_of_the_candidates() {
    let trial = trial();
    let candidates = candidates(&trial.store, &pool());
    let both = run(
        &trial,
        settings(json!(["brightness", clip_score("clip")])),
        &candidates,
    )
    .unwrap();
    let both = table(&trial, &both);
    let names: Vec<String> = both
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(names, ["prompt_id", "seed_index", "brightness", "clip"]);
    let alone = |judge: Json| {
        let settings = json!({"candidates": "generate", "judge": judge, "batch_size": 4, "shard_size": 6});
        table(&trial, &run(&trial, settings, &candidates).unwrap())
    };
    assert_eq!(
        numbers(&both, "brightness"),
        numbers(&alone(json!("brightness")), "brightness")
    );
    let clip = alone(clip_score("clip"));
    assert_eq!(numbers(&both, "clip"), numbers(&clip, "clip"));
    assert_eq!(&both["prompt_id"], &clip["prompt_id"]);
    let scores = numbers(&clip, "clip");
    assert!(
        scores.iter().all(|score| score.abs() <= 1.0) && scores[0] != scores[1],
        "{scores:?}"
    );
}

#[test]
fn a_judge_that_is_added_and_prompts_that_are_added_compute_their_own_part_alone() {
    let trial = trial();
    let whole = candidates(&trial.store, &pool());
    let first = json!({"candidates": "generate", "judge": "brightness", "batch_size": 4, "shard_size": 6});
    assert_eq!(computed(&trial, &first, &whole), 18);
    let both = settings(json!(["brightness", clip_score("clip")]));
    assert_eq!(computed(&trial, &both, &whole), 18);
    assert_eq!(computed(&trial, &both, &whole), 0);
    let three = settings(json!([clip_score("clip"), "brightness", clip_score("again")]));
    assert_eq!(computed(&trial, &three, &whole), 18);
    let mut more = pool();
    more.push(Candidate {
        prompt: "a blue square".to_owned(),
        ..more[0].clone()
    });
    let more = candidates(&trial.store, &more);
    assert_eq!(computed(&trial, &both, &more), 2);
}

#[test]
fn what_was_killed_ends_with_the_same_bytes() {
    let whole = trial();
    let both = settings(json!([clip_score("clip"), "brightness"]));
    let expected = run(&whole, both.clone(), &candidates(&whole.store, &pool())).unwrap();
    let trial = trial();
    let table = candidates(&trial.store, &pool());
    let inputs: [(&'static str, &[&Artifact]); 1] = [("candidates", &[&table])];
    let mut lost = 0;
    for _ in 0..20 {
        let stopped = Computed {
            stop: Some(&trial.cancelled),
            ..Computed::default()
        };
        match trial.run_watched::<JudgeConfig>(both.clone(), &inputs, &stopped) {
            Err(StageError::Interrupted) => lost += 1,
            Ok(_) => break,
            Err(error) => panic!("{error}"),
        }
        trial.cancelled.store(false, Ordering::Relaxed);
    }
    assert!(lost > 2, "{lost}");
    trial.cancelled.store(false, Ordering::Relaxed);
    let output = run(&trial, both, &table).unwrap();
    assert_eq!(
        output.outputs["scores"].content,
        expected.outputs["scores"].content
    );
}

#[test]
fn the_number_of_neighbours_changes_no_score() {
    let trial = trial();
    // A batch holds two prompts of the pool, or four of the few.
    let alone = json!({"candidates": "generate", "judge": clip_score("clip"), "batch_size": 7});
    let whole = table(
        &trial,
        &run(&trial, alone.clone(), &candidates(&trial.store, &pool())).unwrap(),
    );
    let other = self::trial();
    let few: Vec<Candidate> = pool().into_iter().step_by(5).collect();
    let few_table = table(
        &other,
        &run(&other, alone, &candidates(&other.store, &few)).unwrap(),
    );
    let (whole, few) = (numbers(&whole, "clip"), numbers(&few_table, "clip"));
    let expected: Vec<f64> = whole.into_iter().step_by(5).collect();
    assert_eq!(few, expected);
}

#[test]
fn a_selection_goes_by_the_name_of_a_column() {
    let trial = trial();
    let candidates = candidates(&trial.store, &pool());
    let judged = run(
        &trial,
        settings(json!(["brightness", clip_score("clip")])),
        &candidates,
    )
    .unwrap();
    let scores = numbers(&table(&trial, &judged), "clip");
    let best = scores[..3].iter().copied().fold(f64::MIN, f64::max);
    let select = json!({"candidates": "generate", "scores": ["judge"], "by": "clip"});
    let inputs: [(&'static str, &[&Artifact]); 2] = [
        ("candidates", &[&candidates]),
        ("scores", &[&judged.outputs["scores"]]),
    ];
    let selected = trial.run::<SelectConfig>(select, &inputs).unwrap();
    let selected = trial
        .store
        .artifacts()
        .read_table_whole(&selected.outputs["selection"], Some(&["score"]))
        .unwrap();
    assert_eq!(numbers(&selected, "score")[0], best);
}

#[test]
fn files_of_a_judge_are_in_the_keys_and_those_that_change_meanwhile_publish_nothing() {
    let trial = trial();
    let table = candidates(&trial.store, &pool());
    let alone = json!({"candidates": "generate", "judge": clip_score("clip"), "batch_size": 4});
    assert_eq!(computed(&trial, &alone, &table), 18);
    let clip = trial.folder.path().join("clip");
    let silent = Computed::default();
    // Other weights are another judge: everything is computed anew.
    trial_clip::write(&clip, 2);
    assert_eq!(computed(&trial, &alone, &table), 18);
    // What is not read is not in the keys.
    std::fs::write(clip.join("preprocessor_config.json"), "{}").unwrap();
    assert_eq!(computed(&trial, &alone, &table), 0);
    for (seed, change) in [(3, "model.safetensors"), (2, "merges.txt")] {
        let other = self::trial();
        let table = candidates(&other.store, &pool());
        let inputs: [(&'static str, &[&Artifact]); 1] = [("candidates", &[&table])];
        let clip = other.folder.path().join("clip");
        let error = other
            .run_changed::<JudgeConfig>(alone.clone(), &inputs, &silent, || match change {
                "model.safetensors" => trial_clip::write(&clip, seed),
                name => {
                    let text = std::fs::read_to_string(clip.join(name)).unwrap();
                    std::fs::write(clip.join(name), text + "\n").unwrap();
                }
            })
            .unwrap_err();
        assert!(matches!(error, StageError::Changed { .. }), "{change}: {error}");
        assert!(error.to_string().contains("judge_clip"), "{error}");
    }
}

#[test]
fn settings_that_make_no_table_are_refused() {
    let trial = trial();
    let refused = |settings: Json| match trial.stage::<JudgeConfig>(settings) {
        Ok(_) => panic!("it is a stage"),
        Err(error) => error.to_string(),
    };
    let base = json!({"candidates": "generate"});
    assert!(refused(base.clone()).contains("found neither"));
    let both = with(&settings(json!(["brightness"])), "judge", &json!("shapes"));
    assert!(refused(both).contains("found both"));
    let twice = refused(settings(json!([clip_score("clip"), clip_score("clip")])));
    assert!(
        twice.contains("`clip`; give one of them another `name`"),
        "{twice}"
    );
    let shapes = refused(settings(json!(["shapes", "brightness", "shapes"])));
    assert!(
        shapes.contains("`shapes` stands twice in `judges`") && !shapes.contains("`name`"),
        "{shapes}"
    );
    let unknown = json!({"clip_score": {"model": "clip", "nmae": "x"}});
    assert!(refused(with(&base, "judge", &unknown)).contains("nmae"));
    let table = candidates(&trial.store, &pool());
    let missing = json!({"candidates": "generate", "judge": {"clip_score": {"model": "none"}}});
    let error = run(&trial, missing, &table).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    assert!(error.to_string().contains("none` does not exist"), "{error}");
    let other = json!({"candidates": "generate", "judge": {"hps_v2": {"model": "clip"}}});
    let error = run(&trial, other, &table).unwrap_err().to_string();
    assert!(error.contains("`HPS_v2_compressed.pt`"), "{error}");
}
