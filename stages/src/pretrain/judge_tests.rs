//! A judge of a few steps: what stops it, what comes out, and who can use it.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, FloatDType};
use mitune_judges::clip_judges::{ClipFiles, ClipScore, Execution};
use mitune_judges::pair_judge::PairJudge as _;
use mitune_judges::preprocessing::{ClipImageSettings, Preprocessing};
use serde_json::{Value as Json, json};

use super::PretrainJudgeConfig;
use super::judge_batches::picture;
use crate::contract::{Progress, StageError, StageOutput, Work};
use crate::draws::Draws;
use crate::shapes::render::{Image, SIDE};
use crate::shapes::scene::Scene;
use crate::shapes::world::Prompt;
use crate::testing::trial::Trial;

fn tiny() -> Json {
    json!({
        "width": 8, "heads": 2, "vision_layers": 1, "text_layers": 1, "patch_size": 8, "embedding_width": 6,
        "test_images": 10, "seed": 3,
        "training": {"steps": 5, "batch_size": 3, "learning_rate": 0.01, "warmup": 2, "weight_decay": 0.01,
                     "average": 0.9, "checkpoint_every": 2},
    })
}

/// Stops the training after a step, by asking or by dying.
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

fn run(trial: &Trial, progress: &dyn Progress) -> Result<StageOutput, StageError> {
    trial.run_watched::<PretrainJudgeConfig>(tiny(), &[], progress)
}

#[test]
fn a_training_that_was_stopped_or_died_ends_with_the_same_bytes() {
    let whole = Trial::new();
    let expected = run(&whole, &StopAfter::new(99, None)).unwrap();
    for step in [0, 2, 3] {
        let stopped = Trial::new();
        let ask = StopAfter::new(step, Some(&stopped.cancelled));
        assert!(matches!(run(&stopped, &ask), Err(StageError::Interrupted)));
        stopped.cancelled.store(false, Ordering::Relaxed);
        let again = StopAfter::new(99, None);
        let output = run(&stopped, &again).unwrap();
        assert_eq!(output.outputs, expected.outputs, "stopped after step {step}");
        assert_eq!(output.metrics, expected.metrics);
        let messages = again.messages.into_inner().unwrap();
        let resumed = format!("step {}", step + 1);
        assert!(
            messages.iter().any(|text| text.contains(&resumed)),
            "{messages:?}"
        );
    }
    let died = Trial::new();
    let death = catch_unwind(AssertUnwindSafe(|| run(&died, &StopAfter::new(3, None))));
    assert!(death.is_err());
    let again = StopAfter::new(99, None);
    assert_eq!(run(&died, &again).unwrap().outputs, expected.outputs);
    let messages = again.messages.into_inner().unwrap();
    assert!(
        messages.iter().any(|text| text.contains("step 2")),
        "{messages:?}"
    );
}

/// What comes out is used like any CLIP: by its folder, prepared as by openai/CLIP and transformers alike.
#[test]
fn the_result_is_a_folder_that_scores_images() {
    let trial = Trial::new();
    let output = run(&trial, &StopAfter::new(99, None)).unwrap();
    for name in [
        "replaced_colour",
        "replaced_shape",
        "swapped_colours",
        "unrelated",
        "all",
    ] {
        let share = output.metrics[&format!("prefers_true_over_{name}")]
            .as_f64()
            .unwrap();
        assert!((0.0..=1.0).contains(&share), "{name}: {share}");
    }
    let folder = trial.folder.path().join("exported");
    trial
        .store
        .artifacts()
        .export(&output.outputs["judge"], &folder)
        .unwrap();
    let files = ClipFiles::open(&folder).unwrap();
    assert_eq!(files.config.vision.image_size, SIDE);
    let prompt: Prompt = "a red circle and a blue square".parse().unwrap();
    let image = picture(&Image::render(&Scene::draw(
        prompt,
        &mut Draws::new("judge test", 1, 0),
    )));
    let openai = Preprocessing::open_ai_clip(SIDE).apply(&image).unwrap();
    let transformers = files.preprocessing().unwrap().apply(&image).unwrap();
    assert_eq!(
        (openai.height, openai.width),
        (transformers.height, transformers.width)
    );
    for (one, other) in openai.values.iter().zip(&transformers.values) {
        assert!((one - other).abs() < 1e-5, "{one} {other}");
    }
    let execution = Execution {
        device: Device::flex(),
        dtype: FloatDType::F32,
        batch: NonZeroUsize::MIN,
    };
    let preprocessing = ClipScore::preprocessing(&files);
    let tokens = ClipScore::tokens(&files).unwrap();
    let judge = ClipScore::load(&files, &files.weights, preprocessing, tokens, execution).unwrap();
    let pairs = [
        (&image, "a red circle and a blue square"),
        (&image, "a green cross"),
    ];
    let scores = judge.score(&pairs).unwrap();
    assert!(scores.iter().all(|score| score.abs() < 1.0001), "{scores:?}");
    assert_ne!(scores[0], scores[1]);
}

/// The same settings that `preprocessor_config.json` leaves to transformers' defaults.
#[test]
fn what_the_folder_leaves_out_are_clips_own_colours() {
    let written = json!({"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}});
    let settings: ClipImageSettings = serde_json::from_value(written).unwrap();
    let full = json!({
        "size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE},
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
        "rescale_factor": 1.0 / 255.0,
    });
    assert_eq!(settings, serde_json::from_value(full).unwrap());
}
