use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use mitune_diffusion::image::RgbImage;
use mitune_store::{Artifact, Store};
use serde_json::{Value as Json, json};

use super::JudgeConfig;
use crate::compare::{ColumnComparison, CompareConfig};
use crate::contract::{Progress, StageError, StageOutput, Work};
use crate::draws::Draws;
use crate::evaluate::measures::table::evaluation_rows;
use crate::evaluate::{EvaluateConfig, EvaluationReport};
use crate::select::SelectConfig;
use crate::shapes::alignment::Failure;
use crate::shapes::render::Image;
use crate::shapes::scene::Scene;
use crate::shapes::world::Prompt;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_model;
use crate::testing::trial_tables::{Candidate, candidates};

/// Ten prompts with four images each, a third of which mix up the colours.
fn pool() -> Vec<Candidate> {
    let prompts = Prompt::all();
    let candidate = |number: u64| {
        let asked = prompts[number as usize / 4 * 11];
        let shown = match number % 3 {
            0 => asked.with_swapped_colours(),
            _ => asked,
        };
        let image = Image::render(&Scene::draw(shown, &mut Draws::new("judge test", 0, number)));
        let png = RgbImage::new(32, 32, image.to_rgb8()).unwrap().to_png().unwrap();
        Candidate {
            prompt: asked.to_string(),
            seed_index: number as u32 % 4,
            mi: number as f64,
            latent: vec![0.0; 256],
            png: Some(png),
        }
    };
    (0..40).map(candidate).collect()
}

fn settings(judge: &str) -> Json {
    json!({"candidates": "generate", "judge": judge, "batch_size": 4, "shard_size": 8})
}

fn judged(trial: &Trial, settings: Json, table: &Artifact) -> Result<StageOutput, StageError> {
    trial.run::<JudgeConfig>(settings, &[("candidates", &[table])])
}

fn table(store: &Store, output: &StageOutput) -> RecordBatch {
    store
        .artifacts()
        .read_table_whole(&output.outputs["scores"], None)
        .unwrap()
}

/// Counts what is computed; may stop the run at the first of it, or wait for another one there.
#[derive(Default)]
struct Watch<'a> {
    reused: AtomicU64,
    computed: AtomicU64,
    stop: Option<&'a AtomicBool>,
    meet: Option<&'a Barrier>,
}

impl Progress for Watch<'_> {
    fn begin(&self, work: Work) {
        self.reused.store(work.reused, Ordering::Relaxed);
    }

    fn advance(&self, units: u64) {
        if units == 0 || self.computed.fetch_add(units, Ordering::Relaxed) > 0 {
            return;
        }
        if let Some(stop) = self.stop {
            stop.store(true, Ordering::Relaxed);
        }
        if let Some(meet) = self.meet {
            meet.wait();
        }
    }

    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
}

#[test]
fn the_reader_of_shapes_says_what_evaluate_counts() {
    let trial = Trial::new();
    let candidates = candidates(&trial.store, &pool());
    let judged = judged(&trial, settings("shapes"), &candidates).unwrap();
    let columns = table(&trial.store, &judged);
    let bootstrap = json!({"replicates": 200});
    let evaluate = json!({"candidates": "generate", "bootstrap": bootstrap});
    let evaluation = trial
        .run::<EvaluateConfig>(evaluate, &[("candidates", &[&candidates])])
        .unwrap();
    let rows = trial
        .store
        .artifacts()
        .read_table_whole(&evaluation.outputs["rows"], None)
        .unwrap();
    let rows = evaluation_rows(&rows).unwrap();
    assert_eq!((columns.num_rows(), rows.len()), (40, 40));
    let texts = |name: &str| columns[name].as_string::<i32>().clone();
    let flags = |name: &str| columns[name].as_primitive::<Float64Type>().clone();
    let (correct, objects) = (flags("shapes_correct"), flags("shapes_objects"));
    let (colours, shapes) = (flags("shapes_colours"), flags("shapes_shapes"));
    let (failures, read_out, ids) = (
        texts("shapes_failure"),
        texts("shapes_read_out"),
        texts("prompt_id"),
    );
    let seed_indices = columns["seed_index"].as_primitive::<UInt32Type>();
    for (place, row) in rows.iter().enumerate() {
        assert_eq!(
            (ids.value(place), seed_indices.value(place)),
            (row.prompt_id.as_str(), row.seed_index)
        );
        let said = [&correct, &objects, &colours, &shapes].map(|column| column.value(place) == 1.0);
        assert_eq!(said, [row.aligned, row.objects_ok, row.colours_ok, row.shapes_ok]);
        let failure = failures.is_valid(place).then(|| failures.value(place));
        assert_eq!(failure, row.failure.map(Failure::name));
        assert_eq!(read_out.value(place), row.reading);
    }
    let report: EvaluationReport = trial
        .store
        .artifacts()
        .read_json(&evaluation.outputs["summary"])
        .unwrap();
    let compare = json!({
        "tables": ["judge"], "column": "shapes_correct", "failure": "shapes_failure", "bootstrap": bootstrap,
    });
    let compared = trial
        .run::<CompareConfig>(compare, &[("tables", &[&judged.outputs["scores"]])])
        .unwrap();
    let compared: ColumnComparison = trial
        .store
        .artifacts()
        .read_json(&compared.outputs["summary"])
        .unwrap();
    let [arm] = &compared.arms[..] else {
        panic!("{compared:?}");
    };
    assert_eq!((arm.mean, arm.images), (report.alignment.aligned, 40));
    assert_eq!(
        arm.failures["binding"],
        report.alignment.failures[&Failure::Binding]
    );
}

#[test]
fn numbers_of_a_judge_can_be_selected_by() {
    let trial = Trial::new();
    let candidates = candidates(&trial.store, &pool());
    let judged = judged(&trial, settings("brightness"), &candidates).unwrap();
    let columns = table(&trial.store, &judged);
    let brightness = columns["brightness"].as_primitive::<Float64Type>();
    let best = brightness.values()[..4].iter().copied().fold(f64::MIN, f64::max);
    let select = json!({"candidates": "generate", "scores": ["judge"], "by": "brightness"});
    let inputs: [(&'static str, &[&Artifact]); 2] = [
        ("candidates", &[&candidates]),
        ("scores", &[&judged.outputs["scores"]]),
    ];
    let selected = trial.run::<SelectConfig>(select, &inputs).unwrap();
    let selected = trial
        .store
        .artifacts()
        .read_table_whole(&selected.outputs["selection"], Some(&["score"]))
        .unwrap();
    assert_eq!(selected["score"].as_primitive::<Float64Type>().value(0), best);
}

#[test]
fn what_was_interrupted_computes_only_the_rest_and_ends_with_the_same_bytes() {
    let whole = Trial::new();
    let expected = judged(&whole, settings("brightness"), &candidates(&whole.store, &pool())).unwrap();
    let trial = Trial::new();
    let candidates = candidates(&trial.store, &pool());
    let inputs: [(&'static str, &[&Artifact]); 1] = [("candidates", &[&candidates])];
    let stopped = Watch {
        stop: Some(&trial.cancelled),
        ..Watch::default()
    };
    let error = trial.run_watched::<JudgeConfig>(settings("brightness"), &inputs, &stopped);
    assert!(matches!(error, Err(StageError::Interrupted)));
    trial.cancelled.store(false, Ordering::Relaxed);
    let resumed = Watch::default();
    let output = trial
        .run_watched::<JudgeConfig>(settings("brightness"), &inputs, &resumed)
        .unwrap();
    let counts = [&stopped.computed, &resumed.reused, &resumed.computed];
    assert_eq!(counts.map(|count| count.load(Ordering::Relaxed)), [4, 4, 36]);
    assert_eq!(
        output.outputs["scores"].content,
        expected.outputs["scores"].content
    );
    assert_eq!(table(&trial.store, &output), table(&whole.store, &expected));
    // Nothing is left to compute, and another judge has everything to do.
    let again = Watch::default();
    trial
        .run_watched::<JudgeConfig>(settings("brightness"), &inputs, &again)
        .unwrap();
    assert_eq!(again.computed.load(Ordering::Relaxed), 0);
    let other = Watch::default();
    trial
        .run_watched::<JudgeConfig>(settings("shapes"), &inputs, &other)
        .unwrap();
    assert_eq!(other.computed.load(Ordering::Relaxed), 40);
}

/// Number of files below a folder.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

#[test]
fn two_processes_share_the_images() {
    let whole = Trial::new();
    let expected = judged(&whole, settings("brightness"), &candidates(&whole.store, &pool())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let pool = candidates(&Store::open(&path).unwrap(), &pool());
    let barrier = Barrier::new(2);
    let run = || {
        let mut trial = Trial::new();
        trial.store = Store::open(&path).unwrap();
        // Each has begun a portion before the other goes on, so that none does all the work.
        let watch = Watch {
            meet: Some(&barrier),
            ..Watch::default()
        };
        let inputs: [(&'static str, &[&Artifact]); 1] = [("candidates", &[&pool])];
        let output = trial
            .run_watched::<JudgeConfig>(settings("brightness"), &inputs, &watch)
            .unwrap();
        output.outputs["scores"].content
    };
    let contents =
        std::thread::scope(|scope| [scope.spawn(run), scope.spawn(run)].map(|one| one.join().unwrap()));
    assert_eq!(contents, [expected.outputs["scores"].content; 2]);
    // Five portions of eight images, none of them twice.
    assert_eq!(files(&path.join("shards")), 5);
}

#[test]
fn candidates_without_images_are_decoded() {
    let mut trial = Trial::new();
    let path = trial.folder.path().join("model");
    trial_model::write(&path);
    let mut pool = pool()[..4].to_vec();
    for (number, candidate) in pool.iter_mut().enumerate() {
        candidate.png = None;
        candidate.latent.fill(number as f32);
    }
    let table = candidates(&trial.store, &pool);
    let error = judged(&trial, settings("brightness"), &table).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)), "{error}");
    assert!(
        error.to_string().contains("no model to decode its latent"),
        "{error}"
    );
    trial.defaults.model = Some(path);
    let one = judged(
        &trial,
        with(&settings("brightness"), "batch_size", &json!(3)),
        &table,
    )
    .unwrap();
    assert_eq!(one.metrics["images"], 4);
}

#[test]
fn what_a_judge_cannot_read_is_told_before_anything_is_computed() {
    let trial = Trial::new();
    let error = |pool: &[Candidate]| {
        let table = candidates(&trial.store, pool);
        let error = judged(&trial, settings("shapes"), &table).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        error.to_string()
    };
    let mut other = pool();
    other[39].prompt = "a photo of a cat".to_owned();
    assert_eq!(
        error(&other),
        "`judge: shapes` reads pixels of the shapes world only; prompt `a photo of a cat` is not of it"
    );
    let shards = trial.folder.path().join("store/shards");
    assert!(!shards.is_dir() || files(&shards) == 0);
    let mut large = pool();
    large[3].png = Some(
        RgbImage::new(64, 64, vec![0; 3 * 64 * 64])
            .unwrap()
            .to_png()
            .unwrap(),
    );
    assert!(
        error(&large).contains("has 64 x 64 pixels; `judge: shapes` reads those of the shapes world only")
    );
}

#[test]
fn what_changes_a_judgement_is_keyed_and_nothing_else() {
    let trial = Trial::new();
    let base = json!({"candidates": "generate", "judge": "shapes"});
    trial.assert_keyed::<JudgeConfig>(&base, &[("judge", json!("brightness")), ("batch_size", json!(3))]);
    trial.assert_not_keyed::<JudgeConfig>(
        &base,
        &[
            ("candidates", json!("tuned")),
            ("model", json!("elsewhere")),
            ("batch_size", json!(8)),
            ("shard_size", json!(3)),
        ],
    );
}
