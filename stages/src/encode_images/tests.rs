//! The stage on tiny files of every kind, with a tiny model.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray};
use burn::tensor::{Device, FloatDType, Tensor};
use mitune_diffusion::image::RgbImage;
use mitune_diffusion::model::{DiffusionModel, ModelDirectory};
use mitune_store::Artifact;
use parquet::arrow::ArrowWriter;
use serde_json::{Value as Json, json};

use super::EncodeImagesConfig;
use super::encode::noise;
use crate::contract::{Content, Progress, Silent, StageError, StageOutput, Work};
use crate::shapes::split::Split;
use crate::tables::latent_rows::{Latent, LatentRows};
use crate::tables::pairs::read_pairs;
use crate::tables::weights::read_weights;
use crate::testing::trial::{Trial, with};
use crate::testing::trial_model;

fn image(number: u32, width: u32, height: u32) -> RgbImage {
    let pixels = (0..width * height * 3).map(|i| ((i * (number + 3)) * 97 % 251) as u8);
    RgbImage::new(width, height, pixels.collect()).unwrap()
}

fn png(number: u32, width: u32, height: u32) -> Vec<u8> {
    image(number, width, height).to_png().unwrap()
}

/// A model of images of 32 x 32 pixels, whose sides must be multiples of 8.
fn trial() -> Trial {
    let mut trial = Trial::new();
    let model = trial.folder.path().join("model");
    trial_model::write(&model);
    trial.defaults.model = Some(model);
    trial
}

/// Three images of two prompts, the first of which stands there twice.
fn write_table(trial: &Trial) {
    for number in 0..3 {
        trial.write(format!("{number}.png"), &png(number, 32 + 4 * number, 40));
    }
    let rows =
        "image,prompt\n0.png,a red circle\n1.png,a red circle\n2.png,a blue square\n0.png,a red circle\n";
    trial.write("t.csv", rows.as_bytes());
}

fn settings() -> Json {
    json!({"source": {"table": "t.csv"}, "shard_size": 2})
}

fn run(trial: &Trial, settings: &Json) -> Result<StageOutput, StageError> {
    trial.run::<EncodeImagesConfig>(settings.clone(), &[])
}

/// Prompt, number and latent of each row.
fn latents(trial: &Trial, table: &Artifact) -> Vec<(String, u32, Latent)> {
    let mut found = Vec::new();
    for batch in trial.store.artifacts().read_table(table, None).unwrap() {
        let batch = batch.unwrap();
        let rows = LatentRows::of(&batch).unwrap();
        for row in 0..batch.num_rows() {
            found.push((
                rows.prompt(row).to_owned(),
                rows.seed_index(row),
                rows.latent(row).unwrap(),
            ));
        }
    }
    found
}

fn model(trial: &Trial) -> DiffusionModel {
    let directory = ModelDirectory::open(&trial.folder.path().join("model")).unwrap();
    directory.load(&Device::flex(), FloatDType::F32).unwrap()
}

/// Mean and deviation of a picture of the right size, encoded beside the stage.
fn encoded(model: &DiffusionModel, picture: &RgbImage) -> (Vec<f32>, Vec<f32>) {
    let pixels = picture.to_tensor(&Device::flex());
    let posterior = model.encode_posterior(Tensor::stack::<4>(vec![pixels], 0));
    let numbers = |tensor: Tensor<4>| tensor.into_data().try_into_vec::<f32>().unwrap();
    (numbers(posterior.mean), numbers(posterior.deviation.unwrap()))
}

#[test]
fn rows_become_the_latents_that_the_model_says() {
    let trial = trial();
    write_table(&trial);
    trial.write("0.png", &png(0, 32, 32));
    let mean = run(&trial, &with(&settings(), "posterior", &json!("mean"))).unwrap();
    let found = latents(&trial, &mean.outputs["latents"]);
    let names: Vec<(&str, u32)> = found
        .iter()
        .map(|(prompt, index, _)| (prompt.as_str(), *index))
        .collect();
    assert_eq!(
        names,
        [("a red circle", 0), ("a red circle", 1), ("a blue square", 0)]
    );
    let (expected, deviation) = encoded(&model(&trial), &image(0, 32, 32));
    assert_eq!(found[0].2.shape, [4, 8, 8]);
    assert_eq!(found[0].2.values, expected);
    let drawn = run(&trial, &settings()).unwrap();
    let drawn = latents(&trial, &drawn.outputs["latents"]);
    let noise = noise(0, &blake3::hash(&png(0, 32, 32)), expected.len());
    let sampled = expected.iter().zip(deviation).zip(noise);
    let sampled: Vec<f32> = sampled
        .map(|((mean, deviation), noise)| mean + deviation * noise)
        .collect();
    assert_eq!(drawn[0].2.values, sampled);
    for (name, metric) in [
        ("rows", 3),
        ("images", 3),
        ("prompts", 2),
        ("repeated", 1),
        ("broken", 0),
        ("encoded", 3),
    ] {
        assert_eq!(mean.metrics[name], json!(metric), "{name}");
    }
}

#[test]
fn rows_that_are_added_encode_new_images_alone() {
    let trial = trial();
    write_table(&trial);
    let first = run(&trial, &settings()).unwrap();
    trial.write("3.png", &png(3, 50, 32));
    trial.write(
        "t.csv",
        b"image,prompt,weight\n3.png,new,0.5\n2.png,a blue square,1\n0.png,another,0\n",
    );
    let second = run(&trial, &with(&settings(), "keep_images", &json!(true))).unwrap();
    assert_eq!(
        (&second.metrics["encoded"], &second.metrics["reused"]),
        (&json!(1), &json!(2))
    );
    let (before, after) = (
        latents(&trial, &first.outputs["latents"]),
        latents(&trial, &second.outputs["latents"]),
    );
    assert_eq!(before[2].2, after[1].2);
    assert_eq!(before[0].2, after[2].2);
    let weights = read_weights(&trial.store, &second.outputs["weights"]).unwrap();
    let weights: Vec<(&str, f64)> = weights
        .iter()
        .map(|row| (row.prompt.as_str(), row.weight))
        .collect();
    assert_eq!(weights, [("new", 0.5), ("a blue square", 1.0), ("another", 0.0)]);
    assert_eq!(pictures(&trial, &second.outputs["images"]).len(), 3);
}

/// The pictures of a table.
fn pictures(trial: &Trial, table: &Artifact) -> Vec<RgbImage> {
    let mut found = Vec::new();
    for batch in trial.store.artifacts().read_table(table, None).unwrap() {
        let batch = batch.unwrap();
        let bytes = batch["image"]
            .as_struct()
            .column_by_name("bytes")
            .unwrap()
            .clone();
        let bytes = bytes.as_binary::<i32>();
        found.extend((0..bytes.len()).map(|row| RgbImage::from_png(bytes.value(row)).unwrap()));
    }
    found
}

/// Five rows of Pick-a-Pic: a pair, the same images the other way round, a tie, a pair of one image, another pair.
fn write_pairs(path: &Path) {
    let images = |numbers: [u32; 5]| -> ArrayRef {
        Arc::new(BinaryArray::from_iter_values(
            numbers.map(|number| png(number, 40, 32)),
        ))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "caption",
            Arc::new(StringArray::from_iter_values(["a", " a ", "a", "a", "a"])),
        ),
        ("jpg_0", images([0, 1, 0, 2, 0])),
        ("jpg_1", images([1, 0, 1, 2, 2])),
        (
            "label_0",
            Arc::new(Float64Array::from_iter_values([0.0, 0.0, 0.5, 1.0, 1.0])),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn pairs_have_winners_and_losers_and_ties_are_dropped() {
    let trial = trial();
    write_pairs(&trial.folder.path().join("p.parquet"));
    let settings = json!({"source": {"pick_a_pic": "*.parquet"}, "keep_images": true});
    let output = run(&trial, &settings).unwrap();
    let pairs = read_pairs(&trial.store, &output.outputs["pairs"]).unwrap();
    let indices: Vec<[u32; 2]> = pairs
        .iter()
        .map(|pair| [pair.preferred.seed_index, pair.rejected.seed_index])
        .collect();
    // The winner of the first row is image 1 of the file, which therefore comes first.
    assert_eq!(indices, [[0, 1], [1, 2]]);
    assert_eq!(pairs[0].rejected.latent, pairs[1].preferred.latent);
    assert_ne!(pairs[0].preferred.latent, pairs[0].rejected.latent);
    for (name, metric) in [
        ("pairs", 2),
        ("images", 3),
        ("ties_dropped", 1),
        ("repeated", 1),
        ("alike", 1),
    ] {
        assert_eq!(output.metrics[name], json!(metric), "{name}");
    }
    assert_eq!(pictures(&trial, &output.outputs["images"]).len(), 3);
    let error = run(&trial, &with(&settings, "ties", &json!("refuse"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 pairs have no winner; leave them out with `ties: drop`"
    );
    let limited = run(&trial, &with(&settings, "limit", &json!(1))).unwrap();
    assert_eq!(limited.metrics["pairs"], json!(1));
    let sampled = run(&trial, &with(&settings, "sample", &json!({"count": 1}))).unwrap();
    assert_eq!(
        (&sampled.metrics["pairs"], &sampled.metrics["not_sampled"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn broken_images_are_named_or_skipped() {
    let trial = trial();
    write_table(&trial);
    trial.write("1.png", b"no picture");
    trial.write("2.png", &png(2, 36, 40)[..200]);
    let error = run(&trial, &settings()).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)));
    let message = error.to_string();
    assert!(
        message.starts_with("2 images cannot be used: that in row 2 of"),
        "{message}"
    );
    assert!(message.contains("; that in row 3 of"), "{message}");
    assert!(
        message.ends_with("leave their rows out with `broken: skip`"),
        "{message}"
    );
    let skipped = run(&trial, &with(&settings(), "broken", &json!("skip"))).unwrap();
    assert_eq!(
        (&skipped.metrics["rows"], &skipped.metrics["broken"]),
        (&json!(1), &json!(2))
    );
}

#[test]
fn names_that_no_image_can_have_are_broken_images() {
    let trial = trial();
    trial.write("0.png", &png(0, 32, 32));
    let long = "a".repeat(300);
    let rows = format!(
        "image,prompt\n0.png,a red circle\n.,a folder\n0.png/1.png,inside of a file\n{long},a long name\n\
         ../none/0.png,elsewhere\n"
    );
    trial.write("t.csv", rows.as_bytes());
    let skipped = run(&trial, &with(&settings(), "broken", &json!("skip"))).unwrap();
    assert_eq!(
        (&skipped.metrics["rows"], &skipped.metrics["broken"]),
        (&json!(1), &json!(4))
    );
    let error = run(&trial, &settings()).unwrap_err();
    assert!(matches!(error, StageError::Configuration(_)));
    let message = error.to_string();
    assert!(
        message.starts_with("4 images cannot be used: that in row 2 of"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn links_that_lead_back_to_themselves_are_broken_images() {
    let trial = trial();
    trial.write("0.png", &png(0, 32, 32));
    std::os::unix::fs::symlink("loop", trial.folder.path().join("loop")).unwrap();
    let rows = b"image,prompt\n0.png,a red circle\nloop,a blue square\nloop/1.png,behind it\n";
    trial.write("t.csv", rows);
    let skipped = run(&trial, &with(&settings(), "broken", &json!("skip"))).unwrap();
    assert_eq!(
        (&skipped.metrics["rows"], &skipped.metrics["broken"]),
        (&json!(1), &json!(2))
    );
    let message = run(&trial, &settings()).unwrap_err().to_string();
    assert!(message.starts_with("2 images cannot be used: "), "{message}");
}

#[test]
fn images_that_keep_their_size_have_latents_of_different_shapes() {
    let trial = trial();
    write_table(&trial);
    let output = run(&trial, &with(&settings(), "resize", &json!("none"))).unwrap();
    let shapes: Vec<[usize; 3]> = latents(&trial, &output.outputs["latents"])
        .iter()
        .map(|(_, _, latent)| latent.shape)
        .collect();
    assert_eq!(shapes, [[4, 10, 8], [4, 10, 8], [4, 10, 10]]);
    let both = with(&with(&settings(), "resize", &json!("none")), "size", &json!(32));
    assert!(
        run(&trial, &both)
            .unwrap_err()
            .to_string()
            .starts_with("Setting `size` is 32")
    );
    let odd = run(&trial, &with(&settings(), "size", &json!(33))).unwrap_err();
    assert_eq!(
        odd.to_string(),
        "Setting `size` is 33, expected a positive multiple of 8"
    );
}

#[test]
fn a_flipped_picture_is_what_was_encoded() {
    let trial = trial();
    write_table(&trial);
    let settings = json!({
        "source": {"table": "t.csv"}, "flip": "random", "crop": "random", "posterior": "mean", "keep_images": true, "seed": 5,
    });
    let output = run(&trial, &settings).unwrap();
    let (model, pictures) = (model(&trial), pictures(&trial, &output.outputs["images"]));
    for ((_, _, latent), picture) in latents(&trial, &output.outputs["latents"]).iter().zip(&pictures) {
        assert_eq!(latent.values, encoded(&model, picture).0);
    }
    assert_eq!(pictures.len(), 3);
}

/// Stops the run at the first image that is encoded.
struct Stop<'a> {
    trial: &'a Trial,
    encoded: AtomicU64,
}

impl Progress for Stop<'_> {
    fn begin(&self, _: Work) {}

    fn advance(&self, units: u64) {
        self.encoded.fetch_add(units, Ordering::Relaxed);
        self.trial.cancelled.store(true, Ordering::Relaxed);
    }

    fn message(&self, _: &str) {}
    fn metric(&self, _: &str, _: u64, _: f64) {}
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_result() {
    let trial = trial();
    write_table(&trial);
    let watch = Stop {
        trial: &trial,
        encoded: AtomicU64::new(0),
    };
    let stopped = trial.run_watched::<EncodeImagesConfig>(settings(), &[], &watch);
    assert!(matches!(stopped, Err(StageError::Interrupted)));
    assert_eq!(watch.encoded.load(Ordering::Relaxed), 1);
    trial.cancelled.store(false, Ordering::Relaxed);
    let resumed = run(&trial, &settings()).unwrap();
    assert_eq!(resumed.metrics["encoded"], json!(2));
    let mut other = Trial::new();
    other.defaults.model.clone_from(&trial.defaults.model);
    write_table(&other);
    let whole = run(&other, &settings()).unwrap();
    assert_eq!(
        whole.outputs["latents"].content,
        resumed.outputs["latents"].content
    );
}

#[test]
fn a_source_that_changed_is_not_read_under_its_former_key() {
    let trial = trial();
    write_table(&trial);
    for file in ["t.csv", "1.png"] {
        let change = || trial.write(file, b"image,prompt\n");
        let changed = trial.run_changed::<EncodeImagesConfig>(settings(), &[], &Silent, change);
        assert!(
            matches!(&changed, Err(StageError::Changed { input }) if input == "source"),
            "{file}: {:?}",
            changed.err()
        );
        write_table(&trial);
    }
}

#[test]
fn outputs_follow_the_source() {
    let trial = trial();
    trial.write("t.csv", b"image,prompt,weight\n");
    trial.write("p.csv", b"winner,loser,prompt\n");
    let contents = |settings: Json| -> Vec<Content> {
        let stage = trial.stage::<EncodeImagesConfig>(settings).unwrap();
        stage.outputs().iter().map(|port| port.content).collect()
    };
    let latents = vec![Content::Latents];
    assert_eq!(contents(json!({"source": {"diffusiondb": "d"}})), latents);
    assert_eq!(
        contents(json!({"source": {"table": "t.csv"}, "keep_images": true})),
        [Content::Latents, Content::Weights, Content::Images]
    );
    assert_eq!(contents(json!({"source": {"table": "p.csv"}})), [Content::Pairs]);
    let error = run(&trial, &settings()).unwrap_err().to_string();
    assert!(error.starts_with("No row of `"), "{error}");
    let missing = run(&trial, &json!({"source": {"table": "none.csv"}})).unwrap_err();
    assert!(matches!(missing, StageError::Configuration(_)));
}

#[test]
fn images_of_the_shapes_world_need_no_files() {
    let trial = trial();
    let settings = json!({
        "source": {"shapes": {"split": "test", "images_per_prompt": 2}}, "limit": 5, "posterior": "mean",
        "keep_images": true,
    });
    let output = run(&trial, &settings).unwrap();
    let found = latents(&trial, &output.outputs["latents"]);
    let prompts = Split::draw(1, 22).unwrap().test;
    let expected = (0..5_usize).map(|row| (prompts[row / 2].to_string(), (row % 2) as u32));
    assert!(
        found
            .iter()
            .map(|(prompt, index, _)| (prompt.clone(), *index))
            .eq(expected)
    );
    let (model, pictures) = (model(&trial), pictures(&trial, &output.outputs["images"]));
    assert_eq!(pictures.len(), 5);
    for ((_, _, latent), picture) in found.iter().zip(&pictures) {
        assert_eq!((picture.width(), picture.height()), (32, 32));
        assert_eq!(latent.values, encoded(&model, picture).0);
    }
    let again = run(&trial, &settings).unwrap();
    assert_eq!(
        (&again.metrics["encoded"], &again.metrics["reused"]),
        (&json!(0), &json!(5))
    );
    assert_eq!(
        again.outputs["latents"].content,
        output.outputs["latents"].content
    );
}

#[test]
fn what_images_of_the_shapes_world_are_drawn_from_is_in_the_key() {
    let trial = trial();
    let shapes = |settings: Json| ("source", json!({"shapes": settings}));
    let base = json!({"source": {"shapes": {}}});
    let changes = [
        shapes(json!({"split": "train"})),
        shapes(json!({"images_per_prompt": 2})),
        shapes(json!({"seed": 1})),
        shapes(json!({"split_seed": 2})),
        shapes(json!({"test_groups": 30})),
    ];
    trial.assert_keyed::<EncodeImagesConfig>(&base, &changes);
    let spelled_out = json!({
        "split": "all", "images_per_prompt": 1, "seed": 0, "split_seed": 1, "test_groups": 22,
    });
    trial.assert_not_keyed::<EncodeImagesConfig>(&base, &[shapes(spelled_out)]);
    let refused = trial.stage::<EncodeImagesConfig>(json!({"source": {"shapes": {"test_groups": 90}}}));
    assert!(matches!(refused, Err(StageError::Configuration(_))));
}

#[test]
fn settings_are_in_the_key_and_paths_are_not() {
    let trial = trial();
    let base = json!({"source": {"diffusiondb": "d"}});
    let changes = [
        ("source", json!({"pick_a_pic": "d"})),
        ("ties", json!("refuse")),
        ("broken", json!("skip")),
        ("limit", json!(3)),
        ("size", json!(64)),
        ("resize", json!("exact")),
        ("crop", json!("random")),
        ("flip", json!("random")),
        ("posterior", json!("mean")),
        ("seed", json!(1)),
        ("keep_images", json!(true)),
    ];
    trial.assert_keyed::<EncodeImagesConfig>(&base, &changes);
    let unseen = [("source", json!({"diffusiondb": "e"})), ("shard_size", json!(1))];
    trial.assert_not_keyed::<EncodeImagesConfig>(&base, &unseen);
}
