use arrow_array::cast::AsArray;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use mitune_diffusion::image::RgbImage;
use mitune_diffusion::model::ModelDirectory;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::measures::rows::EvaluationRow;
use super::measures::table::evaluation_rows;
use super::*;
use crate::contract::{KnownInput, KnownInputs, StageError, StageOutput};
use crate::draws::Draws;
use crate::shapes::alignment::Failure;
use crate::shapes::render::Image;
use crate::shapes::scene::Scene;
use crate::shapes::world::Prompt;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_model;
use crate::testing::trial_tables::{Candidate, candidates, scores};

const PROMPT: &str = "a red circle and a blue square";

fn png(shown: Prompt, index: u64) -> Vec<u8> {
    let image = Image::render(&Scene::draw(shown, &mut Draws::new("evaluate test", 0, index)));
    RgbImage::new(32, 32, image.to_rgb8()).unwrap().to_png().unwrap()
}

/// Thirty prompts with four images each: `right` says which show their prompt, the others mix up the colours.
fn pool(right: impl Fn(u64) -> bool) -> Vec<Candidate> {
    let prompts = Prompt::all();
    (0..120)
        .map(|number| {
            let asked = prompts[number as usize / 4 * 11];
            let shown = if right(number) {
                asked
            } else {
                asked.with_swapped_colours()
            };
            Candidate {
                prompt: asked.to_string(),
                seed_index: number as u32 % 4,
                mi: number as f64 % 7.0,
                latent: vec![0.0; 256],
                png: Some(png(shown, number)),
            }
        })
        .collect()
}

fn settings() -> Json {
    json!({"candidates": "generate", "bootstrap": {"replicates": 200}, "batch_size": 7})
}

fn rows(trial: &Trial, output: &StageOutput) -> Vec<EvaluationRow> {
    evaluation_rows(
        &trial
            .store
            .artifacts()
            .read_table_whole(&output.outputs["rows"], None)
            .unwrap(),
    )
    .unwrap()
}

fn evaluate(
    trial: &Trial,
    table: &Artifact,
    more: &[(&'static str, &Artifact)],
) -> Result<StageOutput, StageError> {
    let mut settings = settings();
    let more: Vec<(&'static str, [&Artifact; 1])> =
        more.iter().map(|(port, table)| (*port, [*table])).collect();
    let mut inputs: Vec<(&'static str, &[&Artifact])> = more
        .iter()
        .map(|(port, table)| (*port, table.as_slice()))
        .collect();
    inputs.push(("candidates", std::slice::from_ref(&table)));
    if more.iter().any(|(port, _)| *port == "scores") {
        settings["scores"] = json!(["score"]);
    }
    if more.iter().any(|(port, _)| *port == "baseline") {
        settings["baseline"] = json!("base:rows");
    }
    trial.run::<EvaluateConfig>(settings, &inputs)
}

#[test]
fn what_images_show_is_read_off_them_and_the_power_of_scores_measured() {
    let trial = Trial::new();
    let right = |number: u64| !number.is_multiple_of(3);
    let pool = pool(right);
    let table = candidates(&trial.store, &pool);
    let good = scores(&trial.store, &["good"], &pool, |_, row| {
        f64::from(u8::from(right(row as u64)))
    });
    let output = evaluate(&trial, &table, &[("scores", &good)]).unwrap();
    let rows = rows(&trial, &output);
    assert_eq!(rows.len(), 120);
    for (number, (row, candidate)) in rows.iter().zip(&pool).enumerate() {
        let failure = (!right(number as u64)).then_some(Failure::Binding);
        assert_eq!(
            (row.failure, row.aligned),
            (failure, failure.is_none()),
            "{row:?}"
        );
        assert_eq!(
            (&row.prompt, row.seed_index),
            (&candidate.prompt, candidate.seed_index)
        );
        assert_eq!(row.prompt_id, candidate.id());
    }
    let report: EvaluationReport = trial
        .store
        .artifacts()
        .read_json(&output.outputs["summary"])
        .unwrap();
    let aligned = report.alignment.aligned.unwrap();
    assert_eq!(
        (aligned.value, report.alignment.images, report.alignment.prompts),
        (80.0 / 120.0, 120, 30)
    );
    assert_eq!(report.alignment.failures[&Failure::Binding].value, 40.0 / 120.0);
    let names: Vec<&str> = report.scores.iter().map(|power| power.score.as_str()).collect();
    assert_eq!(names, ["mi", "good"]);
    assert_eq!(report.scores[1].overall.auc.unwrap().value, 1.0);
    assert_eq!(report.agreements.len(), 1);
    // Candidates of trials have one timestep, so its term is the score.
    let [mi] = &report.timesteps[..] else {
        panic!("{:?}", report.timesteps);
    };
    assert_eq!((mi.score.as_str(), mi.timesteps.len()), ("mi", 1));
    let alone = mi.timesteps[0].auc.unwrap().value;
    assert_eq!(alone, report.scores[0].overall.auc.unwrap().value);
    assert_eq!(mi.timesteps[0].weight, 1.0);
    assert!(report.comparison.is_none());
    assert!(
        report
            .reader
            .iter()
            .all(|check| check.accuracy.images == 2000 && check.accuracy.share() >= 0.995)
    );
    assert_eq!(output.metrics["aligned"], aligned.value);
    assert_eq!(output.metrics["aligned_low"], aligned.low);
    assert_eq!(output.metrics["aligned_high"], aligned.high);
    assert_eq!(output.metrics["auc_good"], 1.0);
    let headline = output.metrics["headline"].as_str().unwrap();
    assert!(
        headline.starts_with("66.7% [") && headline.ends_with("of 120 images of 30 prompts aligned"),
        "{headline}"
    );
}

#[test]
fn a_baseline_is_compared_image_by_image() {
    let trial = Trial::new();
    let before = evaluate(
        &trial,
        &candidates(&trial.store, &pool(|number| number % 2 == 0)),
        &[],
    )
    .unwrap();
    let mut after = pool(|number| number % 2 == 0 || number % 4 == 1);
    after.reverse();
    let after = candidates(&trial.store, &after);
    let output = evaluate(&trial, &after, &[("baseline", &before.outputs["rows"])]).unwrap();
    let report: EvaluationReport = trial
        .store
        .artifacts()
        .read_json(&output.outputs["summary"])
        .unwrap();
    let comparison = report.comparison.unwrap();
    assert_eq!(comparison.aligned.unwrap().value, 0.25);
    assert_eq!(comparison.broken.unwrap().value, 0.0);
    assert_eq!(output.metrics["difference"], 0.25);
    assert_eq!(output.metrics["difference_low"], comparison.aligned.unwrap().low);
    assert_eq!(
        output.metrics["difference_high"],
        comparison.aligned.unwrap().high
    );
    let headline = output.metrics["headline"].as_str().unwrap();
    assert!(headline.contains("; +25.0 points ["), "{headline}");
    let fewer = candidates(&trial.store, &pool(|_| true)[..8]);
    let error = evaluate(&trial, &fewer, &[("baseline", &before.outputs["rows"])]).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
}

#[test]
fn candidates_without_images_are_decoded() {
    let mut trial = Trial::new();
    let path = trial.folder.path().join("model");
    trial_model::write(&path);
    let device = Device::flex();
    let model = ModelDirectory::open(&path)
        .unwrap()
        .load(&device, FloatDType::F32)
        .unwrap();
    trial.defaults.model = Some(path);
    let mut draws = Draws::new("evaluate latents", 0, 0);
    let mut latents = Vec::new();
    let mut images = Vec::new();
    for seed_index in 0..5 {
        let latent: Vec<f32> = (0..256).map(|_| draws.between(-20.0, 20.0)).collect();
        let data = TensorData::new(latent.clone(), [1, 4, 8, 8]);
        let image = model.decode(Tensor::from_data(data, (&device, DType::F32)));
        let png = RgbImage::from_tensor(image.squeeze_dim(0))
            .unwrap()
            .to_png()
            .unwrap();
        let candidate = |png| Candidate {
            prompt: PROMPT.to_owned(),
            seed_index,
            mi: 0.0,
            latent: latent.clone(),
            png,
        };
        // Every other candidate comes with an image, which then goes before the latent.
        latents.push(candidate((seed_index % 2 == 1).then(|| png.clone())));
        images.push(candidate(Some(png)));
    }
    let alone = with(&settings(), "batch_size", &json!(1));
    let run = |pool: &[Candidate]| {
        let table = candidates(&trial.store, pool);
        trial
            .run::<EvaluateConfig>(alone.clone(), &[("candidates", &[&table])])
            .unwrap()
    };
    assert_eq!(run(&latents).outputs, run(&images).outputs);
}

#[test]
fn what_cannot_be_judged_is_told() {
    let trial = Trial::new();
    let base = || pool(|_| true)[..8].to_vec();
    let error = |pool: &[Candidate]| evaluate(&trial, &candidates(&trial.store, pool), &[]).unwrap_err();
    let mut other = base();
    other[5].prompt = "a photo of a cat".to_owned();
    let message = error(&other);
    assert!(matches!(message, StageError::Configuration(_)));
    assert!(
        message
            .to_string()
            .starts_with("`evaluate` reads pixels of the shapes world only; prompt `a photo of a cat`"),
        "{message}"
    );
    let mut large = base();
    large[3].png = Some(
        RgbImage::new(64, 64, vec![0; 3 * 64 * 64])
            .unwrap()
            .to_png()
            .unwrap(),
    );
    assert!(error(&large).to_string().contains("has 64 x 64 pixels"));
    let mut broken = base();
    broken[3].png = Some(b"not a picture".to_vec());
    assert!(matches!(error(&broken), StageError::Failed(_)));
    let mut bare = base();
    bare[3].png = None;
    let message = error(&bare);
    assert!(
        message.to_string().contains("no model to decode its latent"),
        "{message}"
    );
    let mut strange = base();
    strange[3].mi = f64::NAN;
    assert!(error(&strange).to_string().contains("`NaN`"));
}

#[test]
fn what_changes_the_result_is_keyed_and_nothing_else() {
    let trial = Trial::new();
    let base = json!({"candidates": "generate"});
    trial.assert_keyed::<EvaluateConfig>(
        &base,
        &[
            ("bootstrap", json!({"replicates": 100})),
            ("bootstrap", json!({"confidence": 0.9})),
            ("bootstrap", json!({"seed": 3})),
            ("batch_size", json!(8)),
        ],
    );
    trial.assert_not_keyed::<EvaluateConfig>(
        &base,
        &[
            ("candidates", json!("tuned")),
            ("scores", json!(["score"])),
            ("baseline", json!("base:rows")),
            ("model", json!("elsewhere")),
            ("bootstrap", json!({})),
        ],
    );
    let wrong = with(&base, "bootstrap", &json!({"replicates": 0}));
    assert!(trial.stage::<EvaluateConfig>(wrong).is_err());
}

#[test]
fn selection_by_truth_takes_what_evaluation_yields() {
    let trial = Trial::new();
    let pool = pool(|number| number % 4 == 2);
    let table = candidates(&trial.store, &pool);
    let rows = evaluate(&trial, &table, &[]).unwrap().outputs["rows"].clone();
    let settings = json!({"candidates": "generate", "evaluation": "evaluate", "by": "oracle"});
    let inputs: [(&'static str, &[&Artifact]); 2] = [("candidates", &[&table]), ("evaluation", &[&rows])];
    let output = trial
        .run::<crate::select::SelectConfig>(settings, &inputs)
        .unwrap();
    let selection = trial
        .store
        .artifacts()
        .read_table_whole(&output.outputs["selection"], Some(&["seed_index"]))
        .unwrap();
    let seed_indices = selection["seed_index"].as_primitive::<arrow_array::types::UInt32Type>();
    assert_eq!(seed_indices.values(), &[2; 30]);
}

#[test]
fn tables_of_other_candidates_are_told_with_their_place() {
    let trial = Trial::new();
    let pool = pool(|_| true);
    let few = candidates(&trial.store, &pool[..8]);
    let cause = |error: StageError| std::error::Error::source(&error).unwrap().to_string();
    // Scores of no candidate are no scores that are null for each.
    let foreign = scores(&trial.store, &["itm"], &pool[8..], |candidate, _| candidate.mi);
    let error = evaluate(&trial, &few, &[("scores", &foreign)]).unwrap_err();
    assert!(crate::failure_hint::hint(&error).is_some());
    assert_eq!(
        cause(error),
        "`scores[0]` is about other candidates: it has no row of any of these 8"
    );
    let all = evaluate(&trial, &candidates(&trial.store, &pool), &[]).unwrap();
    let error = evaluate(&trial, &few, &[("baseline", &all.outputs["rows"])]).unwrap_err();
    assert!(crate::failure_hint::hint(&error).is_some());
    assert_eq!(
        cause(error),
        format!(
            "Candidate `0` of prompt `{}` is in `baseline`, but not in `candidates`",
            pool[8].id()
        )
    );
    let mut stage = trial.stage::<EvaluateConfig>(settings()).unwrap();
    let known = |stage: &str| KnownInput {
        stage: stage.to_owned(),
        columns: None,
        candidates: None,
    };
    let mut inputs = KnownInputs::default();
    inputs.add("scores", vec![known("one"), known("two")]);
    inputs.add("baseline", Vec::new());
    stage.connected(inputs).unwrap();
    let rows = |scores: u64| {
        move |port: &str| match port {
            "candidates" => Some(8),
            "scores" => Some(scores),
            _ => Some(0),
        }
    };
    assert!(stage.check_rows(&rows(16)).is_ok());
    let error = stage.check_rows(&rows(15)).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
}
