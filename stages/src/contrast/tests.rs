use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use mitune_store::Artifact;
use serde_json::{Value as Json, json};

use super::*;
use crate::contract::{KnownInput, KnownInputs, StageError, StageOutput};
use crate::tables::contrasts::{Contrast, ContrastKind, read_contrasts};
use crate::tables::schema;
use crate::testing::trial::{Trial, Unremembered};
use crate::testing::trial_tables::{lists, texts};

/// An image of a test: prompt, seed index and the side of its latent.
type Row = (String, u32, usize);

/// Three images of each prompt; of the prompts every second one can be perturbed.
fn pool(prompts: usize) -> Vec<Row> {
    let prompt = |number: usize| match number % 2 {
        0 => format!("a red cube above a blue sphere {number}"),
        _ => format!("running {number}"),
    };
    (0..3 * prompts)
        .map(|row| (prompt(row % prompts), (row / prompts) as u32, 2))
        .collect()
}

/// Numbers that tell a latent: those of its prompt and of its seed index.
fn marks((prompt, seed_index, _): &Row) -> [f32; 2] {
    [prompt.len() as f32, *seed_index as f32]
}

/// Stores latents, which hold their marks.
fn latents(trial: &Trial, rows: &[Row]) -> Artifact {
    let latent = |row: &Row| {
        let [first, second] = marks(row);
        let mut values = vec![0.0; 4 * row.2 * row.2];
        (values[0], values[1]) = (first, second);
        values
    };
    let columns: Vec<ArrayRef> = vec![
        texts(rows.iter().map(|row| format!("id of {}", row.0))),
        texts(rows.iter().map(|row| row.0.clone())),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1))),
        lists::<Float32Type>(rows.iter().map(latent)),
        lists::<Int32Type>(rows.iter().map(|row| vec![4, row.2 as i32, row.2 as i32])),
    ];
    let batch = RecordBatch::try_new(schema::latents(), columns).unwrap();
    trial
        .store
        .artifacts()
        .put_table(&schema::latents(), [batch])
        .unwrap()
}

/// Stores features of images, each of an angle.
fn features(trial: &Trial, rows: &[Row], angle: impl Fn(&Row) -> f32) -> Artifact {
    let direction = |row: &Row| vec![angle(row).cos(), angle(row).sin()];
    let columns: Vec<ArrayRef> = vec![
        texts(rows.iter().map(|row| format!("id of {}", row.0))),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1))),
        lists::<Float32Type>(rows.iter().map(direction)),
        lists::<Float32Type>(rows.iter().map(|_| vec![1.0, 0.0])),
    ];
    let batch = RecordBatch::try_new(schema::features(), columns).unwrap();
    trial
        .store
        .artifacts()
        .put_table(&schema::features(), [batch])
        .unwrap()
}

fn settings(more: Json) -> Json {
    let mut settings = json!({"selection": "select"});
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    settings
}

fn run(trial: &Trial, more: Json, rows: &[Row]) -> Result<StageOutput, StageError> {
    let table = latents(trial, rows);
    trial.run::<ContrastConfig>(settings(more), &[("selection", &[&table])])
}

fn read(trial: &Trial, output: &StageOutput) -> Vec<Contrast> {
    read_contrasts(&trial.store, &output.outputs["contrasts"]).unwrap()
}

/// Kind, prompt and latent of a mismatch.
type Mismatch = (ContrastKind, String, Vec<f32>);

/// The contrasts of each image, whichever the order of rows.
fn by_image(contrasts: Vec<Contrast>) -> BTreeMap<(String, u32), Vec<Mismatch>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in contrasts {
        let other = one.other_latent.map_or(Vec::new(), |latent| latent.values);
        let contrast = (one.kind, one.other_prompt, other);
        found
            .entry((one.prompt, one.seed_index))
            .or_default()
            .push(contrast);
    }
    found
}

#[test]
fn every_image_gets_a_mismatch_of_its_kind() {
    let trial = Trial::new();
    let rows = pool(20);
    let output = run(&trial, json!({"per_example": 3}), &rows).unwrap();
    let found = read(&trial, &output);
    assert_eq!(found.len(), 180);
    let prompts: BTreeSet<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    for one in &found {
        let row = (one.prompt.clone(), one.seed_index, 2);
        assert_eq!(one.latent.values[..2], marks(&row));
        assert_eq!(one.prompt_id, format!("id of {}", one.prompt));
        match one.kind {
            ContrastKind::Image => {
                assert_eq!(one.other_prompt, one.prompt);
                let other = one.other_latent.as_ref().unwrap();
                let shown = rows.iter().filter(|row| marks(row) == other.values[..2]);
                assert!(shown.clone().count() > 0 && shown.clone().any(|row| row.0 != one.prompt));
            }
            ContrastKind::HardText => {
                assert!(one.prompt.starts_with("a red") && one.other_prompt != one.prompt);
                assert!(!prompts.contains(one.other_prompt.as_str()));
            }
            ContrastKind::RandomText => {
                assert_ne!(one.other_prompt, one.prompt);
                assert!(prompts.contains(one.other_prompt.as_str()));
            }
        }
    }
    let count = |name: &str| output.metrics[name].as_u64().unwrap();
    // Of 180, half are expected to be images (standard deviation 6.7) and a quarter to be wanted as hard texts, of which
    // half of the prompts have none.
    assert!((60..=120).contains(&count("image")), "{}", count("image"));
    assert!((8..=40).contains(&count("hard_text")));
    assert!(count("hard_text_replaced") > 5 && count("image_replaced") == 0);
    assert_eq!(count("image") + count("hard_text") + count("random_text"), 180);
    let images = found.iter().filter(|one| one.kind == ContrastKind::Image).count();
    assert_eq!(count("image"), images as u64);
    assert_eq!((count("images"), count("contrasts")), (60, 180));
}

#[test]
fn contrasts_follow_the_seed_and_not_the_order_of_rows() {
    let trial = Trial::new();
    let mut rows = pool(10);
    let drawn = |seed: u64, rows: &[Row]| {
        let more = json!({"seed": seed, "per_example": 2});
        by_image(read(&trial, &run(&trial, more, rows).unwrap()))
    };
    let first = drawn(0, &rows);
    assert_ne!(drawn(1, &rows), first);
    rows.reverse();
    assert_eq!(drawn(0, &rows), first);
}

#[test]
fn mismatched_images_are_the_nearest_ones() {
    let trial = Trial::new();
    // One image of each prompt, at an angle of its own; the lengths of the prompts tell them apart.
    let rows: Vec<Row> = (1..=12).map(|number| ("x".repeat(number), 0, 2)).collect();
    let table = latents(&trial, &rows);
    let angle = |row: &Row| row.0.len() as f32 / 10.0;
    let features = features(&trial, &rows, angle);
    let more = json!({"features": "embed", "negatives": {"image": 1}, "nearest": 2, "per_example": 20});
    let inputs: [(&'static str, &[&Artifact]); 2] = [("selection", &[&table]), ("features", &[&features])];
    let output = trial
        .run::<ContrastConfig>(settings(more.clone()), &inputs)
        .unwrap();
    for (image, contrasts) in by_image(read(&trial, &output)) {
        let own = image.0.len();
        let others: BTreeSet<usize> = contrasts.iter().map(|one| one.2[0] as usize).collect();
        let expected = match own {
            1 => [2, 3],
            12 => [10, 11],
            own => [own - 1, own + 1],
        };
        assert_eq!(others, BTreeSet::from(expected), "{own}");
    }
    let few = self::features(&trial, &rows[1..], angle);
    let inputs: [(&'static str, &[&Artifact]); 2] = [("selection", &[&table]), ("features", &[&few])];
    let error = trial.run::<ContrastConfig>(settings(more), &inputs).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Image `0` of prompt `id of x` is not in `features`"
    );
}

#[test]
fn images_of_another_shape_are_no_mismatch() {
    let trial = Trial::new();
    let rows: Vec<Row> = vec![
        ("a".to_owned(), 0, 2),
        ("b".to_owned(), 0, 2),
        ("c".to_owned(), 0, 3),
    ];
    let output = run(
        &trial,
        json!({"negatives": {"image": 0.5}, "per_example": 4}),
        &rows,
    )
    .unwrap();
    for one in read(&trial, &output) {
        let alone = one.prompt == "c";
        assert_eq!(one.kind == ContrastKind::RandomText, alone);
        assert_eq!(one.latent.shape, if alone { [4, 3, 3] } else { [4, 2, 2] });
    }
    assert_eq!(output.metrics["image_replaced"], 4);
}

#[test]
fn hard_texts_come_from_a_file_where_one_is_given() {
    let trial = Trial::new();
    trial.write("hard.csv", b"caption,neg_caption\na red cube,a blue cube\n");
    let rows: Vec<Row> = vec![
        ("a red cube".to_owned(), 0, 2),
        ("a dog under a table".to_owned(), 0, 2),
    ];
    let more = json!({"negatives": {"hard_text": 1}, "captions": "hard.csv"});
    let output = run(&trial, more.clone(), &rows).unwrap();
    let found = read(&trial, &output);
    assert_eq!(
        (found[0].kind, found[0].other_prompt.as_str()),
        (ContrastKind::HardText, "a blue cube")
    );
    assert_eq!(
        (found[1].kind, found[1].other_prompt.as_str()),
        (ContrastKind::RandomText, "a red cube")
    );
    assert_eq!(output.metrics["hard_text_replaced"], 1);
    // The file is known by its content, and not by its name.
    let external = |name: &str| {
        let settings = settings(json!({"captions": name}));
        let stage = trial.stage::<ContrastConfig>(settings).unwrap();
        stage.external(&Unremembered)
    };
    trial.write("same.csv", b"caption,neg_caption\na red cube,a blue cube\n");
    trial.write("other.csv", b"caption,neg_caption\na red cube,a green cube\n");
    let first = external("hard.csv").unwrap();
    assert_eq!(external("same.csv").unwrap(), first);
    assert_ne!(external("other.csv").unwrap(), first);
    let missing = external("none.csv").unwrap_err();
    assert!(matches!(missing, StageError::Configuration(_)), "{missing}");
    let change = || trial.write("hard.csv", b"caption,neg_caption\na red cube,a tan cube\n");
    let table = latents(&trial, &rows);
    let silent = &crate::contract::Silent;
    let changed =
        trial.run_changed::<ContrastConfig>(settings(more), &[("selection", &[&table])], silent, change);
    let changed = changed.unwrap_err();
    assert!(
        matches!(&changed, StageError::Changed { input } if input == "captions"),
        "{changed:?}"
    );
    // One that cannot be read any more is another one too, and not a slip in the pipeline.
    trial.write("hard.csv", b"caption,neg_caption\na red cube,a blue cube\n");
    let change = || trial.write("hard.csv", b"caption\na red cube\n");
    let more = json!({"negatives": {"hard_text": 1}, "captions": "hard.csv"});
    let changed =
        trial.run_changed::<ContrastConfig>(settings(more), &[("selection", &[&table])], silent, change);
    assert!(matches!(changed, Err(StageError::Changed { .. })));
}

#[test]
fn more_contrasts_than_can_be_listed_are_refused_by_the_plan() {
    let trial = Trial::new();
    let stage = trial
        .stage::<ContrastConfig>(settings(json!({"per_example": 10_000})))
        .unwrap();
    assert!(stage.check_rows(&|_| Some(5_000)).is_ok());
    assert_eq!(
        stage.check_rows(&|_| Some(5_001)).unwrap_err().to_string(),
        "5001 images with 10000 contrasts each are 50010000 contrasts, more than 50000000; lower `per_example`"
    );
}

#[test]
fn what_contrasts_with_nothing_is_told() {
    let trial = Trial::new();
    let alone: Vec<Row> = vec![("running".to_owned(), 0, 2), ("running".to_owned(), 1, 2)];
    let told = |rows: &[Row]| {
        let error = run(&trial, json!({}), rows).unwrap_err();
        assert!(matches!(error, StageError::Configuration(_)), "{error}");
        error.to_string()
    };
    assert_eq!(
        told(&alone),
        "Nothing contrasts with prompt `id of running`: `selection` has no other prompt"
    );
    assert_eq!(told(&[]), "No contrasts: `selection` has no rows");
}

#[test]
fn features_of_other_images_are_told_before_anything_runs() {
    let trial = Trial::new();
    let told = |of_features: Option<&str>| {
        let settings = settings(json!({"features": "embed"}));
        let mut stage = trial.stage::<ContrastConfig>(settings).unwrap();
        let input = |stage: &str, candidates: Option<&str>| KnownInput {
            stage: stage.to_owned(),
            columns: None,
            candidates: candidates.map(str::to_owned),
        };
        let mut inputs = KnownInputs::default();
        inputs.add("selection", vec![input("s", Some("hc"))]);
        inputs.add("features", vec![input("f", of_features)]);
        match stage.connected(inputs) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(told(None), "");
    assert_eq!(told(Some("hc")), "");
    assert_eq!(
        told(Some("h3")),
        "`features` (stage `f`) is about the candidates of stage `h3`, but `selection` (stage `s`) has those of stage \
         `hc`; make both of the same"
    );
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let trial = Trial::new();
    for (more, words) in [
        (json!({"negatives": {"image": 0}}), "no kind with a share above 0"),
        (
            json!({"negatives": {"image": 2}}),
            "Setting `negatives.image` is `2`",
        ),
        (json!({"negatives": {"images": 1}}), "unknown field `images`"),
        (json!({"nearest": 0}), "nonzero"),
        (json!({"per_example": 0}), "nonzero"),
        (json!({"top_k": 2}), "unknown field `top_k`"),
    ] {
        let error = trial
            .stage::<ContrastConfig>(settings(more))
            .map(|_| ())
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn settings_are_keyed_and_references_are_not() {
    let mut trial = Trial::new();
    let base = settings(json!({}));
    trial.assert_keyed::<ContrastConfig>(
        &base,
        &[
            ("negatives", json!({"image": 1})),
            ("negatives", json!({"image": 0.5, "random_text": 0.5})),
            ("nearest", json!(3)),
            ("per_example", json!(2)),
            ("seed", json!(7)),
        ],
    );
    trial.assert_not_keyed::<ContrastConfig>(
        &base,
        &[
            ("selection", json!("other")),
            ("features", json!("embed")),
            ("captions", json!("hard.csv")),
            (
                "negatives",
                json!({"image": 0.5, "hard_text": 0.25, "random_text": 0.25}),
            ),
        ],
    );
    let config = |trial: &Trial| {
        trial
            .stage::<ContrastConfig>(base.clone())
            .unwrap()
            .config()
            .unwrap()
    };
    let unset = config(&trial);
    trial.defaults.seed = 9;
    assert_ne!(config(&trial), unset);
}
