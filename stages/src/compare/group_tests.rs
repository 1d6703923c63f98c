//! Arms measured for every group of prompts, and win rates.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::{ColumnComparison, CompareConfig};
use crate::contract::{KnownInput, KnownInputs, StageError};
use crate::tables::schema;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_tables::{Candidate, scores, texts};

/// Four prompts with two candidates each.
fn pool() -> Vec<Candidate> {
    let candidate = |number: u32| Candidate {
        prompt: format!("prompt {}", number / 2),
        seed_index: number % 2,
        mi: 0.0,
        latent: vec![0.0; 4],
        png: None,
    };
    (0..8).map(candidate).collect()
}

/// Stores prompts with their categories.
fn prompts(trial: &Trial, rows: &[(&str, Option<&str>)]) -> Artifact {
    let words = |of: fn(&(&str, Option<&str>)) -> String| texts(rows.iter().map(of));
    let categories: StringArray = rows.iter().map(|row| row.1).collect();
    let columns: Vec<ArrayRef> = vec![
        words(|row| format!("id of {}", row.0)),
        words(|row| row.0.to_owned()),
        Arc::new(categories),
        Arc::new(StringArray::new_null(rows.len())),
        words(|_| "inline".to_owned()),
        Arc::new(UInt32Array::from_iter_values(0..rows.len() as u32)),
    ];
    let batch = RecordBatch::try_new(schema::prompts(), columns).unwrap();
    trial
        .store
        .artifacts()
        .put_table(&schema::prompts(), [batch])
        .unwrap()
}

fn settings() -> Json {
    json!({
        "tables": ["t"], "baseline": "b", "prompts": ["p"], "group_by": "category", "column": "good",
        "bootstrap": {"replicates": 100},
    })
}

fn compare(
    trial: &Trial,
    settings: Json,
    [arm, baseline]: [&Artifact; 2],
    prompts: &[&Artifact],
) -> Result<ColumnComparison, StageError> {
    let (arm, baseline) = ([arm], [baseline]);
    let inputs: [(&'static str, &[&Artifact]); 3] =
        [("tables", &arm), ("baseline", &baseline), ("prompts", prompts)];
    let output = trial.run::<CompareConfig>(settings, &inputs)?;
    Ok(trial
        .store
        .artifacts()
        .read_json(&output.outputs["summary"])
        .unwrap())
}

#[test]
fn every_group_has_its_own_numbers() {
    let trial = Trial::new();
    let rows = pool();
    let base = scores(&trial.store, &["good"], &rows, |_, row| row as f64);
    // Prompt 0 gains 1, prompt 1 gains in one image and ties in the other, prompt 2 loses 3, prompt 3 gains 5.
    let change = [1.0, 1.0, 2.0, 0.0, -3.0, -3.0, 5.0, 5.0];
    let tuned = scores(&trial.store, &["good"], &rows, |_, row| row as f64 + change[row]);
    let first = prompts(
        &trial,
        &[("prompt 0", Some("color")), ("prompt 1", Some("color"))],
    );
    let second = prompts(&trial, &[("prompt 2", Some("shape")), ("prompt 3", None)]);
    let report = compare(&trial, settings(), [&tuned, &base], &[&first, &second]).unwrap();
    assert_eq!(report.group_by.as_deref(), Some("category"));
    let arm = &report.arms[0];
    let names: Vec<&str> = arm.groups.keys().map(String::as_str).collect();
    assert_eq!(names, ["color", "shape"]);
    let (color, shape) = (&arm.groups["color"], &arm.groups["shape"]);
    assert_eq!(
        (color.prompts, color.images, color.mean.unwrap().value),
        (2, 4, 2.5)
    );
    assert_eq!(color.difference.unwrap().value, 1.0);
    assert_eq!(color.wins.unwrap().value, 3.5 / 4.0);
    assert_eq!((shape.prompts, shape.difference.unwrap().value), (1, -3.0));
    assert_eq!(shape.wins.unwrap().value, 0.0);
    // A prompt of no group still counts in the whole.
    let whole = arm.difference.as_ref().unwrap();
    assert_eq!(whole.mean.unwrap().value, 1.0);
    assert_eq!(
        (whole.higher.unwrap().value, whole.wins.unwrap().value),
        (5.0 / 8.0, 5.5 / 8.0)
    );
    let baseline = report.baseline.unwrap();
    assert_eq!(baseline.groups["color"].mean.unwrap().value, 1.5);
    assert_eq!(baseline.groups["color"].difference, None);
}

#[test]
fn groups_that_cannot_be_made_are_told() {
    let trial = Trial::new();
    let rows = pool();
    let table = scores(&trial.store, &["good"], &rows, |_, row| row as f64);
    let told = |settings: Json, prompts: &[&Artifact]| {
        let error = compare(&trial, settings, [&table, &table], prompts).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        error.to_string()
    };
    let three = prompts(
        &trial,
        &[
            ("prompt 0", Some("a")),
            ("prompt 1", Some("a")),
            ("prompt 2", None),
        ],
    );
    assert_eq!(
        told(settings(), &[&three]),
        "Prompt `id of prompt 3` of `tables[0]` is in no table of `prompts`"
    );
    let other = prompts(&trial, &[("prompt 0", Some("b"))]);
    assert_eq!(
        told(settings(), &[&three, &other]),
        "Prompt `id of prompt 0` is in two groups, `a` and `b`"
    );
    let unknown = with(&settings(), "group_by", &json!("categorie"));
    let message = told(unknown, &[&three]);
    assert!(
        message.starts_with("`prompts[0]` has no column `categorie` of words"),
        "{message}"
    );
    let many: Vec<String> = (0..101).map(|number| format!("prompt {number}")).collect();
    let own = many.iter().map(|name| (name.as_str(), Some(name.as_str())));
    let many: Vec<(&str, Option<&str>)> = own.collect();
    assert_eq!(
        told(settings(), &[&prompts(&trial, &many)]),
        "Column `category` has 101 different words, at most 100 are groups"
    );
}

#[test]
fn groups_and_prompts_go_together() {
    let trial = Trial::new();
    let told = |settings: Json| {
        let mut stage = trial.stage::<CompareConfig>(settings).unwrap();
        let mut inputs = KnownInputs::default();
        let known = |stage: &str, columns| KnownInput {
            stage: stage.to_owned(),
            columns: Some(columns),
            candidates: None,
        };
        inputs.add("tables", vec![known("t", schema::scores(&["good"]))]);
        inputs.add("prompts", vec![known("p", schema::prompts())]);
        stage.connected(inputs).map_err(|error| error.to_string())
    };
    assert_eq!(told(settings()), Ok(()));
    let message = told(with(&settings(), "prompts", &json!([]))).unwrap_err();
    assert!(
        message.starts_with("Setting `group_by` is a column of `prompts`, which is empty"),
        "{message}"
    );
    assert_eq!(
        told(with(&settings(), "group_by", &json!(null))),
        Err("Setting `prompts` has no meaning without `group_by`".to_owned())
    );
    let line = with(&settings(), "group_by", &json!("line"));
    let message = told(line).unwrap_err();
    assert!(
        message.starts_with("`prompts[0]` (stage `p`) has no column `line` of words"),
        "{message}"
    );
}
