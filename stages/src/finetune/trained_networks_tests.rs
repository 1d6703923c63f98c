//! What is trained and how: all weights, the text encoder, other optimizers.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::adapter::{AdapterContents, TEXT_ENCODER, UNET};
use mitune_diffusion::clip::TEXT_MODEL_NAMES;
use mitune_diffusion::model::{DiffusionModel, ModelDirectory};
use mitune_diffusion::nn::weights::{NameTable, TensorMap, module_tensors};
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::*;
use crate::contract::{Progress, StageError, StageOutput, Work};
use crate::draws::Draws;
use crate::generate::GenerateConfig;
use crate::ingest::prompts::PromptsConfig;
use crate::select::SelectConfig;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_model;
use crate::testing::trial_tables::{Candidate, candidates};

const PROMPTS: [&str; 2] = ["a red circle", "a blue square and a red cross"];

/// A selection of four candidates of two prompts.
fn selection(trial: &Trial) -> Artifact {
    let mut draws = Draws::new("trained networks test", 0, 0);
    let pool: Vec<Candidate> = (0..4)
        .map(|number| Candidate {
            prompt: PROMPTS[number % 2].to_owned(),
            seed_index: number as u32,
            mi: 0.0,
            latent: (0..256).map(|_| draws.between(-2.0, 2.0)).collect(),
            png: None,
        })
        .collect();
    let table = candidates(&trial.store, &pool);
    let settings = json!({"candidates": "generate", "top_k": 100});
    let output = trial
        .run::<SelectConfig>(settings, &[("candidates", &[&table])])
        .unwrap();
    output.outputs["selection"].clone()
}

fn trial() -> Trial {
    let mut trial = Trial::new();
    let model = trial.folder.path().join("model");
    trial_model::write(&model);
    trial.defaults.model = Some(model);
    trial
}

fn quick() -> Json {
    json!({
        "selection": "select", "rank": 2, "alpha": 2.0, "batch_size": 2, "steps": 4, "learning_rate": 1e-2,
        "checkpoint_every": 2,
    })
}

fn run(trial: &Trial, settings: Json) -> StageOutput {
    let selection = selection(trial);
    trial
        .run::<FinetuneConfig>(settings, &[("selection", &[&selection])])
        .unwrap()
}

fn load(folder: &Path) -> DiffusionModel {
    let directory = ModelDirectory::open(folder).unwrap();
    directory.load(&Device::flex(), FloatDType::F32).unwrap()
}

fn exported(trial: &Trial, model: &Artifact, name: &str) -> DiffusionModel {
    let folder = trial.folder.path().join(name);
    trial.store.artifacts().export(model, &folder).unwrap();
    load(&folder)
}

fn denoiser(model: &DiffusionModel) -> TensorMap {
    module_tensors(&model.network, &NameTable::default())
}

fn text_encoder(model: &DiffusionModel) -> TensorMap {
    module_tensors(&model.text_encoder, &TEXT_MODEL_NAMES)
}

/// How many tensors differ.
fn changed(one: &TensorMap, other: &TensorMap) -> usize {
    assert!(one.keys().eq(other.keys()));
    one.iter()
        .filter(|(name, tensor)| other[*name] != **tensor)
        .count()
}

#[test]
fn all_weights_become_a_model_that_other_trainings_go_on_from() {
    let trial = trial();
    let base = load(trial.defaults.model.as_deref().unwrap());
    for optimizer in [json!({}), json!({"adafactor": {}})] {
        let settings = with(&with(&quick(), "method", &json!("full")), "optimizer", &optimizer);
        let output = run(&trial, settings.clone());
        let model = &output.outputs["model"];
        let name = optimizer.to_string().replace(['{', '}', '"', ':'], "");
        let trained = exported(&trial, model, &format!("first {name}"));
        // A weight that nothing depends on at one noise level may stay.
        let all = denoiser(&base).len();
        assert!(changed(&denoiser(&base), &denoiser(&trained)) > all * 9 / 10);
        assert_eq!(changed(&text_encoder(&base), &text_encoder(&trained)), 0);
        let numbers: usize = denoiser(&base)
            .values()
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum();
        assert_eq!(output.metrics["trained_numbers"], numbers);
        let selection = selection(&trial);
        let again = with(&settings, "model_from", &json!("first"));
        let inputs: [(&'static str, &[&Artifact]); 2] =
            [("selection", &[&selection]), ("model_from", &[model])];
        let again = trial.run::<FinetuneConfig>(again, &inputs).unwrap();
        assert_ne!(again.outputs["model"].content, model.content);
    }
}

#[test]
fn both_networks_become_one_model() {
    let trial = trial();
    let base = load(trial.defaults.model.as_deref().unwrap());
    let settings = with(&quick(), "method", &json!("full"));
    let output = run(
        &trial,
        with(&settings, "text_encoder", &json!({"learning_rate": 1e-3})),
    );
    let trained = exported(&trial, &output.outputs["model"], "both");
    assert!(changed(&denoiser(&base), &denoiser(&trained)) > 0);
    assert!(changed(&text_encoder(&base), &text_encoder(&trained)) > 0);
}

fn generated(trial: &Trial, adapter: &Artifact) -> Artifact {
    let prompts = json!({"source": {"inline": [PROMPTS[0]]}});
    let prompts = trial.run::<PromptsConfig>(prompts, &[]).unwrap().outputs["prompts"].clone();
    let settings = json!({
        "prompts": "p", "adapter": "a", "candidates_per_prompt": 1, "batch_size": 1, "sampler": {"steps": 2},
    });
    let inputs: [(&'static str, &[&Artifact]); 2] = [("prompts", &[&prompts]), ("adapter", &[adapter])];
    trial.run::<GenerateConfig>(settings, &inputs).unwrap().outputs["candidates"].clone()
}

#[test]
fn the_adapter_of_a_text_encoder_is_in_the_file_and_worn_when_generating() {
    let trial = trial();
    let settings = with(&quick(), "text_encoder", &json!({"learning_rate": 1e-2}));
    let output = run(&trial, settings.clone());
    let artifact = &output.outputs["adapter"];
    let bytes = trial.store.blobs().read(&artifact.file).unwrap();
    let adapters = AdapterContents::read(&bytes, None).unwrap().adapters;
    let text = &adapters[TEXT_ENCODER];
    // One layer of the trial model with its four projections.
    assert_eq!(text.layers.len(), 4);
    assert!(
        text.layers
            .contains_key("text_model.encoder.layers.0.self_attn.q_proj")
    );
    assert!(
        text.layers
            .values()
            .all(|layer| layer.lora_b.iter().any(|value| *value != 0.0))
    );
    let layers = adapters[UNET].layers.len() + text.layers.len();
    assert_eq!(output.metrics["adapted_layers"], layers);
    let (tensors, metadata) = adapters[UNET].to_tensors(UNET);
    let tensors = tensors.into_iter().map(|(name, tensor)| {
        let bytes = mitune_store::TensorBytes {
            dtype: tensor.dtype,
            shape: tensor.shape,
            data: tensor.data,
        };
        (name, bytes)
    });
    let artifacts = trial.store.artifacts();
    let denoiser_alone = artifacts.put_tensors(&tensors.collect(), &metadata).unwrap();
    let (both, alone) = (generated(&trial, artifact), generated(&trial, &denoiser_alone));
    assert_ne!(both.content, alone.content);

    let selection = selection(&trial);
    let settings = with(&settings, "adapter", &json!("previous.finetune"));
    let go_on = |adapter: &Artifact| {
        let inputs: [(&'static str, &[&Artifact]); 2] =
            [("selection", &[&selection]), ("adapter", &[adapter])];
        trial.run::<FinetuneConfig>(settings.clone(), &inputs)
    };
    let further = go_on(artifact).unwrap();
    assert_ne!(further.outputs["adapter"].content, artifact.content);
    let message = go_on(&denoiser_alone).unwrap_err().to_string();
    assert_eq!(
        message,
        "The adapter to go on from does not change the `text_encoder`, which the settings train"
    );
    let denoiser_only = with(&settings, "text_encoder", &Json::Null);
    let inputs: [(&'static str, &[&Artifact]); 2] = [("selection", &[&selection]), ("adapter", &[artifact])];
    let error = trial.run::<FinetuneConfig>(denoiser_only, &inputs).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    let message = error.to_string();
    assert!(
        message.starts_with("The adapter to go on from changes the `text_encoder` too")
            && message.contains("`merge_into_model`"),
        "{message}"
    );
}

#[test]
fn settings_of_adapters_are_in_no_key_where_all_weights_are_trained() {
    let trial = trial();
    let full = with(&quick(), "method", &json!("full"));
    let changes = [
        ("rank", json!(7)),
        ("alpha", json!(7.0)),
        ("targets", json!({"feed_forward": false})),
        ("init_seed", json!(7)),
    ];
    trial.assert_not_keyed::<FinetuneConfig>(&full, &changes);
    trial.assert_keyed::<FinetuneConfig>(&quick(), &changes);
    trial.assert_keyed::<FinetuneConfig>(&full, &[("seed", json!(7)), ("learning_rate", json!(0.5))]);
}

/// Asks a run to stop after a step.
struct StopAfter<'a>(u64, &'a AtomicBool);

impl Progress for StopAfter<'_> {
    fn begin(&self, _: Work) {}
    fn advance(&self, _: u64) {}
    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, step: u64, _: f64) {
        if step == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_training_that_was_stopped_ends_with_the_same_content_whatever_is_trained() {
    let text = json!({"learning_rate": 1e-3});
    let adafactor = json!({"adafactor": {}});
    let settings = [
        with(&quick(), "optimizer", &adafactor),
        with(&quick(), "text_encoder", &text),
        with(&with(&quick(), "method", &json!("full")), "optimizer", &adafactor),
    ];
    for settings in settings {
        let whole = trial();
        let expected = run(&whole, settings.clone());
        let mut stopped = Trial::new();
        stopped.defaults.model.clone_from(&whole.defaults.model);
        let selection = selection(&stopped);
        let inputs: [(&'static str, &[&Artifact]); 1] = [("selection", &[&selection])];
        let watched = stopped.run_watched::<FinetuneConfig>(
            settings.clone(),
            &inputs,
            &StopAfter(2, &stopped.cancelled),
        );
        assert!(matches!(watched, Err(StageError::Interrupted)), "{settings}");
        stopped.cancelled.store(false, Ordering::Relaxed);
        let output = stopped.run::<FinetuneConfig>(settings.clone(), &inputs).unwrap();
        assert_eq!(output.outputs, expected.outputs, "{settings}");
    }
}

#[test]
fn what_cannot_be_trained_together_is_refused() {
    let trial = trial();
    let message = |settings: Json| trial.stage::<FinetuneConfig>(settings).err().unwrap().to_string();
    let full = with(&quick(), "method", &json!("full"));
    let found = message(with(&full, "adapter", &json!("a")));
    assert!(found.contains("`merge_into_model`"), "{found}");
    let two = json!({"beta1": 0.5, "adafactor": {}});
    assert!(message(with(&quick(), "optimizer", &two)).contains("beside `adafactor`"));
    let rising = json!({"adafactor": {"decay_rate": 0.5}});
    let found = message(with(&quick(), "optimizer", &rising));
    assert!(
        found.contains("`optimizer.adafactor.decay_rate` is 0.5, expected at most 0"),
        "{found}"
    );
    let none = json!({"learning_rate": 0.0});
    let found = message(with(&quick(), "text_encoder", &none));
    assert!(found.contains("`text_encoder.learning_rate` is 0"), "{found}");
}

#[test]
fn a_model_of_two_text_encoders_is_refused_where_one_is_to_be_trained() {
    let mut trial = Trial::new();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diffusion/tests/golden/models");
    trial.defaults.model = Some(models.join("sdxl"));
    let selection = selection(&trial);
    let settings = with(&quick(), "text_encoder", &json!({}));
    let error = trial
        .run::<FinetuneConfig>(settings, &[("selection", &[&selection])])
        .unwrap_err();
    assert!(
        error.to_string().contains("models of one text encoder"),
        "{error}"
    );
}
