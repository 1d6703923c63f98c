use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use mitune_diffusion::adapter::{AdapterMethod, SavedAdapter};
use mitune_diffusion::model::ModelDirectory;
use mitune_diffusion::training::Draws as TrainingDraws;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::*;
use crate::contract::{Progress, StageError, StageOutput, Work};
use crate::draws::Draws;
use crate::select::SelectConfig;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_model;
use crate::testing::trial_tables::{Candidate, candidates};

const PROMPTS: [&str; 3] = ["a red circle", "a blue square and a red cross", "a green square"];

fn latent(draws: &mut Draws) -> Vec<f32> {
    (0..256).map(|_| draws.between(-2.0, 2.0)).collect()
}

fn pool() -> Vec<Candidate> {
    let mut draws = Draws::new("finetune test", 0, 0);
    (0..5)
        .map(|number| Candidate {
            prompt: PROMPTS[number % 3].to_owned(),
            seed_index: number as u32,
            mi: 0.0,
            latent: latent(&mut draws),
            png: None,
        })
        .collect()
}

/// A pipeline's folder with a model and a selection of five candidates.
struct Fixture {
    trial: Trial,
    selection: Artifact,
}

impl Fixture {
    fn new() -> Self {
        let mut trial = Trial::new();
        let model = trial.folder.path().join("model");
        trial_model::write(&model);
        trial.defaults.model = Some(model);
        let selection = Self::select(&trial, &pool());
        Self { trial, selection }
    }

    /// The same model and selection with a store in which nothing was trained.
    fn with_empty_store(&self) -> Self {
        let mut trial = Trial::new();
        trial.defaults.model = Some(self.model());
        let selection = Self::select(&trial, &pool());
        Self { trial, selection }
    }

    fn select(trial: &Trial, pool: &[Candidate]) -> Artifact {
        let table = candidates(&trial.store, pool);
        let settings = json!({"candidates": "generate", "top_k": 100});
        let output = trial
            .run::<SelectConfig>(settings, &[("candidates", &[&table])])
            .unwrap();
        output.outputs["selection"].clone()
    }

    fn model(&self) -> PathBuf {
        self.trial.defaults.model.clone().unwrap()
    }

    fn run(&self, settings: &Json) -> Result<StageOutput, StageError> {
        self.trial
            .run::<FinetuneConfig>(settings.clone(), &[("selection", &[&self.selection])])
    }

    fn run_from(&self, settings: &Json, adapter: &Artifact) -> Result<StageOutput, StageError> {
        let settings = with(settings, "adapter", &json!("previous.finetune"));
        let inputs: [(&'static str, &[&Artifact]); 2] =
            [("selection", &[&self.selection]), ("adapter", &[adapter])];
        self.trial.run::<FinetuneConfig>(settings, &inputs)
    }

    fn run_watched(&self, settings: &Json, progress: &dyn Progress) -> Result<StageOutput, StageError> {
        let inputs: [(&'static str, &[&Artifact]); 1] = [("selection", &[&self.selection])];
        self.trial
            .run_watched::<FinetuneConfig>(settings.clone(), &inputs, progress)
    }

    fn adapter(&self, output: &StageOutput) -> SavedAdapter {
        let bytes = self
            .trial
            .store
            .blobs()
            .read(&output.outputs["adapter"].file)
            .unwrap();
        SavedAdapter::from_bytes(&bytes, "unet").unwrap()
    }

    fn losses(&self, output: &StageOutput) -> Vec<f64> {
        let table = self
            .trial
            .store
            .artifacts()
            .read_table_whole(&output.outputs["losses"], None)
            .unwrap();
        let steps = table["step"].as_primitive::<UInt64Type>().values().to_vec();
        assert_eq!(steps, (0..steps.len() as u64).collect::<Vec<_>>());
        table["loss"].as_primitive::<Float64Type>().values().to_vec()
    }
}

fn quick() -> Json {
    json!({
        "selection": "select", "rank": 2, "alpha": 2.0, "batch_size": 4, "micro_batch": 2, "steps": 6,
        "learning_rate": 1e-2, "checkpoint_every": 2,
    })
}

/// Stops the run after a step, by asking or by dying.
struct StopAfter<'a> {
    step: u64,
    ask: Option<&'a AtomicBool>,
    messages: Mutex<Vec<String>>,
}

impl<'a> StopAfter<'a> {
    fn new(step: u64, ask: Option<&'a AtomicBool>) -> Self {
        Self {
            step,
            ask,
            messages: Mutex::default(),
        }
    }
}

impl Progress for StopAfter<'_> {
    fn begin(&self, _: Work) {}
    fn advance(&self, _: u64) {}
    fn message(&self, text: &str) {
        self.messages.lock().unwrap().push(text.to_owned());
    }
    fn metric(&self, _: &str, step: u64, _: f64) {
        if step == self.step {
            match self.ask {
                Some(cancelled) => cancelled.store(true, Ordering::Relaxed),
                None => panic!("the process dies"),
            }
        }
    }
}

#[test]
fn a_training_that_was_stopped_or_died_ends_with_the_same_content() {
    let whole = Fixture::new();
    let settings = quick();
    let expected = whole.run(&settings).unwrap();
    for step in 0..5 {
        let stopped = whole.with_empty_store();
        let ask = StopAfter::new(step, Some(&stopped.trial.cancelled));
        assert!(matches!(
            stopped.run_watched(&settings, &ask),
            Err(StageError::Interrupted)
        ));
        stopped.trial.cancelled.store(false, Ordering::Relaxed);
        let again = StopAfter::new(99, None);
        let output = stopped.run_watched(&settings, &again).unwrap();
        assert_eq!(output.outputs, expected.outputs, "stopped after step {step}");
        let messages = again.messages.into_inner().unwrap();
        assert!(
            messages
                .iter()
                .any(|text| text.contains(&format!("step {}", step + 1))),
            "{messages:?}"
        );
        assert_eq!(output.metrics, expected.metrics);
    }
    let died = whole.with_empty_store();
    for step in [3, 2, 4] {
        let death = catch_unwind(AssertUnwindSafe(|| {
            died.run_watched(&settings, &StopAfter::new(step, None))
        }));
        assert!(death.is_err());
    }
    assert_eq!(died.run(&settings).unwrap().outputs, expected.outputs);
}

/// Mean loss of the first update, one example after the other, with the formulas written out.
fn first_loss(fixture: &Fixture, timesteps: std::ops::Range<usize>, dropped: bool) -> f64 {
    let device = Device::flex();
    let model = ModelDirectory::open(&fixture.model())
        .unwrap()
        .load(&device, FloatDType::F32)
        .unwrap();
    let draws = TrainingDraws::new(0);
    let pool = pool();
    let mut total = 0.0;
    for position in 0..4_u64 {
        let positions = position..position + 1;
        let example = &pool[draws.items(positions.clone(), 5.try_into().unwrap())[0]];
        let timestep = draws.timesteps(positions.clone(), timesteps.clone())[0];
        let noise = draws.noise(positions, 256);
        let betas = (0..1000).map(|step| {
            let (first, last) = (0.00085_f64.sqrt(), 0.012_f64.sqrt());
            (first + (last - first) * f64::from(step) / 999.0).powi(2)
        });
        let signal: f64 = betas.take(timestep + 1).map(|beta| 1.0 - beta).product();
        let noisy: Vec<f32> = example
            .latent
            .iter()
            .zip(&noise)
            .map(|(&clean, &noise)| {
                (signal.sqrt() * f64::from(clean) + (1.0 - signal).sqrt() * f64::from(noise)) as f32
            })
            .collect();
        let noisy = Tensor::<4>::from_data(TensorData::new(noisy, [1, 4, 8, 8]), &device);
        let prompt = if dropped { "" } else { &example.prompt };
        let size = model.image_size([4, 8, 8]);
        let context = model
            .encode_prompts(&[prompt], size, &device)
            .unwrap()
            .conditioning;
        let time = Tensor::from_data([timestep as f32], &device);
        let predicted: Vec<f32> = model
            .network
            .forward(noisy, time, context)
            .into_data()
            .try_into_vec()
            .unwrap();
        let squares = predicted
            .iter()
            .zip(&noise)
            .map(|(one, other)| f64::from(one - other).powi(2));
        total += squares.sum::<f64>() / 256.0;
    }
    total / 4.0
}

#[test]
fn the_first_loss_is_the_denoising_loss_of_the_selected_latents_as_they_are() {
    let fixture = Fixture::new();
    let once = with(&quick(), "steps", &json!(1));
    let check = |settings: &Json, timesteps, dropped| {
        let found = fixture.losses(&fixture.run(settings).unwrap())[0];
        let expected = first_loss(&fixture, timesteps, dropped);
        assert!((found - expected).abs() < 1e-5 * expected, "{found} {expected}");
    };
    check(&once, 500..1000, false);
    check(
        &with(&once, "timesteps", &json!({"first": 20, "last": 30})),
        20..31,
        false,
    );
    check(&with(&once, "caption_dropout", &json!(1.0)), 500..1000, true);
}

#[test]
fn micro_batches_change_rounding_only() {
    let fixture = Fixture::new();
    let two = fixture.adapter(&fixture.run(&quick()).unwrap());
    let four = fixture.adapter(&fixture.run(&with(&quick(), "micro_batch", &json!(4))).unwrap());
    let mut moved = 0.0_f32;
    for (name, layer) in &two.layers {
        for (one, other) in layer.lora_b.iter().zip(&four.layers[name].lora_b) {
            moved = moved.max(one.abs());
            assert!((one - other).abs() < 2e-3, "{name}: {one} {other}");
        }
    }
    // Adam moves by about the learning rate at each of six steps.
    assert!(moved > 2e-2, "{moved}");
}

#[test]
fn training_on_one_example_learns_it() {
    let fixture = Fixture::new();
    let mut one = pool();
    one.truncate(1);
    let selection = Fixture::select(&fixture.trial, &one);
    let mut settings = quick();
    settings["steps"] = json!(60);
    settings["timesteps"] = json!({"first": 900, "last": 900});
    let output = fixture
        .trial
        .run::<FinetuneConfig>(settings, &[("selection", &[&selection])])
        .unwrap();
    let losses = fixture.losses(&output);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..10]), mean(&losses[50..]));
    assert!(last < 0.95 * first, "{first} {last}");
    assert_eq!(output.metrics["examples"], 1);
    assert_eq!(output.metrics["passes"], 240.0);
}

#[test]
fn the_adapter_is_a_file_of_its_kind_and_the_next_round_goes_on_from_it() {
    let fixture = Fixture::new();
    let first = fixture.run(&quick()).unwrap();
    let saved = fixture.adapter(&first);
    assert_eq!(
        (saved.method, saved.rank().unwrap(), saved.alpha().unwrap()),
        (AdapterMethod::Dora, 2, 2.0)
    );
    assert_eq!(first.metrics["adapted_layers"], saved.layers.len());
    let still = with(
        &with(&quick(), "steps", &json!(1)),
        "learning_rate",
        &json!(1e-30),
    );
    let next = fixture.run_from(&still, &first.outputs["adapter"]).unwrap();
    assert_eq!(fixture.adapter(&next), saved);
    assert_ne!(fixture.adapter(&fixture.run(&still).unwrap()), saved);
    for (change, words) in [
        (("rank", json!(4)), "has `rank` 2, the settings say 4"),
        (("alpha", json!(4.0)), "has `alpha` 2, the settings say 4"),
        (
            ("method", json!("lora")),
            "has `method` dora, the settings say lora",
        ),
        (("targets", json!({"feed_forward": false})), "layers"),
    ] {
        let error = fixture
            .run_from(&with(&still, change.0, &change.1), &first.outputs["adapter"])
            .unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)));
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_training_that_diverges_stops_and_keeps_its_last_good_checkpoint() {
    let fixture = Fixture::new();
    let mut settings = quick();
    settings["learning_rate"] = json!(1e30);
    settings["checkpoint_every"] = json!(1);
    let error = fixture.run(&settings).unwrap_err();
    assert!(matches!(error, StageError::Failed(_)));
    let message = error.to_string();
    assert!(
        message.contains("at step 1 of 6") && message.contains("Lower the learning rate"),
        "{message}"
    );
    let again = StopAfter::new(99, None);
    assert_eq!(
        fixture.run_watched(&settings, &again).unwrap_err().to_string(),
        message
    );
    let messages = again.messages.into_inner().unwrap();
    assert!(
        messages.iter().any(|text| text.contains("checkpoint of step 1")),
        "{messages:?}"
    );
}

#[test]
fn what_cannot_be_trained_on_is_told() {
    let fixture = Fixture::new();
    let mut odd = pool();
    odd[3].latent.truncate(64);
    let mut thin = pool();
    thin.iter_mut().for_each(|candidate| candidate.latent.truncate(3));
    let mut broken = pool();
    broken[2].latent[7] = f32::INFINITY;
    for (pool, words) in [
        (odd, "the first one"),
        (thin, "the model takes 4"),
        (broken, "`inf`"),
    ] {
        let selection = Fixture::select(&fixture.trial, &pool);
        let error = fixture
            .trial
            .run::<FinetuneConfig>(quick(), &[("selection", &[&selection])])
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let late = with(&quick(), "timesteps", &json!({"first": 990, "last": 1000}));
    let error = fixture.run(&late).unwrap_err().to_string();
    assert_eq!(
        error,
        "Setting `timesteps` ends at 1000, the model's schedule at 999"
    );
    for (name, value, words) in [
        ("micro_batch", json!(3), "divisor of `batch_size`, 4"),
        ("timesteps", json!({"first": 9, "last": 8}), "begins at 9"),
        ("learning_rate", json!(0.0), "`learning_rate` is 0"),
        ("caption_dropout", json!(1.5), "`caption_dropout` is 1.5"),
        ("steps", json!(0), "`steps` is 0"),
        ("optimizer", json!({"beta": 0.5}), "unknown field `beta`"),
    ] {
        let error = fixture
            .trial
            .stage::<FinetuneConfig>(with(&quick(), name, &value))
            .map(|_| ())
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn what_changes_the_result_is_keyed_and_nothing_else() {
    let mut trial = Trial::new();
    trial.defaults.model = Some("model".into());
    let base = json!({"selection": "select"});
    trial.assert_keyed::<FinetuneConfig>(
        &base,
        &[
            ("method", json!("lora")),
            ("rank", json!(16)),
            ("alpha", json!(16.0)),
            ("targets", json!({"attention": true, "feed_forward": false})),
            ("targets", json!({"attention": false})),
            ("targets", json!({"modules": ["conv1"]})),
            ("timesteps", json!({"first": 0})),
            ("timesteps", json!({"last": 998})),
            ("learning_rate", json!(1e-3)),
            ("warmup", json!(1)),
            ("optimizer", json!({"beta1": 0.8})),
            ("optimizer", json!({"beta2": 0.99})),
            ("optimizer", json!({"epsilon": 1e-6})),
            ("optimizer", json!({"weight_decay": 0.0})),
            ("clip_norm", json!(2.0)),
            ("clip_norm", Json::Null),
            ("batch_size", json!(200)),
            ("micro_batch", json!(4)),
            ("steps", json!(100)),
            ("caption_dropout", json!(0.1)),
            ("seed", json!(1)),
            ("init_seed", json!(1)),
        ],
    );
    trial.assert_not_keyed::<FinetuneConfig>(
        &base,
        &[
            ("selection", json!("other")),
            ("adapter", json!("previous.finetune")),
            ("model", json!("elsewhere")),
            ("checkpoint_every", json!(1)),
            ("micro_batch", json!(8)),
            ("init_seed", json!(0)),
            ("alpha", json!(32)),
        ],
    );
    let unset = trial
        .stage::<FinetuneConfig>(base.clone())
        .unwrap()
        .config()
        .unwrap();
    trial.defaults.seed = 5;
    assert_ne!(
        trial.stage::<FinetuneConfig>(base).unwrap().config().unwrap(),
        unset
    );
}

#[test]
fn joint_selections_are_trained_on_as_one_set() {
    let fixture = Fixture::new();
    let pool = pool();
    let [first, second] = [&pool[..2], &pool[2..]].map(|part| Fixture::select(&fixture.trial, part));
    let settings = with(&quick(), "joint_with", &json!(["other"]));
    let run = |first: &Artifact, second: &Artifact| {
        let inputs: [(&'static str, &[&Artifact]); 2] = [("selection", &[first]), ("joint_with", &[second])];
        fixture
            .trial
            .run::<FinetuneConfig>(settings.clone(), &inputs)
            .unwrap()
    };
    let joint = run(&first, &second);
    assert_eq!(joint.metrics["examples"], 5);
    assert_eq!(joint.metrics["prompts"], 3);
    let same = run(&first, &second);
    assert_eq!(fixture.adapter(&joint), fixture.adapter(&same));
    assert_ne!(fixture.adapter(&joint), fixture.adapter(&run(&second, &first)));
    assert_eq!(run(&first, &first).metrics["examples"], 4);
}
