//! Every method of guidance through the stage, on a tiny model.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::GenerateConfig;
use crate::contract::{Progress, StageError, StageOutput, Work};
use crate::failure_hint::hint;
use crate::ingest::prompts::PromptsConfig;
use crate::tables::columns::{f32_list, list_column};
use crate::testing::trial::{Trial, with};
use crate::testing::trial_model;

const PROMPT: &str = "a red circle and a blue square";

/// The methods, with the resolutions that the tiny model has attention at: 8 x 8 and 4 x 4.
fn methods() -> [Json; 5] {
    [
        json!({"kind": "classifier_free"}),
        excited(),
        json!({"kind": "structured"}),
        json!({"kind": "structured", "form": "conjunction"}),
        json!({"kind": "semantic_aware", "finest_ratio": 1, "coarsest_ratio": 2}),
    ]
}

/// Attend-and-Excite with two repetitions before the first step: the tiny model attends to nothing in particular.
fn excited() -> Json {
    json!({
        "kind": "attend_and_excite", "attention_ratio": 2, "refinements": 2,
        "thresholds": [{"after": 0.0, "attention": 0.999}],
    })
}

fn settings(method: Json) -> Json {
    json!({
        "prompts": "p", "candidates_per_prompt": 2, "batch_size": 2, "guidance_method": method,
        "sampler": {"steps": 4, "guidance": 3.0},
    })
}

/// Notes how many candidates are computed, and may stop after the first.
#[derive(Default)]
struct Watch<'a> {
    computed: AtomicU64,
    stop: Option<&'a AtomicBool>,
}

impl Progress for Watch<'_> {
    fn begin(&self, _: Work) {}
    fn advance(&self, units: u64) {
        self.computed.fetch_add(units, Ordering::Relaxed);
        if let Some(stop) = self.stop {
            stop.store(true, Ordering::Relaxed);
        }
    }
    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
}

struct Place {
    trial: Trial,
    prompts: Artifact,
}

impl Place {
    fn new(prompts: &[&str]) -> Self {
        let mut trial = Trial::new();
        let path = trial.folder.path().join("model");
        trial_model::write(&path);
        trial.defaults.model = Some(path);
        Self::in_trial(trial, prompts)
    }

    /// An empty store beside the same model.
    fn fresh(&self, prompts: &[&str]) -> Self {
        let mut trial = Trial::new();
        trial.defaults.model.clone_from(&self.trial.defaults.model);
        Self::in_trial(trial, prompts)
    }

    fn in_trial(trial: Trial, prompts: &[&str]) -> Self {
        let source = json!({"source": {"inline": prompts}});
        let prompts = trial.run::<PromptsConfig>(source, &[]).unwrap().outputs["prompts"].clone();
        Self { trial, prompts }
    }

    fn run_watched(&self, settings: Json, watch: &Watch<'_>) -> Result<StageOutput, StageError> {
        let inputs: [(_, &[&Artifact]); 1] = [("prompts", &[&self.prompts])];
        self.trial.run_watched::<GenerateConfig>(settings, &inputs, watch)
    }

    fn run(&self, settings: Json) -> StageOutput {
        self.run_watched(settings, &Watch::default()).unwrap()
    }

    /// The latents of a table, after a look at its scores.
    fn latents(&self, output: &StageOutput) -> Vec<Vec<f32>> {
        let table = self
            .trial
            .store
            .artifacts()
            .read_table_whole(&output.outputs["candidates"], None)
            .unwrap();
        let scores = table["mi"].as_primitive::<Float64Type>();
        assert!(scores.values().iter().all(|mi| mi.is_finite() && *mi > 0.0));
        let latents = list_column(&table, "latent").unwrap();
        (0..table.num_rows())
            .map(|row| f32_list(latents, "latent", row).unwrap())
            .collect()
    }
}

fn apart(one: &[f32], other: &[f32]) -> f32 {
    let differences = one.iter().zip(other).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

#[test]
fn every_method_makes_images_of_its_own_and_finds_them_again() {
    let place = Place::new(&[PROMPT]);
    let mut seen: Vec<Vec<Vec<f32>>> = Vec::new();
    for method in methods() {
        let watch = Watch::default();
        let output = place.run_watched(settings(method.clone()), &watch).unwrap();
        assert_eq!(watch.computed.load(Ordering::Relaxed), 2, "{method}");
        let latents = place.latents(&output);
        assert!(
            seen.iter().all(|other| apart(&other[0], &latents[0]) > 1e-6),
            "{method}"
        );
        let again = Watch::default();
        place.run_watched(settings(method.clone()), &again).unwrap();
        assert_eq!(again.computed.load(Ordering::Relaxed), 0, "{method}");
        // More candidates are computed beside those that are there.
        let more = with(&settings(method.clone()), "candidates_per_prompt", &json!(4));
        place.run_watched(more, &again).unwrap();
        assert_eq!(again.computed.load(Ordering::Relaxed), 2, "{method}");
        seen.push(latents);
    }
}

#[test]
fn attention_that_the_model_lacks_is_a_setting_to_change() {
    let place = Place::new(&[PROMPT]);
    for (method, setting) in [
        (json!({"kind": "attend_and_excite"}), "`attention_ratio`"),
        (json!({"kind": "semantic_aware"}), "`finest_ratio`"),
    ] {
        let refused = place.run_watched(settings(method.clone()), &Watch::default());
        let error = refused.unwrap_err();
        assert!(
            matches!(error, StageError::Configuration(_)),
            "{method}: {error:?}"
        );
        assert!(hint(&error).unwrap().contains(setting), "{method}");
    }
}

#[test]
fn candidates_do_not_depend_on_their_company() {
    let place = Place::new(&[PROMPT]);
    for method in methods() {
        let together = place.latents(&place.run(settings(method.clone())));
        let alone = with(&settings(method.clone()), "batch_size", &json!(1));
        let alone = place.latents(&place.run(alone));
        for (one, other) in together.iter().zip(&alone) {
            assert!(apart(one, other) < 1e-2, "{method}: {}", apart(one, other));
        }
        assert!(apart(&together[0], &together[1]) > 0.1, "{method}");
    }
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_bytes() {
    let place = Place::new(&[PROMPT]);
    for method in methods() {
        let mut settings = settings(method.clone());
        settings["batch_size"] = json!(1);
        settings["shard_size"] = json!(1);
        let whole = place.fresh(&[PROMPT]).run(settings.clone());
        let watch = Watch {
            stop: Some(&place.trial.cancelled),
            ..Watch::default()
        };
        let stopped = place.run_watched(settings.clone(), &watch);
        assert!(matches!(stopped, Err(StageError::Interrupted)), "{method}");
        place.trial.cancelled.store(false, Ordering::Relaxed);
        let rest = Watch::default();
        let output = place.run_watched(settings, &rest).unwrap();
        assert_eq!(rest.computed.load(Ordering::Relaxed), 1, "{method}");
        let content = |output: &StageOutput| output.outputs["candidates"].content;
        assert_eq!(content(&output), content(&whole), "{method}");
    }
}

#[test]
fn every_method_goes_with_every_scheduler_and_with_a_negative_prompt() {
    let place = Place::new(&[PROMPT]);
    for method in methods() {
        for scheduler in ["ddim", "euler", "euler_ancestral", "pndm", "dpmpp_2m"] {
            let mut settings = settings(method.clone());
            settings["candidates_per_prompt"] = json!(1);
            settings["batch_size"] = json!(1);
            settings["sampler"] = json!({"scheduler": scheduler, "steps": 3, "guidance": 3.0});
            settings["negative_prompt"] = json!("a green cross");
            assert_eq!(
                place.latents(&place.run(settings)).len(),
                1,
                "{method} {scheduler}"
            );
        }
    }
}

#[test]
fn a_prompt_without_nouns_is_sampled_plainly_and_counted() {
    let place = Place::new(&["blue"]);
    let plain = place.latents(&place.run(settings(json!({"kind": "classifier_free"}))));
    for (method, metric) in [
        (excited(), "prompts_without_nouns"),
        (json!({"kind": "structured"}), "prompts_without_phrases"),
    ] {
        let output = place.run(settings(method.clone()));
        assert_eq!(output.metrics[metric], 1, "{method}");
        assert_eq!(output.metrics["denoiser_evaluations"], 2 * 4 * 2, "{method}");
        assert_eq!(place.latents(&output), plain, "{method}");
    }
}

#[test]
fn evaluations_are_those_of_the_rows() {
    let place = Place::new(&[PROMPT]);
    for method in methods() {
        let output = place.run(settings(method.clone()));
        let metric = |name: &str| output.metrics.get(name).and_then(Json::as_u64);
        let names = [
            "denoiser_evaluations",
            "at_most_denoiser_evaluations",
            "gradient_evaluations",
            "at_most_gradient_evaluations",
        ];
        // Two rows of four steps with and without the prompt; two steps are begun with a movement, the first with two
        // more.
        let expected = match method["kind"] == "attend_and_excite" {
            true => [Some(16 + 4), Some(16 + 8), Some(4), Some(8)],
            false => [Some(16), None, None, None],
        };
        assert_eq!(names.map(metric), expected, "{method}");
        let negative = with(
            &settings(method.clone()),
            "negative_prompt",
            &json!("a green cross"),
        );
        let with_third = place.run(negative).metrics["denoiser_evaluations"]
            .as_u64()
            .unwrap();
        assert_eq!(Some(with_third), expected[0].map(|plain| plain + 8), "{method}");
    }
}
