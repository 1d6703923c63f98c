use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::*;
use crate::contract::{KnownInput, KnownInputs, StageError, StageOutput};
use crate::tables::schema;
use crate::tables::weights::{WeightedCandidate, read_weights};
use crate::testing::trial::Trial;
use crate::testing::trial_tables::{Candidate, candidates, scores, texts};

/// Three candidates of each prompt, with the scores 0, 0.5 and 1; the latent holds the number of the row.
fn pool(prompts: u32) -> Vec<Candidate> {
    let candidate = |number: u32| Candidate {
        prompt: format!("prompt {}", number % prompts),
        seed_index: number / prompts,
        mi: f64::from(number / prompts) / 2.0,
        latent: vec![number as f32; 16],
        png: None,
    };
    (0..3 * prompts).map(candidate).collect()
}

/// A table of prompts: the category and the line of each.
fn prompts(trial: &Trial, rows: &[(Option<&str>, u32)]) -> Artifact {
    let names = || (0..rows.len()).map(|number| format!("prompt {number}"));
    let categories: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.0)));
    let columns: Vec<ArrayRef> = vec![
        texts(names().map(|name| format!("id of {name}"))),
        texts(names()),
        categories,
        Arc::new(StringArray::new_null(rows.len())),
        texts(names().map(|_| "color_train.txt".to_owned())),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1))),
    ];
    let batch = RecordBatch::try_new(schema::prompts(), columns).unwrap();
    trial
        .store
        .artifacts()
        .put_table(&schema::prompts(), [batch])
        .unwrap()
}

fn settings(more: Json) -> Json {
    let mut settings = json!({"candidates": "generate"});
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    settings
}

fn run(trial: &Trial, more: Json, pool: &[Candidate]) -> Result<StageOutput, StageError> {
    let table = candidates(&trial.store, pool);
    trial.run::<WeighConfig>(settings(more), &[("candidates", &[&table])])
}

fn read(trial: &Trial, output: &StageOutput) -> Vec<WeightedCandidate> {
    read_weights(&trial.store, &output.outputs["weights"]).unwrap()
}

/// The weights of a run, each with the number of its row.
fn weights(trial: &Trial, more: Json, pool: &[Candidate]) -> Vec<(f32, f64)> {
    let found = read(trial, &run(trial, more, pool).unwrap());
    found
        .iter()
        .map(|row| (row.latent.values[0], row.weight))
        .collect()
}

#[test]
fn every_candidate_weighs_its_score() {
    let trial = Trial::new();
    let pool = pool(2);
    let output = run(&trial, json!({}), &pool).unwrap();
    let found = read(&trial, &output);
    assert_eq!(found.len(), 6);
    for (row, candidate) in found.iter().zip(&pool) {
        assert_eq!((row.weight, row.seed_index), (candidate.mi, candidate.seed_index));
        assert_eq!(
            (&row.prompt, &row.latent.values),
            (&candidate.prompt, &candidate.latent)
        );
    }
    let metrics = ["kept", "dropped", "prompts_without_image"].map(|name| output.metrics[name].as_u64());
    assert_eq!(metrics, [Some(6), Some(0), Some(0)]);
    assert_eq!(output.metrics["mean_weight"], 0.5);
}

#[test]
fn a_threshold_leaves_out_what_is_not_above_it() {
    let trial = Trial::new();
    let pool = pool(2);
    let half = json!({"threshold": 0.5});
    assert_eq!(weights(&trial, half, &pool), [(4.0, 1.0), (5.0, 1.0)]);
    let below = json!({"threshold": 0, "weight": "one"});
    let ones = [(2.0, 1.0), (3.0, 1.0), (4.0, 1.0), (5.0, 1.0)];
    assert_eq!(weights(&trial, below, &pool), ones);
    let error = run(&trial, json!({"threshold": 1}), &pool).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    let message = "No candidate has `mi` above its threshold; the highest is `1`";
    assert_eq!(error.to_string(), message);
}

#[test]
fn weights_are_made_to_have_the_mean_one_and_a_floor() {
    let trial = Trial::new();
    let pool = pool(1);
    let one = json!({"normalise": "mean_one"});
    assert_eq!(weights(&trial, one, &pool), [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)]);
    let floor = json!({"floor": 0.75});
    assert_eq!(
        weights(&trial, floor, &pool),
        [(0.0, 0.75), (1.0, 0.75), (2.0, 1.0)]
    );
}

#[test]
fn negative_scores_need_a_floor() {
    let trial = Trial::new();
    let mut pool = pool(1);
    pool.iter_mut().for_each(|candidate| candidate.mi -= 0.5);
    let error = run(&trial, json!({}), &pool).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    let message = error.to_string();
    assert!(
        message.starts_with("Candidate `0` of prompt `id of prompt 0` has `mi` of -0.5"),
        "{message}"
    );
    assert!(message.contains("`floor: 0`"), "{message}");
    let floor = json!({"floor": 0});
    assert_eq!(
        weights(&trial, floor, &pool),
        [(0.0, 0.0), (1.0, 0.0), (2.0, 0.5)]
    );
    pool.iter_mut().for_each(|candidate| candidate.mi -= 0.5);
    let error = run(&trial, json!({"floor": 0}), &pool).unwrap_err().to_string();
    assert!(error.contains("expected one above 0"), "{error}");
}

#[test]
fn thresholds_of_the_benchmark_go_by_category_and_line() {
    let trial = Trial::new();
    // Color: 0.92 before line 560, counted from 0, then 0.7.
    let places = [(Some("color"), 560), (Some("color"), 561), (Some("complex"), 1)];
    let prompts = prompts(&trial, &places);
    let mut pool = pool(3);
    for candidate in &mut pool {
        candidate.mi = [0.4, 0.71, 0.93][candidate.seed_index as usize];
    }
    let table = candidates(&trial.store, &pool);
    let run = |threshold: Json, prompts: &Artifact| {
        let settings = settings(json!({"threshold": threshold, "prompts": "ingest"}));
        let inputs: [(&'static str, &[&Artifact]); 2] = [("candidates", &[&table]), ("prompts", &[prompts])];
        trial.run::<WeighConfig>(settings, &inputs)
    };
    let kept = |output: &StageOutput| -> Vec<(String, u32)> {
        let found = read(&trial, output).into_iter();
        found.map(|row| (row.prompt, row.seed_index)).collect()
    };
    let named = |rows: &[(u32, u32)]| -> Vec<(String, u32)> {
        let rows = rows.iter();
        rows.map(|(prompt, seed)| (format!("prompt {prompt}"), *seed))
            .collect()
    };
    let benchmark = run(json!("t2i_compbench"), &prompts).unwrap();
    let expected = named(&[(1, 1), (2, 1), (0, 2), (1, 2), (2, 2)]);
    assert_eq!(kept(&benchmark), expected);
    let own = run(json!({"template": 0.8, "natural": 0.95}), &prompts).unwrap();
    assert_eq!(kept(&own), named(&[(0, 2), (2, 2)]));
    assert_eq!(own.metrics["prompts_without_image"], 1);
    let other = self::prompts(&trial, &[(Some("numeracy"), 1), (None, 2), (Some("color"), 3)]);
    let error = run(json!("t2i_compbench"), &other).unwrap_err().to_string();
    let said = "Prompt `id of prompt 0` is of category `numeracy`, for which";
    assert!(error.starts_with(said), "{error}");
    let few = self::prompts(&trial, &[(Some("color"), 1)]);
    let error = run(json!("t2i_compbench"), &few).unwrap_err().to_string();
    assert_eq!(
        error,
        "Prompt `id of prompt 1` of the candidates is not in `prompts`"
    );
}

#[test]
fn what_cannot_be_weighed_by_is_told_before_anything_runs() {
    let trial = Trial::new();
    let connect = |by: &str| {
        let settings = settings(json!({"by": by, "scores": ["score"]}));
        let mut stage = trial.stage::<WeighConfig>(settings).unwrap();
        let input = |columns| KnownInput {
            stage: "made".to_owned(),
            columns: Some(columns),
            candidates: None,
        };
        let mut inputs = KnownInputs::default();
        inputs.add("candidates", vec![input(schema::candidates())]);
        inputs.add("scores", vec![input(schema::scores(&["itm"]))]);
        stage.connected(inputs).map(|()| stage)
    };
    for by in ["imt", "random"] {
        let message = connect(by).map(|_| ()).unwrap_err().to_string();
        let expected = format!("No score `{by}` among `mi`, `mi_paper`, `mi_reference`, `itm`");
        assert!(message.starts_with(&expected), "{message}");
    }
    let rows = |port: &str| Some(if port == "candidates" { 16 } else { 15 });
    let few = connect("itm").unwrap().check_rows(&rows).unwrap_err();
    assert!(few.to_string().contains("`scores` has 15 rows"), "{few}");
    connect("mi").unwrap().check_rows(&rows).unwrap();
}

#[test]
fn scores_of_other_tables_weigh_too() {
    let trial = Trial::new();
    let pool = pool(1);
    let table = candidates(&trial.store, &pool);
    let itm = scores(&trial.store, &["itm"], &pool, |candidate, _| 2.0 - candidate.mi);
    let settings = settings(json!({"by": "itm", "scores": ["score"]}));
    let inputs: [(&'static str, &[&Artifact]); 2] = [("candidates", &[&table]), ("scores", &[&itm])];
    let output = trial.run::<WeighConfig>(settings, &inputs).unwrap();
    let found: Vec<f64> = read(&trial, &output).iter().map(|row| row.weight).collect();
    assert_eq!(found, [2.0, 1.5, 1.0]);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let trial = Trial::new();
    for (more, words) in [
        (json!({"by": "oracle"}), "needs `evaluation`"),
        (json!({"threshold": "t2i_compbench"}), "needs `prompts`"),
        (
            json!({"threshold": {"template": 1, "natural": 0}}),
            "needs `prompts`",
        ),
        (json!({"threshold": "color"}), "unknown variant `color`"),
        (json!({"floor": -0.5}), "Setting `floor` is `-0.5`"),
        (json!({"top_k": 2}), "unknown field `top_k`"),
    ] {
        let error = trial
            .stage::<WeighConfig>(settings(more))
            .map(|_| ())
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn settings_are_keyed_and_references_are_not() {
    let trial = Trial::new();
    let base = settings(json!({"prompts": "ingest"}));
    trial.assert_keyed::<WeighConfig>(
        &base,
        &[
            ("by", json!("itm")),
            ("threshold", json!(0.5)),
            ("threshold", json!({"template": 0.5, "natural": 0.25})),
            ("threshold", json!("t2i_compbench")),
            ("weight", json!("one")),
            ("floor", json!(0.5)),
            ("normalise", json!("mean_one")),
        ],
    );
    trial.assert_not_keyed::<WeighConfig>(
        &base,
        &[
            ("candidates", json!("other")),
            ("scores", json!(["score"])),
            ("evaluation", json!("evaluate")),
            ("prompts", json!("other")),
        ],
    );
}
