use std::sync::Arc;

use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::*;
use crate::contract::{KnownInput, KnownInputs, StageError, StageOutput};
use crate::tables::latent_rows::LatentRows;
use crate::tables::schema;
use crate::testing::trial::Trial;
use crate::testing::trial_tables::{lists, texts};

/// Latents of prompts with two images each, in this order of rows; the latent holds `first` and the number of the row.
fn latents(trial: &Trial, order: impl Iterator<Item = u32> + Clone, first: f32) -> Artifact {
    let columns: Vec<ArrayRef> = vec![
        texts(order.clone().map(|row| format!("id of {}", row / 2))),
        texts(order.clone().map(|row| format!("prompt {}", row / 2))),
        Arc::new(UInt32Array::from_iter_values(order.clone().map(|row| row % 2))),
        lists::<Float32Type>(order.clone().map(|row| vec![first, row as f32, 0.0, 0.0])),
        lists::<Int32Type>(order.map(|_| vec![4, 1, 1])),
    ];
    let batch = RecordBatch::try_new(schema::latents(), columns).unwrap();
    // More than one batch, so that the stage must carry on from one to the next.
    let half = batch.num_rows() / 2;
    let batches = [batch.slice(0, half), batch.slice(half, batch.num_rows() - half)];
    trial
        .store
        .artifacts()
        .put_table(&schema::latents(), batches)
        .unwrap()
}

fn settings(more: Json) -> Json {
    let mut settings = json!({"selections": ["synthetic", "real"], "shares": [0.75, 0.25]});
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    settings
}

fn run(trial: &Trial, more: Json, selections: &[&Artifact]) -> Result<StageOutput, StageError> {
    trial.run::<MixConfig>(settings(more), &[("selections", selections)])
}

/// Which input and which row each row of the result is.
fn rows(trial: &Trial, output: &StageOutput) -> Vec<(f32, f32)> {
    let table = &output.outputs["selection"];
    let batch = trial.store.artifacts().read_table_whole(table, None).unwrap();
    assert_eq!(batch.schema().fields(), schema::latents().fields());
    let rows = LatentRows::of(&batch).unwrap();
    let row = |row: usize| {
        let latent = rows.latent(row).unwrap().values;
        assert_eq!(rows.prompt(row), format!("prompt {}", latent[1] as u32 / 2));
        assert_eq!(rows.seed_index(row), latent[1] as u32 % 2);
        (latent[0], latent[1])
    };
    (0..batch.num_rows()).map(row).collect()
}

#[test]
fn each_input_has_its_share_of_the_rows() {
    let trial = Trial::new();
    let (synthetic, real) = (latents(&trial, 0..40, 0.0), latents(&trial, 0..10, 1.0));
    let output = run(&trial, json!({}), &[&synthetic, &real]).unwrap();
    let found = rows(&trial, &output);
    assert_eq!(found.len(), 40);
    assert_eq!(found.iter().filter(|row| row.0 == 0.0).count(), 30);
    // In the order of the inputs and of their rows, each row once.
    assert!(found.is_sorted() && found.windows(2).all(|two| two[0] != two[1]));
    assert_eq!(output.metrics["rows"], 40);
    assert_eq!(output.metrics["available"], json!([40, 10]));
    assert_eq!(output.metrics["drawn"], json!([30, 10]));
    assert_eq!(output.metrics["fractions"], json!([0.75, 0.25]));
    let few = run(&trial, json!({"rows": 8}), &[&synthetic, &real]).unwrap();
    assert_eq!(few.metrics["drawn"], json!([6, 2]));
    let none = run(&trial, json!({"shares": [1, 0]}), &[&synthetic, &real]).unwrap();
    assert_eq!(none.metrics["drawn"], json!([40, 0]));
}

#[test]
fn drawn_rows_follow_the_seed_and_not_the_order_of_rows() {
    let trial = Trial::new();
    let (synthetic, real) = (latents(&trial, 0..40, 0.0), latents(&trial, 0..40, 1.0));
    let reversed = latents(&trial, (0..40).rev(), 0.0);
    let drawn = |seed: u64, first: &Artifact| {
        let output = run(&trial, json!({"rows": 20, "seed": seed}), &[first, &real]).unwrap();
        let mut found = rows(&trial, &output);
        found.sort_by(|one, other| one.partial_cmp(other).unwrap());
        found
    };
    let first = drawn(0, &synthetic);
    assert_eq!(drawn(0, &reversed), first);
    assert_ne!(drawn(1, &synthetic), first);
    // Fewer rows are some of the more.
    let fewer = run(&trial, json!({"rows": 8, "seed": 0}), &[&synthetic, &real]).unwrap();
    assert!(rows(&trial, &fewer).iter().all(|row| first.contains(row)));
    // Two inputs of the same prompts are drawn from independently.
    let half = json!({"rows": 20, "shares": [0.5, 0.5]});
    let both = rows(&trial, &run(&trial, half, &[&synthetic, &real]).unwrap());
    let of = |input: f32| -> Vec<f32> {
        let rows = both.iter().filter(|row| row.0 == input);
        rows.map(|row| row.1).collect()
    };
    assert_ne!(of(0.0), of(1.0));
}

#[test]
fn what_is_not_there_cannot_be_drawn() {
    let trial = Trial::new();
    let (synthetic, real) = (latents(&trial, 0..40, 0.0), latents(&trial, 0..10, 1.0));
    let told = |more: Json, selections: &[&Artifact]| {
        let error = run(&trial, more, selections).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        error.to_string()
    };
    assert_eq!(
        told(json!({"rows": 48}), &[&synthetic, &real]),
        "`selections[1]` has 10 rows, 12 are needed for 48 rows with its share of 0.25; lower `rows`"
    );
    let empty = latents(&trial, 0..0, 0.0);
    assert_eq!(
        told(json!({}), &[&synthetic, &empty]),
        "Nothing to mix: `selections[1]` has 0 rows, too few for its share of 0.25"
    );
    assert_eq!(
        told(json!({}), &[&synthetic]),
        "Setting `shares` has 2 numbers for the 1 selection that `selections` stands for"
    );
}

#[test]
fn shares_that_make_no_sense_are_told_before_anything_runs() {
    let trial = Trial::new();
    let told = |shares: Json| {
        let mut stage = trial
            .stage::<MixConfig>(settings(json!({"shares": shares})))
            .unwrap();
        let input = |stage: &str| KnownInput {
            stage: stage.to_owned(),
            columns: Some(schema::latents()),
            candidates: None,
        };
        let mut inputs = KnownInputs::default();
        inputs.add("selections", vec![input("synthetic"), input("real")]);
        match stage.connected(inputs) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(told(json!([0.75, 0.25])), "");
    assert_eq!(told(json!([1, 0])), "");
    assert_eq!(told(json!([0.667, 0.333])), "");
    assert_eq!(
        told(json!([0.5, 0.25])),
        "Setting `shares` adds up to 0.75, expected 1"
    );
    assert_eq!(
        told(json!([1.5, -0.5])),
        "Setting `shares` has `1.5`, expected a number from 0 to 1"
    );
    assert_eq!(
        told(json!([1.0])),
        "Setting `shares` has 1 number for the 2 selections that `selections` stands for"
    );
    let mut none = trial
        .stage::<MixConfig>(json!({"selections": ["a@*"], "shares": []}))
        .unwrap();
    let error = none.connected(KnownInputs::default()).unwrap_err().to_string();
    assert!(error.contains("`selections` stands for no stage"), "{error}");
}

#[test]
fn settings_are_keyed_and_references_are_not() {
    let mut trial = Trial::new();
    let base = settings(json!({}));
    trial.assert_keyed::<MixConfig>(
        &base,
        &[
            ("shares", json!([0.5, 0.5])),
            ("rows", json!(10)),
            ("seed", json!(7)),
        ],
    );
    trial.assert_not_keyed::<MixConfig>(&base, &[("selections", json!(["a", "b"]))]);
    let config = |trial: &Trial| trial.stage::<MixConfig>(base.clone()).unwrap().config().unwrap();
    let unset = config(&trial);
    trial.defaults.seed = 9;
    assert_ne!(config(&trial), unset);
    let error = trial
        .stage::<MixConfig>(settings(json!({"top_k": 2})))
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("unknown field `top_k`"), "{error}");
}
