//! Every objective on a tiny model: it trains, says what it did, and is resumed to the bit.

mod tables;

use std::collections::BTreeMap;
use std::f64::consts::LN_2;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use mitune_diffusion::adapter::SavedAdapter;
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::FinetuneConfig;
use crate::contract::{Progress, Silent, StageError, StageOutput, Work};
use crate::testing::trial::{Trial, with};
use crate::testing::trial_model;

const SIDES: [usize; 5] = [8; 5];

/// Two shapes of latents.
const TWO_SIDES: [usize; 5] = [8, 12, 8, 8, 12];

/// One of each kind, and those whose settings matter.
fn objectives() -> Vec<Json> {
    vec![
        json!({"kind": "denoising"}),
        json!({"kind": "sft"}),
        json!({"kind": "gors"}),
        json!({"kind": "dpo"}),
        json!({"kind": "f_dpo", "divergence": "forward_kl", "scale": 500.0}),
        json!({"kind": "f_dpo", "divergence": "jensen_shannon", "beta": 2.0, "scale": 1000.0}),
        json!({"kind": "f_dpo", "divergence": "alpha", "alpha": 0.25, "scale": 500.0}),
        json!({"kind": "rpo", "tau": 0.5}),
        json!({"kind": "rpo", "weight": "inside"}),
        json!({"kind": "hn_itm"}),
        json!({"kind": "hn_itm", "cap": 2.0, "negative": "matched", "formulation": "paper"}),
    ]
}

fn ports(objective: &Json) -> &'static [&'static str] {
    match objective["kind"].as_str().unwrap() {
        "denoising" => &["selection"],
        "gors" => &["weights"],
        "rpo" => &["pairs", "features"],
        "hn_itm" => &["contrasts"],
        _ => &["pairs"],
    }
}

/// Settings of a short training with a table on every port that the objective needs.
fn settings(objective: &Json) -> Json {
    let mut settings = json!({
        "objective": objective, "rank": 2, "alpha": 2.0, "batch_size": 4, "micro_batch": 2, "steps": 3,
        "learning_rate": 1e-2, "checkpoint_every": 1,
    });
    for port in ports(objective) {
        settings[*port] = match *port {
            "selection" => json!("table"),
            _ => json!(["table"]),
        };
    }
    settings
}

/// A model and a table for every port.
struct Fixture {
    trial: Trial,
    tables: BTreeMap<&'static str, Artifact>,
}

impl Fixture {
    fn new(sides: &[usize]) -> Self {
        let trial = Trial::new();
        let model = trial.folder.path().join("model");
        trial_model::write(&model);
        Self::of_model(trial, model, sides)
    }

    /// The same model and tables with a store in which nothing was trained.
    fn with_empty_store(&self, sides: &[usize]) -> Self {
        Self::of_model(Trial::new(), self.trial.defaults.model.clone().unwrap(), sides)
    }

    fn of_model(mut trial: Trial, model: PathBuf, sides: &[usize]) -> Self {
        trial.defaults.model = Some(model);
        let store = &trial.store;
        let kinds = ["image", "hard_text", "random_text"];
        let tables = BTreeMap::from([
            ("selection", tables::latents(store, sides)),
            ("pairs", tables::pairs(store, sides)),
            ("weights", tables::weights(store, sides, |row| 0.25 + row as f64)),
            ("features", tables::features(store, sides.len(), 0.0)),
            ("contrasts", tables::contrasts(store, sides, &kinds)),
        ]);
        Self { trial, tables }
    }

    fn run(&self, settings: &Json) -> Result<StageOutput, StageError> {
        self.run_watched(settings, &Silent)
    }

    fn run_watched(&self, settings: &Json, progress: &dyn Progress) -> Result<StageOutput, StageError> {
        let ports = ports(&settings["objective"]);
        let tables: Vec<[&Artifact; 1]> = ports.iter().map(|port| [&self.tables[port]]).collect();
        let inputs = ports.iter().zip(&tables);
        let inputs: Vec<(&'static str, &[&Artifact])> =
            inputs.map(|(port, table)| (*port, table.as_slice())).collect();
        self.trial
            .run_watched::<FinetuneConfig>(settings.clone(), &inputs, progress)
    }

    fn losses(&self, output: &StageOutput) -> RecordBatch {
        let losses = &output.outputs["losses"];
        self.trial
            .store
            .artifacts()
            .read_table_whole(losses, None)
            .unwrap()
    }

    fn adapter(&self, output: &StageOutput) -> SavedAdapter {
        let file = &output.outputs["adapter"].file;
        let bytes = self.trial.store.blobs().read(file).unwrap();
        SavedAdapter::from_bytes(&bytes, "unet").unwrap()
    }
}

fn column(losses: &RecordBatch, name: &str) -> Vec<f64> {
    losses[name].as_primitive::<Float64Type>().values().to_vec()
}

/// How far the second factors of an adapter, which begin at 0, were moved.
fn moved(adapter: &SavedAdapter) -> f32 {
    let factors = adapter.layers.values().flat_map(|layer| layer.lora_b.iter());
    factors.fold(0.0, |most, value| most.max(value.abs()))
}

/// Asks for a stop after a step.
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
fn every_objective_trains_the_adapter_and_says_what_it_did() {
    let fixture = Fixture::new(&SIDES);
    for objective in objectives() {
        let settings = settings(&objective);
        let output = fixture.run(&settings).unwrap();
        assert!(moved(&fixture.adapter(&output)) > 5e-3, "{objective}");
        let losses = fixture.losses(&output);
        let stage = fixture.trial.stage::<FinetuneConfig>(settings).unwrap();
        let expected = stage.expected_table("losses", &|_| None).unwrap();
        let names = |fields: &arrow_schema::Fields| -> Vec<String> {
            fields.iter().map(|field| field.name().clone()).collect()
        };
        assert_eq!(
            names(losses.schema().fields()),
            names(expected.columns.fields()),
            "{objective}"
        );
        let (all, with_gradient) = match objective["kind"].as_str().unwrap() {
            "dpo" | "f_dpo" | "rpo" => (4, 2),
            "hn_itm" => (2, 2),
            _ => (1, 1),
        };
        assert_eq!(output.metrics["denoiser_evaluations"], 12 * all, "{objective}");
        assert_eq!(
            output.metrics["gradient_evaluations"],
            12 * with_gradient,
            "{objective}"
        );
        assert_eq!(
            (&output.metrics["examples"], &output.metrics["prompts"]),
            (&json!(5), &json!(3))
        );
        for name in names(losses.schema().fields()).iter().skip(4) {
            let values = column(&losses, name);
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let told = output.metrics[name.as_str()].as_f64().unwrap();
            assert!((told - mean).abs() < 1e-9, "{objective}: {name}");
        }
    }
}

#[test]
fn preferences_begin_with_ln_2() {
    let fixture = Fixture::new(&SIDES);
    for objective in objectives() {
        if !["dpo", "f_dpo", "rpo"].contains(&objective["kind"].as_str().unwrap()) {
            continue;
        }
        let output = fixture.run(&settings(&objective)).unwrap();
        let first = column(&fixture.losses(&output), "loss")[0];
        assert!((first - LN_2).abs() < 5e-3, "{objective}: {first}");
        assert_eq!(output.metrics["pairs"], 5);
    }
}

#[test]
fn every_objective_that_was_stopped_ends_with_the_same_bytes() {
    for sides in [SIDES, TWO_SIDES] {
        let whole = Fixture::new(&sides);
        for objective in objectives() {
            let settings = settings(&objective);
            let expected = whole.run(&settings).unwrap();
            let stopped = whole.with_empty_store(&sides);
            for step in 0..2 {
                let ask = StopAfter(step, &stopped.trial.cancelled);
                let ended = stopped.run_watched(&settings, &ask);
                assert!(matches!(ended, Err(StageError::Interrupted)), "{objective}");
                stopped.trial.cancelled.store(false, Ordering::Relaxed);
            }
            let output = stopped.run(&settings).unwrap();
            assert_eq!(output.outputs, expected.outputs, "{objective}");
            assert_eq!(output.metrics, expected.metrics, "{objective}");
        }
    }
}

#[test]
fn winners_alone_and_equal_weights_are_the_denoising_loss() {
    let mut fixture = Fixture::new(&SIDES);
    let ones = tables::weights(&fixture.trial.store, &SIDES, |_| 1.0);
    fixture.tables.insert("weights", ones);
    let losses = |kind: &str| {
        let output = fixture.run(&settings(&json!({"kind": kind}))).unwrap();
        column(&fixture.losses(&output), "loss")
    };
    let expected = losses("denoising")[0];
    for kind in ["sft", "gors"] {
        let found = losses(kind)[0];
        assert!(
            (found / expected - 1.0).abs() < 1e-5,
            "{kind}: {found} {expected}"
        );
    }
}

#[test]
fn contrasts_of_single_pairs_are_diffusion_dpo_whatever_the_features() {
    let fixture = Fixture::new(&SIDES);
    let run = |objective: Json| {
        let output = fixture
            .run(&with(&settings(&objective), "micro_batch", &json!(1)))
            .unwrap();
        (column(&fixture.losses(&output), "loss"), fixture.adapter(&output))
    };
    let (expected, adapter) = run(json!({"kind": "dpo", "beta": 5000.0}));
    for weight in ["outside", "inside"] {
        let (found, other) = run(json!({"kind": "rpo", "beta": 5000.0, "weight": weight}));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{weight}: {found} {expected}");
        }
        for (name, layer) in &adapter.layers {
            let pairs = layer.lora_b.iter().zip(&other.layers[name].lora_b);
            for (one, other) in pairs {
                assert!((one - other).abs() < 2e-3, "{weight} {name}: {one} {other}");
            }
        }
    }
}

#[test]
fn a_dropped_caption_is_dropped_for_both_sides() {
    let mut fixture = Fixture::new(&SIDES);
    let texts = tables::contrasts(&fixture.trial.store, &SIDES, &["hard_text"]);
    fixture.tables.insert("contrasts", texts);
    let settings = settings(&json!({"kind": "hn_itm"}));
    let errors = |dropout: f64| {
        let output = fixture
            .run(&with(&settings, "caption_dropout", &json!(dropout)))
            .unwrap();
        assert_eq!(output.metrics["hard_text_negatives"], 5);
        let losses = fixture.losses(&output);
        [
            column(&losses, "matched_error"),
            column(&losses, "mismatched_error"),
        ]
    };
    let [matched, mismatched] = errors(0.0);
    assert_ne!(matched, mismatched);
    let [matched, mismatched] = errors(1.0);
    assert_eq!(matched, mismatched);
}

#[test]
fn latents_of_two_shapes_are_trained_on_together() {
    let small = Fixture::new(&TWO_SIDES);
    let output = small.run(&settings(&json!({"kind": "denoising"}))).unwrap();
    assert_eq!(output.metrics["latent_shapes"], 2);
    assert_eq!(output.metrics["examples"], 5);

    // The size of the image is told to the denoiser of XL.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diffusion/tests/golden/models/sdxl");
    let large = Fixture::of_model(Trial::new(), folder, &TWO_SIDES);
    let output = large.run(&settings(&json!({"kind": "dpo"}))).unwrap();
    let losses = column(&large.losses(&output), "loss");
    assert!((losses[0] - LN_2).abs() < 5e-3, "{losses:?}");
    assert!(moved(&large.adapter(&output)) > 5e-3);

    // Two selections of one shape each, as of two generations.
    let fixture = Fixture::new(&SIDES);
    let [one, other] = [[8; 2], [12; 2]].map(|sides| tables::latents(&fixture.trial.store, &sides));
    let settings = with(
        &settings(&json!({"kind": "denoising"})),
        "joint_with",
        &json!(["other"]),
    );
    let inputs: [(&'static str, &[&Artifact]); 2] = [("selection", &[&one]), ("joint_with", &[&other])];
    let output = fixture.trial.run::<FinetuneConfig>(settings, &inputs).unwrap();
    assert_eq!(
        (&output.metrics["latent_shapes"], &output.metrics["examples"]),
        (&json!(2), &json!(4))
    );
}

#[test]
fn pairs_of_several_tables_are_one_set() {
    let fixture = Fixture::new(&SIDES);
    let more = tables::pairs(&fixture.trial.store, &[8; 2]);
    let settings = with(
        &settings(&json!({"kind": "dpo"})),
        "pairs",
        &json!(["one", "other"]),
    );
    let tables = [&fixture.tables["pairs"], &more];
    let inputs: [(&'static str, &[&Artifact]); 1] = [("pairs", &tables)];
    let output = fixture.trial.run::<FinetuneConfig>(settings, &inputs).unwrap();
    assert_eq!(output.metrics["pairs"], 7);
}

#[test]
fn features_must_be_those_of_the_pairs() {
    let mut fixture = Fixture::new(&SIDES);
    let settings = settings(&json!({"kind": "rpo"}));
    let all = fixture.tables["features"].clone();
    let few = tables::features(&fixture.trial.store, 4, 0.0);
    let other = tables::features(&fixture.trial.store, 5, 1.0);
    fixture.tables.insert("features", few);
    let error = fixture.run(&settings).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)));
    let error = error.to_string();
    assert!(
        error.contains("`8` of prompt `id of a blue square and a red cross`"),
        "{error}"
    );
    let pairs = [&fixture.tables["pairs"]];
    let run = |features: &[&Artifact]| {
        let inputs: [(&'static str, &[&Artifact]); 2] = [("pairs", &pairs), ("features", features)];
        fixture.trial.run::<FinetuneConfig>(settings.clone(), &inputs)
    };
    let error = run(&[&all, &other]).unwrap_err().to_string();
    assert!(error.contains("different features in two tables"), "{error}");
    assert!(run(&[&all, &all]).is_ok());
}

#[test]
fn tables_that_do_not_go_with_the_objective_are_told() {
    let mut trial = Trial::new();
    trial.defaults.model = Some("model".into());
    for (settings, words) in [
        (
            json!({}),
            "Objective `denoising` is trained on `selection`, which is not set",
        ),
        (
            json!({"objective": {"kind": "dpo"}}),
            "`dpo` is trained on `pairs`, which is not set",
        ),
        (
            json!({"objective": {"kind": "rpo"}, "pairs": ["p"]}),
            "`rpo` is trained on `features`, which is not set: name the features of an `embed` stage",
        ),
        (
            json!({"objective": {"kind": "gors"}, "weights": []}),
            "`gors` is trained on `weights`",
        ),
        (
            json!({"selection": "s", "pairs": ["p"]}),
            "Setting `pairs` has no meaning with the objective `denoising`, which is trained on `selection`",
        ),
        (
            json!({"objective": {"kind": "dpo"}, "pairs": ["p"], "joint_with": ["s"]}),
            "Setting `joint_with` has no meaning with the objective `dpo`",
        ),
        (
            json!({"objective": {"kind": "rpo"}, "selection": "s"}),
            "which is trained on `pairs` and `features`",
        ),
        (
            json!({"objective": {"kind": "dpo", "beta": 0.0}, "pairs": ["p"]}),
            "`objective.beta` is 0",
        ),
        (
            json!({"objective": {"kind": "hn_itm", "cap": -1.0}, "contrasts": ["c"]}),
            "`objective.cap` is -1",
        ),
        (
            json!({"objective": {"kind": "f_dpo", "alpha": 0.5}, "pairs": ["p"]}),
            "`objective.alpha` has a meaning with `divergence: alpha` only",
        ),
    ] {
        let error = trial.stage::<FinetuneConfig>(settings).map(|_| ()).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)));
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn the_default_objective_is_not_in_the_key() {
    let mut trial = Trial::new();
    trial.defaults.model = Some("model".into());
    let base = json!({"selection": "s"});
    trial.assert_not_keyed::<FinetuneConfig>(&base, &[("objective", json!({"kind": "denoising"}))]);
    let pairs = json!({"objective": {"kind": "dpo"}, "pairs": ["p"]});
    trial.assert_keyed::<FinetuneConfig>(
        &pairs,
        &[
            ("objective", json!({"kind": "sft"})),
            ("objective", json!({"kind": "dpo", "beta": 2000.0})),
            ("objective", json!({"kind": "f_dpo"})),
            ("objective", json!({"kind": "f_dpo", "scale": 1.0})),
            ("objective", json!({"kind": "f_dpo", "beta": 2.0})),
            ("objective", json!({"kind": "f_dpo", "divergence": "alpha"})),
            (
                "objective",
                json!({"kind": "f_dpo", "divergence": "alpha", "alpha": 0.25}),
            ),
        ],
    );
    trial.assert_not_keyed::<FinetuneConfig>(&pairs, &[("pairs", json!(["q", "r"]))]);
}
