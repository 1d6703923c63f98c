use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int64Array, StringArray, UInt16Array};
use proptest::prelude::*;

use super::super::fixture::{Files, Row, assert_balanced, message, prompts, rows};
use super::super::{InvalidPrompts, PromptSource, PromptsConfig, PromptsError, SampleConfig, ingest};
use super::*;

/// An image: prompt, width, height, probability that the prompt is unsafe.
type Image<'a> = (Option<&'a str>, u16, u16, Option<f32>);

fn write(files: &Files, images: &[Image<'_>]) -> PathBuf {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "prompt",
            Arc::new(images.iter().map(|image| image.0).collect::<StringArray>()),
        ),
        (
            "width",
            Arc::new(images.iter().map(|image| image.1).collect::<UInt16Array>()),
        ),
        (
            "height",
            Arc::new(images.iter().map(|image| image.2).collect::<UInt16Array>()),
        ),
        (
            "prompt_nsfw",
            Arc::new(images.iter().map(|image| image.3).collect::<Float32Array>()),
        ),
    ];
    files.write_parquet("metadata.parquet", columns).remove(0)
}

fn source(metadata: PathBuf) -> DiffusionDbSource {
    DiffusionDbSource {
        metadata,
        min_images: 1,
        ..DiffusionDbSource::default()
    }
}

fn config(source: DiffusionDbSource) -> PromptsConfig {
    PromptsConfig::new(PromptSource::Diffusiondb(source))
}

fn row(text: &str, line: u32) -> Row {
    (text.to_owned(), None, None, "metadata.parquet".to_owned(), line)
}

#[test]
fn images_are_filtered_and_grouped_by_their_prompt() {
    let files = Files::new();
    let metadata = write(
        &files,
        &[
            (Some("a car "), 512, 512, Some(0.5)),
            (Some("a car"), 512, 512, Some(0.1)),
            (Some("a boat"), 512, 512, Some(0.1)),
            (Some(" a car"), 512, 768, Some(0.1)),
            (Some("a car"), 512, 512, Some(0.05)),
            (Some("a tree"), 512, 512, None),
            (Some("a tree"), 512, 512, Some(f32::NAN)),
            (None, 512, 512, Some(0.0)),
            (Some("  "), 512, 512, Some(0.0)),
            (Some("an ox"), 256, 512, Some(0.0)),
            (Some("ox"), 512, 512, Some(0.0)),
        ],
    );
    let source = DiffusionDbSource {
        max_prompt_nsfw: Some(0.1),
        min_width: Some(512),
        max_height: Some(512),
        min_characters: Some(5),
        min_images: 2,
        ..source(metadata)
    };
    let ingested = files.ingest(PromptSource::Diffusiondb(source)).expect("prompts");
    assert_eq!(rows(&ingested), [row("a car", 2)]);
    let expected = [
        ("empty", 1),
        ("max_height", 1),
        ("max_prompt_nsfw", 1),
        ("min_characters", 1),
        ("min_images", 1),
        ("min_width", 1),
        ("missing_prompt_nsfw", 2),
        ("null", 1),
    ];
    let rejected: Vec<(&str, u64)> = ingested
        .report
        .rejected
        .iter()
        .map(|(reason, count)| (reason.as_str(), *count))
        .collect();
    assert_eq!(rejected, expected);
    assert_eq!(
        (ingested.report.read, ingested.report.duplicates_dropped),
        (11, 1)
    );
}

#[test]
fn numbers_of_another_width_are_compared_alike() {
    let files = Files::new();
    let metadata = files
        .write_parquet(
            "metadata.parquet",
            vec![
                ("prompt", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef),
                ("width", Arc::new(Int64Array::from(vec![512, 511]))),
            ],
        )
        .remove(0);
    let source = DiffusionDbSource {
        min_width: Some(512),
        ..source(metadata)
    };
    let ingested = files.ingest(PromptSource::Diffusiondb(source)).expect("prompts");
    assert_eq!(prompts(&ingested), ["a"]);
}

#[test]
fn nothing_left_says_what_took_it() {
    let files = Files::new();
    let metadata = write(
        &files,
        &[
            (Some("a"), 1, 1, Some(0.3)),
            (Some("b"), 1, 1, Some(0.4)),
            (Some(""), 1, 1, Some(0.0)),
        ],
    );
    let source = DiffusionDbSource {
        max_prompt_nsfw: Some(0.2),
        ..source(metadata)
    };
    let found = message(files.ingest(PromptSource::Diffusiondb(source)));
    assert!(found.starts_with("No prompts left of 3 read from `"), "{found}");
    assert!(
        found.ends_with("metadata.parquet`: 1 rejected by `empty`, 2 rejected by `max_prompt_nsfw`"),
        "{found}"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let files = Files::new();
    let metadata = write(
        &files,
        &[
            (Some("a \0 car"), 1, 1, Some(0.0)),
            (Some("a car"), 1, 1, Some(0.0)),
        ],
    );
    let missing = DiffusionDbSource {
        max_image_nsfw: Some(0.1),
        ..source(metadata.clone())
    };
    let missing = message(files.ingest(PromptSource::Diffusiondb(missing)));
    assert!(missing.starts_with("No column `image_nsfw` in `"), "{missing}");
    let mut damaged = config(source(metadata));
    let found = message(ingest(&damaged, files.path()));
    assert!(
        found.starts_with("The prompt at `metadata.parquet:1` holds a NUL character"),
        "{found}"
    );
    damaged.invalid_prompts = InvalidPrompts::Skip;
    assert_eq!(
        prompts(&ingest(&damaged, files.path()).expect("prompts")),
        ["a car"]
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("prompt", Arc::new(StringArray::from(vec!["a"]))),
        ("width", Arc::new(StringArray::from(vec!["512"]))),
    ];
    let metadata = files.write_parquet("metadata.parquet", columns).remove(0);
    let wrong = DiffusionDbSource {
        min_width: Some(1),
        ..source(metadata)
    };
    let wrong = message(files.ingest(PromptSource::Diffusiondb(wrong)));
    assert!(
        wrong.ends_with("metadata.parquet` must hold numbers, found a text"),
        "{wrong}"
    );
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let cases = [
        (
            DiffusionDbSource {
                min_width: Some(2),
                max_width: Some(1),
                ..source(PathBuf::new())
            },
            "max_width",
        ),
        (
            DiffusionDbSource {
                max_image_nsfw: Some(f64::NAN),
                ..source(PathBuf::new())
            },
            "max_image_nsfw",
        ),
        (
            DiffusionDbSource {
                max_guidance: Some(-1.0),
                ..source(PathBuf::new())
            },
            "max_guidance",
        ),
        (
            DiffusionDbSource {
                min_images: 0,
                ..source(PathBuf::new())
            },
            "min_images",
        ),
        (
            DiffusionDbSource {
                min_characters: Some(2),
                max_characters: Some(1),
                ..source(PathBuf::new())
            },
            "max_characters",
        ),
    ];
    for (source, setting) in cases {
        let found = message(config(source).validate());
        assert!(
            found.starts_with("Setting `") && found.contains(setting),
            "{found}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn it_agrees_with_a_map(
        images in proptest::collection::vec(("[ab]{1,3}", 0_u16..4, 0.0_f32..1.0), 1..200),
        max_nsfw in 0.3_f64..1.0,
        min_images in 1_u32..4,
        count in 1_u64..20,
        seed: u64,
    ) {
        let files = Files::new();
        let rows_in: Vec<Image<'_>> =
            images.iter().map(|(text, width, nsfw)| (Some(text.as_str()), *width, 0, Some(*nsfw))).collect();
        let metadata = write(&files, &rows_in);
        let mut expected: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for (line, (text, width, nsfw)) in (1..).zip(&images) {
            if *nsfw <= max_nsfw as f32 && *width >= 1 {
                expected.entry(text).or_insert((line, 0)).1 += 1;
            }
        }
        expected.retain(|_, (_, images)| *images >= min_images);
        let all: BTreeSet<Row> = expected.iter().map(|(text, (line, _))| row(text, *line)).collect();
        let source = DiffusionDbSource {
            max_prompt_nsfw: Some(max_nsfw),
            min_width: Some(1),
            min_images,
            ..source(metadata)
        };
        let mut config = config(source);
        match ingest(&config, files.path()) {
            Ok(ingested) => {
                let found = rows(&ingested);
                prop_assert!(found.is_sorted_by_key(|row| row.4));
                prop_assert_eq!(&found.iter().cloned().collect::<BTreeSet<_>>(), &all);
                config.sample = Some(SampleConfig { count, seed });
                let sampled = rows(&ingest(&config, files.path()).expect("a sample"));
                prop_assert_eq!(sampled.len(), all.len().min(count as usize));
                prop_assert!(sampled.iter().all(|row| all.contains(row)));
            }
            Err(PromptsError::NoPrompts { report, .. }) => {
                prop_assert!(all.is_empty());
                assert_balanced(&report);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}
