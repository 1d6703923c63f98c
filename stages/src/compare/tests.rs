use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::{ColumnComparison, CompareConfig};
use crate::contract::StageError;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_tables::{Candidate, candidates, evaluation, scores};

/// Twenty prompts with three candidates each.
fn pool() -> Vec<Candidate> {
    let candidate = |number: u32| Candidate {
        prompt: format!("prompt {}", number / 3),
        seed_index: number % 3,
        mi: f64::from(number % 7),
        latent: vec![0.0; 4],
        png: None,
    };
    (0..60).map(candidate).collect()
}

fn settings() -> Json {
    json!({"tables": ["arms"], "column": "good", "bootstrap": {"replicates": 200}})
}

fn compare(
    trial: &Trial,
    settings: Json,
    tables: &[&Artifact],
    baseline: Option<&Artifact>,
) -> Result<ColumnComparison, StageError> {
    let baseline: Vec<&Artifact> = baseline.into_iter().collect();
    let inputs: [(&'static str, &[&Artifact]); 2] = [("tables", tables), ("baseline", baseline.as_slice())];
    let output = trial.run::<CompareConfig>(settings, &inputs)?;
    let headline = output.metrics["headline"].as_str().unwrap();
    assert!(headline.starts_with('`') && headline.contains('['), "{headline}");
    Ok(trial.store.read_json(&output.outputs["summary"]).unwrap())
}

#[test]
fn arms_are_measured_and_compared_image_by_image() {
    let trial = Trial::new();
    let pool = pool();
    let base = scores(&trial.store, &["good"], &pool, |_, row| row as f64);
    let more = scores(&trial.store, &["other", "good"], &pool, |_, row| row as f64 + 2.0);
    let mixed = scores(&trial.store, &["good"], &pool, |_, row| {
        row as f64 + if row.is_multiple_of(3) { -1.0 } else { 1.0 }
    });
    let report = compare(&trial, settings(), &[&more, &mixed, &base], Some(&base)).unwrap();
    let means: Vec<f64> = report.arms.iter().map(|arm| arm.mean.unwrap().value).collect();
    assert_eq!(means[0], 31.5);
    assert!((means[1] - (29.5 + 1.0 / 3.0)).abs() < 1e-9 && means[2] == 29.5);
    assert_eq!(report.baseline.as_ref().unwrap().mean, report.arms[2].mean);
    let shares = |arm: usize| {
        let difference = report.arms[arm].difference.as_ref().unwrap();
        let [mean, higher, lower] =
            [difference.mean, difference.higher, difference.lower].map(|estimate| estimate.unwrap());
        (mean, higher.value, lower.value)
    };
    let (mean, higher, lower) = shares(0);
    // Every image gains the same, so that nothing is left to chance.
    assert_eq!((mean.value, mean.low, mean.high), (2.0, 2.0, 2.0));
    assert_eq!((higher, lower), (1.0, 0.0));
    let (mean, higher, lower) = shares(1);
    assert!((mean.value - 1.0 / 3.0).abs() < 1e-9);
    assert!((higher - 2.0 / 3.0).abs() < 1e-9 && (lower - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!(shares(2).1, 0.0);
    assert_eq!((report.arms[0].images, report.arms[0].prompts), (60, 20));
}

#[test]
fn truth_values_count_as_numbers_and_failures_by_their_kind() {
    let trial = Trial::new();
    let pool = pool();
    let before = evaluation(&trial.store, &pool, |candidate| candidate.seed_index == 0);
    let after = evaluation(&trial.store, &pool, |candidate| candidate.seed_index != 2);
    let settings = with(
        &with(&settings(), "column", &json!("aligned")),
        "failure",
        &json!("failure"),
    );
    let report = compare(&trial, settings.clone(), &[&after], Some(&before)).unwrap();
    let arm = &report.arms[0];
    assert!((arm.mean.unwrap().value - 2.0 / 3.0).abs() < 1e-12);
    assert!((arm.failures["colour"].value - 1.0 / 3.0).abs() < 1e-12);
    let difference = arm.difference.as_ref().unwrap();
    assert!((difference.failures["colour"].value + 1.0 / 3.0).abs() < 1e-12);
    let alone = compare(&trial, settings, &[&after], None).unwrap();
    assert!(alone.baseline.is_none() && alone.arms[0].difference.is_none());
    assert_eq!(alone.arms[0].failures, arm.failures);
}

#[test]
fn what_cannot_be_compared_is_told() {
    let trial = Trial::new();
    let pool = pool();
    let table = candidates(&trial.store, &pool);
    let message = |settings: Json, baseline: Option<&Artifact>| {
        let error = compare(&trial, settings, &[&table], baseline).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        error.to_string()
    };
    let column = |name: &str| with(&settings(), "column", &json!(name));
    assert_eq!(
        message(column("mi_papr"), None),
        "Table has no column `mi_papr` of numbers; it has `mi`, `mi_paper`, `mi_reference`; did you mean `mi_paper`?"
    );
    assert!(message(column("latent"), None).starts_with("Table has no column `latent` of numbers"));
    let failure = with(&column("mi"), "failure", &json!("mi"));
    assert!(message(failure, None).starts_with("Table has no column `mi` of words"));
    let fewer = candidates(&trial.store, &pool[..30]);
    assert_eq!(
        message(column("mi"), Some(&fewer)),
        "An arm cannot be compared with the baseline"
    );
    let other = |number: u32| Candidate {
        prompt: format!("prompt {number}"),
        seed_index: 0,
        mi: 0.0,
        latent: vec![0.0; 4],
        png: None,
    };
    let others: Vec<Candidate> = (0..101).map(other).collect();
    let others = candidates(&trial.store, &others);
    let words = with(&column("mi"), "failure", &json!("prompt"));
    assert_eq!(
        compare(&trial, words, &[&others], None).unwrap_err().to_string(),
        "Column `prompt` has 101 different words, at most 100 are kinds of failure"
    );
    let none = with(&settings(), "tables", &json!([]));
    assert!(trial.stage::<CompareConfig>(none).is_err());
}
