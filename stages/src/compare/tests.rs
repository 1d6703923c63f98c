use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::{ColumnComparison, CompareConfig};
use crate::contract::{KnownInput, KnownInputs, Stage, StageError};
use crate::tables::schema;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_tables::{Candidate, candidates, evaluation, scores, texts};

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
    Ok(trial
        .store
        .artifacts()
        .read_json(&output.outputs["summary"])
        .unwrap())
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
        "`tables[0]` has no column `mi_papr` of numbers; it has `mi`, `mi_paper`, `mi_reference`; did you mean `mi_paper`?"
    );
    assert!(message(column("latent"), None).starts_with("`tables[0]` has no column `latent` of numbers"));
    let failure = with(&column("mi"), "failure", &json!("mi"));
    assert!(message(failure, None).starts_with("`tables[0]` has no column `mi` of words"));
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

#[test]
fn arms_have_names() {
    let trial = Trial::new();
    let table = candidates(&trial.store, &pool());
    let names = |settings: Json| -> Vec<String> {
        let report = compare(&trial, settings, &[&table, &table], Some(&table)).unwrap();
        assert_eq!(report.baseline.unwrap().name, "baseline");
        report.arms.into_iter().map(|arm| arm.name).collect()
    };
    let settings = with(&settings(), "column", &json!("mi"));
    assert_eq!(names(settings.clone()), ["tables[0]", "tables[1]"]);
    let named = with(&settings, "names", &json!(["one", "two"]));
    assert_eq!(names(named), ["one", "two"]);
    for (names, message) in [
        (
            json!(["one"]),
            "Setting `names` has 1 name for the 2 arms that `tables` stands for",
        ),
        (json!(["one", "one"]), "Setting `names` has `one` twice"),
    ] {
        let refused = with(&settings, "names", &names);
        let error = compare(&trial, refused, &[&table, &table], None).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        assert_eq!(error.to_string(), message);
    }
}

/// Stages with their columns, as a pipeline tells of them.
fn known(stages: &[(&str, &[&str])]) -> Vec<KnownInput> {
    let input = |(stage, columns): &(&str, &[&str])| KnownInput {
        stage: (*stage).to_owned(),
        columns: Some(schema::scores(columns)),
        candidates: None,
    };
    stages.iter().map(input).collect()
}

fn connected(
    trial: &Trial,
    settings: Json,
    tables: &[(&str, &[&str])],
    baseline: &[(&str, &[&str])],
) -> Result<Box<dyn Stage>, StageError> {
    let mut stage = trial.stage::<CompareConfig>(settings)?;
    let mut inputs = KnownInputs::default();
    inputs.add("tables", known(tables));
    inputs.add("baseline", known(baseline));
    stage.connected(inputs)?;
    Ok(stage)
}

#[test]
fn what_a_pipeline_tells_of_the_tables_is_checked_before_anything_runs() {
    let trial = Trial::new();
    let told = |tables: &[(&str, &[&str])], baseline: &[(&str, &[&str])]| {
        let error = connected(&trial, settings(), tables, baseline)
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        error.to_string()
    };
    assert_eq!(
        told(&[("a@1", &["good"]), ("a@2/x", &["goood"])], &[]),
        "`tables[1]` (stage `a@2/x`) has no column `good` of numbers; it has `goood`; did you mean `goood`?"
    );
    assert_eq!(
        told(&[("a@1", &["good"])], &[("b", &[])]),
        "`baseline` (stage `b`) has no column `good` of numbers; it has none"
    );
    let good: &[&str] = &["good"];
    let many = vec![("a", good); 1001];
    assert_eq!(
        told(&many, &[]),
        "Setting `tables` stands for 1001 arms, at most 1000 are compared"
    );
    // Names that nobody set are in the result, and so in the key.
    let key = |stage: &str| {
        let stage = connected(&trial, settings(), &[(stage, &["good"])], &[]).unwrap();
        stage.config().unwrap()
    };
    assert_ne!(key("a@1"), key("a@2"));
    let named = with(&settings(), "names", &json!(["one"]));
    let key = |stage: &str| {
        let stage = connected(&trial, named.clone(), &[(stage, &["good"])], &[]).unwrap();
        stage.config().unwrap()
    };
    assert_eq!(key("a@1"), key("a@2"));
}

#[test]
fn an_image_without_a_number_on_one_side_leaves_the_others_paired() {
    let trial = Trial::new();
    let rows = pool();
    let base = scores(&trial.store, &["good"], &rows, |_, row| row as f64);
    let gaps = nullable_scores(&trial, &rows, |row| (row != 7).then_some(row as f64 + 2.0));
    for (arm, baseline, change) in [(&gaps, &base, 2.0), (&base, &gaps, -2.0)] {
        let report = compare(&trial, settings(), &[arm], Some(baseline)).unwrap();
        let mean = report.arms[0].difference.as_ref().unwrap().mean.unwrap();
        assert_eq!((mean.value, mean.observations), (change, 59));
    }
    let nothing = nullable_scores(&trial, &rows, |_| None);
    let report = compare(&trial, settings(), &[&base, &nothing], Some(&base)).unwrap();
    assert_eq!(report.arms[1].difference.as_ref().unwrap().mean, None);
}

/// Scores that some candidates lack.
fn nullable_scores(trial: &Trial, rows: &[Candidate], value: impl Fn(usize) -> Option<f64>) -> Artifact {
    let fields = vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
        Field::new("good", DataType::Float64, true),
    ];
    let columns: Vec<ArrayRef> = vec![
        texts(rows.iter().map(Candidate::id)),
        Arc::new(UInt32Array::from_iter_values(
            rows.iter().map(|row| row.seed_index),
        )),
        Arc::new((0..rows.len()).map(value).collect::<Float64Array>()),
    ];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    trial
        .store
        .artifacts()
        .put_table(&batch.schema(), [batch])
        .unwrap()
}

#[test]
fn errors_name_the_table_and_the_candidate() {
    let trial = Trial::new();
    let rows = pool();
    let good = scores(&trial.store, &["good"], &rows, |_, row| row as f64);
    let broken = scores(&trial.store, &["good"], &rows, |_, row| match row {
        4 => f64::INFINITY,
        _ => 0.0,
    });
    let error = compare(&trial, settings(), &[&good, &broken], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`good` of candidate `{}` of prompt `{}` is `inf` in `tables[1]`, expected a finite number",
            rows[4].seed_index,
            rows[4].id()
        )
    );
    let cause = |arm: &[Candidate]| {
        let arm = scores(&trial.store, &["good"], arm, |_, row| row as f64);
        let error = compare(&trial, settings(), &[&good, &arm], Some(&good)).unwrap_err();
        assert!(crate::failure_hint::hint(&error).is_some_and(|hint| hint.contains("same prompts")));
        std::error::Error::source(&error).unwrap().to_string()
    };
    let name = format!(
        "Candidate `{}` of prompt `{}` is",
        rows[59].seed_index,
        rows[59].id()
    );
    assert_eq!(
        cause(&rows[..59]),
        format!("{name} in `baseline`, but not in `tables[1]`")
    );
}
