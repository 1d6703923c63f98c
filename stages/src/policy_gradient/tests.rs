use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use mitune_diffusion::adapter::SavedAdapter;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::*;
use crate::contract::{Progress, StageError, StageOutput, Work};
use crate::ingest::prompts::PromptsConfig;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_model;

const KINDS: [&str; 2] = ["dpok", "ddpo"];

/// A pipeline's folder with a model and prompts.
struct Fixture {
    trial: Trial,
    prompts: Artifact,
}

impl Fixture {
    fn new() -> Self {
        let trial = Trial::new();
        trial_model::write(&trial.folder.path().join("model"));
        let model = trial.folder.path().join("model");
        Self::of(trial, model)
    }

    /// The same model and prompts with a store in which nothing was trained.
    fn with_empty_store(&self) -> Self {
        Self::of(Trial::new(), self.trial.defaults.model.clone().unwrap())
    }

    fn of(mut trial: Trial, model: std::path::PathBuf) -> Self {
        trial.defaults.model = Some(model);
        let texts = [
            "a red circle and a blue square",
            "a green square and a red circle",
        ];
        let settings = json!({"source": {"inline": texts}});
        let output = trial.run::<PromptsConfig>(settings, &[]).unwrap();
        let prompts = output.outputs["prompts"].clone();
        Self { trial, prompts }
    }

    fn run(&self, settings: &Json) -> Result<StageOutput, StageError> {
        let inputs: [(&'static str, &[&Artifact]); 1] = [("prompts", &[&self.prompts])];
        self.trial.run::<PolicyGradientConfig>(settings.clone(), &inputs)
    }

    fn run_watched(&self, settings: &Json, progress: &dyn Progress) -> Result<StageOutput, StageError> {
        let inputs: [(&'static str, &[&Artifact]); 1] = [("prompts", &[&self.prompts])];
        self.trial
            .run_watched::<PolicyGradientConfig>(settings.clone(), &inputs, progress)
    }

    fn adapter(&self, output: &StageOutput) -> SavedAdapter {
        let file = &output.outputs["adapter"].file;
        let bytes = self.trial.store.blobs().read(file).unwrap();
        SavedAdapter::from_bytes(&bytes, "unet").unwrap()
    }

    fn curve(&self, output: &StageOutput, name: &str) -> Vec<f64> {
        let artifacts = self.trial.store.artifacts();
        let table = artifacts
            .read_table_whole(&output.outputs["losses"], None)
            .unwrap();
        table[name].as_primitive::<Float64Type>().values().to_vec()
    }

    fn refused(&self, settings: &Json) -> String {
        match self.run(settings).unwrap_err() {
            StageError::Configuration(error) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn quick(kind: &str) -> Json {
    let objective = match kind {
        "dpok" => json!({
            "kind": "dpok", "buffer": 10, "policy_steps": 2, "batch_size": 4, "value_batches": 2,
            "value_batch_size": 6, "value_learning_rate": 1e-2,
        }),
        _ => json!({"kind": "ddpo", "batch_size": 2, "history": 4, "min_count": 3}),
    };
    json!({
        "prompts": "ingest", "judge": "brightness", "objective": objective, "rank": 2, "alpha": 2.0,
        "learning_rate": 1e-2, "iterations": 5, "rollouts_per_iteration": 4, "sampler": {"steps": 3},
        "sample_batch": 3, "checkpoint_every": 2,
    })
}

/// Stops the run after an iteration, by asking or by dying.
struct StopAfter<'a> {
    iteration: u64,
    ask: Option<&'a AtomicBool>,
    messages: Mutex<Vec<String>>,
}

impl<'a> StopAfter<'a> {
    fn new(iteration: u64, ask: Option<&'a AtomicBool>) -> Self {
        Self {
            iteration,
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
    fn metric(&self, _: &str, iteration: u64, _: f64) {
        if iteration == self.iteration {
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
    for kind in KINDS {
        let settings = quick(kind);
        let expected = whole.run(&settings).unwrap();
        for iteration in [0, 3] {
            let stopped = whole.with_empty_store();
            let ask = StopAfter::new(iteration, Some(&stopped.trial.cancelled));
            assert!(matches!(
                stopped.run_watched(&settings, &ask),
                Err(StageError::Interrupted)
            ));
            stopped.trial.cancelled.store(false, Ordering::Relaxed);
            let again = StopAfter::new(99, None);
            let output = stopped.run_watched(&settings, &again).unwrap();
            assert_eq!(output.outputs, expected.outputs, "{kind} after {iteration}");
            assert_eq!(output.metrics, expected.metrics, "{kind} after {iteration}");
            let messages = again.messages.into_inner().unwrap();
            let step = format!("step {}", iteration + 1);
            assert!(messages.iter().any(|text| text.contains(&step)), "{messages:?}");
        }
        let died = whole.with_empty_store();
        for iteration in [2, 4] {
            let death = catch_unwind(AssertUnwindSafe(|| {
                died.run_watched(&settings, &StopAfter::new(iteration, None))
            }));
            assert!(death.is_err());
        }
        assert_eq!(died.run(&settings).unwrap().outputs, expected.outputs, "{kind}");
    }
}

/// Before the first step of a rollout nothing has happened, so that nothing is kept.
#[test]
fn a_rollout_stops_when_asked_and_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let settings = quick("ddpo");
    fixture.trial.cancelled.store(true, Ordering::Relaxed);
    assert!(matches!(fixture.run(&settings), Err(StageError::Interrupted)));
    fixture.trial.cancelled.store(false, Ordering::Relaxed);
    let watched = StopAfter::new(99, None);
    fixture.run_watched(&settings, &watched).unwrap();
    let messages = watched.messages.into_inner().unwrap();
    assert!(
        messages.iter().all(|text| !text.contains("checkpoint")),
        "{messages:?}"
    );
}

#[test]
fn right_after_the_first_rollouts_every_ratio_is_1_and_the_policy_is_the_pre_trained_one() {
    let fixture = Fixture::new();
    for kind in KINDS {
        let mut settings = with(&quick(kind), "iterations", &json!(1));
        // One update, which is of the network that made the rollouts.
        let once = match kind {
            "dpok" => ("policy_steps", json!(1)),
            _ => ("batch_size", json!(4)),
        };
        settings["objective"][once.0] = once.1;
        let output = fixture.run(&settings).unwrap();
        let ratio = fixture.curve(&output, "ratio")[0];
        assert!((ratio - 1.0).abs() < 1e-5, "{kind}: {ratio}");
        let divergence = fixture.curve(&output, "kl")[0];
        assert!((0.0..1e-9).contains(&divergence), "{kind}: {divergence}");
        // Rewards of both objectives are those of the same images.
        let reward = fixture.curve(&output, "reward")[0];
        assert!((0.0..255.0).contains(&reward), "{kind}: {reward}");
    }
}

#[test]
fn the_adapter_changes_and_what_it_cost_is_told() {
    let fixture = Fixture::new();
    for (kind, updates, evaluations, gradients) in [
        // Each iteration samples 4 rollouts of 3 steps and learns from 2 batches of 4 steps with both networks.
        ("dpok", 10, 5 * 2 * (12 + 8 + 8), 5 * 2 * 8),
        // And from all 12 steps, in two updates.
        ("ddpo", 10, 5 * 2 * (12 + 12), 5 * 2 * 12),
    ] {
        let output = fixture.run(&quick(kind)).unwrap();
        for (name, expected) in [
            ("iterations", 5),
            ("samples", 20),
            ("updates", updates),
            ("denoiser_evaluations", evaluations),
            ("gradient_evaluations", gradients),
            ("prompts", 2),
        ] {
            assert_eq!(output.metrics[name], json!(expected), "{kind} {name}");
        }
        assert!(output.metrics["reward_at_end"].is_number());
        let changed = fixture.adapter(&output);
        let moved = changed
            .layers
            .values()
            .any(|layer| layer.lora_b.iter().any(|value| *value != 0.0));
        assert!(moved, "{kind}");
        assert!(changed.layers.keys().all(|name| name.contains("attn")), "{kind}");
        let losses = fixture.curve(&output, "loss");
        assert!(
            losses.len() == 5 && losses.iter().all(|loss| loss.is_finite()),
            "{kind}"
        );
    }
}

#[test]
fn guidance_of_1_costs_half() {
    let fixture = Fixture::new();
    let mut settings = quick("ddpo");
    settings["sampler"]["guidance"] = json!(1.0);
    let output = fixture.run(&settings).unwrap();
    assert_eq!(output.metrics["denoiser_evaluations"], json!(5 * (12 + 12)));
}

#[test]
fn a_training_goes_on_from_an_adapter_of_its_kind() {
    let fixture = Fixture::new();
    let first = fixture.run(&quick("ddpo")).unwrap();
    let adapter = &first.outputs["adapter"];
    let run = |settings: &Json| {
        let settings = with(settings, "adapter", &json!("before"));
        let inputs: [(&'static str, &[&Artifact]); 2] =
            [("prompts", &[&fixture.prompts]), ("adapter", &[adapter])];
        fixture.trial.run::<PolicyGradientConfig>(settings, &inputs)
    };
    let second = run(&quick("ddpo")).unwrap();
    assert_ne!(second.outputs["adapter"], *adapter);
    assert!(run(&with(&quick("ddpo"), "rank", &json!(3))).is_err());
}

#[test]
fn what_cannot_be_learnt_from_is_refused_with_what_to_do() {
    let fixture = Fixture::new();
    let mut uneven = quick("ddpo");
    uneven["objective"]["batch_size"] = json!(3);
    let mut still = quick("dpok");
    still["sampler"]["eta"] = json!(0.0);
    for (settings, text) in [
        (
            uneven,
            "`objective.batch_size` is 3, expected a divisor of `rollouts_per_iteration`, 4",
        ),
        (still, "`sampler.eta` is 0, expected above 0"),
        (
            with(
                &quick("ddpo"),
                "optimizer",
                &json!({"adafactor": {"clip_threshold": 0.0}}),
            ),
            "`optimizer.adafactor.clip_threshold` is 0, expected a positive number",
        ),
        (
            with(&quick("dpok"), "reward", &json!("beauty")),
            "`beauty`, expected a column of numbers of judge `brightness`: brightness",
        ),
        (with(&quick("dpok"), "height", &json!(30)), "`height`"),
        (
            with(&quick("dpok"), "objective", &json!("dpok")),
            "such as `{kind: dpok}`",
        ),
    ] {
        let error = fixture.refused(&settings);
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_judge_that_knows_other_prompts_is_refused_before_anything_is_sampled() {
    let mut fixture = Fixture::new();
    let settings = json!({"source": {"inline": ["a rabbit"]}});
    let prompts = fixture.trial.run::<PromptsConfig>(settings, &[]).unwrap();
    fixture.prompts = prompts.outputs["prompts"].clone();
    let error = fixture.refused(&with(&quick("dpok"), "judge", &json!("shapes")));
    assert!(error.contains("a rabbit"), "{error}");
}
