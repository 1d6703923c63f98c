//! `generate` and `score`: from a model folder to images and tables, without a pipeline.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{Ended, run_real};
use crate::trial_model;

/// Scores the pairs of `pairs.csv`.
const SCORE_PAIRS: [&str; 9] = [
    "score",
    "--model",
    "model",
    "--pairs",
    "pairs.csv",
    "--out",
    "scores.parquet",
    "--device",
    "cpu",
];

fn folder_with_model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    trial_model::write(&folder.path().join("model"));
    folder
}

const GENERATE: [&str; 11] = [
    "generate",
    "--model",
    "model",
    "--prompt",
    "a red circle",
    "--steps",
    "2",
    "--device",
    "cpu",
    "--out",
    "out",
];

fn generate(folder: &Path, more: &[&str]) -> Ended {
    run_real(folder, &[&GENERATE[..], more].concat())
}

#[test]
fn images_are_generated_once_and_can_be_scored() {
    let place = folder_with_model();
    let folder = place.path();
    let first = generate(
        folder,
        &["-n", "2", "--rng", "torch", "--scheduler", "ddim", "--json"],
    );
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let document: Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(document["scheduler"], "ddim");
    assert_eq!(document["images"][1]["file"], "0001.png");
    assert!(document["images"][1]["mi"].as_f64().unwrap() > 0.0);
    let mut names: Vec<_> = fs::read_dir(folder.join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["0000.png", "0001.png", "candidates.parquet"]);

    let again = generate(folder, &[]);
    assert_eq!(again.code, Some(2));
    assert!(
        again
            .stderr
            .contains("0000.png` is there already and is not overwritten"),
        "{}",
        again.stderr
    );

    fs::write(
        folder.join("pairs.csv"),
        "image,prompt\nout/0000.png,a red circle\nout/0001.png,\n",
    )
    .unwrap();
    let scored = run_real(folder, &SCORE_PAIRS);
    assert_eq!(scored.code, Some(0), "{}", scored.stderr);
    assert_eq!(scored.stdout, "2 pairs scored into `scores.parquet`\n");
    let from_table = [
        "score",
        "--model",
        "model",
        "--pairs",
        "out/candidates.parquet",
        "--out",
        "b.parquet",
        "--json",
    ];
    let from_table = run_real(folder, &[&from_table[..], &["--device", "cpu"]].concat());
    assert_eq!(from_table.code, Some(0), "{}", from_table.stderr);
    let document: Value = serde_json::from_str(&from_table.stdout).unwrap();
    assert_eq!(document["pairs"].as_array().unwrap().len(), 2);
    assert!(document["pairs"][0]["itm"].as_f64().unwrap() < 0.0);
    assert!(document["pairs"][0]["mi"].as_f64().unwrap() > 0.0);
}

/// Scores of a range are not called by the name of the whole, and every setting of the stage has an option.
#[test]
fn scoring_takes_the_settings_of_the_stage() {
    let place = folder_with_model();
    let folder = place.path();
    let made = generate(folder, &["--scheduler", "ddim"]);
    assert!(
        made.stderr.contains("Scheduler `ddim`, 2 steps"),
        "{}",
        made.stderr
    );
    assert!(made.stderr.contains("not comparable"), "{}", made.stderr);
    fs::write(
        folder.join("pairs.csv"),
        "image,prompt\nout/0000.png,a red circle\n",
    )
    .unwrap();
    let pair = |more: &[&str]| {
        let ended = run_real(folder, &[&SCORE_PAIRS[..], &["--json"], more].concat());
        assert_eq!(ended.code, Some(0), "{more:?}: {}", ended.stderr);
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        document["pairs"][0].clone()
    };
    let range = [
        "--timesteps",
        "4",
        "--first-timestep",
        "400",
        "--last-timestep",
        "800",
    ];
    let of_range = pair(&range);
    assert!(of_range.get("mi").is_none() && of_range["mi_forward"].as_f64().unwrap() > 0.0);
    for more in [
        ["--noises", "2"],
        ["--seed", "7"],
        ["--noise", "prompt"],
        ["--mode", "reference"],
        ["--posterior", "sample"],
    ] {
        assert_ne!(pair(&[&range[..], &more].concat()), of_range, "{more:?}");
    }
    let refused = run_real(
        folder,
        &[&SCORE_PAIRS[..], &["--adapter", "none.safetensors"]].concat(),
    );
    assert!(refused.stderr.contains("none.safetensors"), "{}", refused.stderr);
    let refused = run_real(folder, &[&SCORE_PAIRS[..], &["--first-timestep", "990"]].concat());
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("`50` timesteps cannot be spread"),
        "{}",
        refused.stderr
    );
}

#[test]
fn the_table_on_standard_output_and_a_long_prompt() {
    let place = folder_with_model();
    let folder = place.path();
    let long = "red ".repeat(20);
    let more = ["--prompt", &long, "--negative", "", "--scheduler", "ddpm"];
    let arguments: Vec<&str> = GENERATE
        .iter()
        .copied()
        .filter(|word| !["--prompt", "a red circle"].contains(word))
        .collect();
    let ended = run_real(folder, &[&arguments[..], &more[..]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ended.stdout);
    assert_eq!(lines[0], "FILE      SEED INDEX  MI");
    assert!(lines[1].starts_with("0000.png  0           "), "{}", lines[1]);
    assert!(
        ended
            .stderr
            .contains("Prompt is longer than the text encoder reads"),
        "{}",
        ended.stderr
    );
}

#[test]
fn mistakes_are_named_and_exit_with_2() {
    let place = folder_with_model();
    let folder = place.path();
    let refused = |more: &[&str], text: &str| {
        let ended = generate(folder, more);
        assert_eq!(ended.code, Some(2), "{more:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(text), "{more:?}: {}", ended.stderr);
        assert!(!folder.join("out").exists());
    };
    refused(&["--scheduler", "unipc"], "unipc");
    refused(
        &["--eta", "1.5"],
        "invalid value '1.5' for '--eta <E>': expected a number from 0 to 1",
    );
    refused(
        &["--height", "20"],
        "Setting `height` is 20, expected a positive multiple of 8",
    );
    refused(
        &["--adapter", "none.safetensors:0.5"],
        "Adapter `none.safetensors` does not exist",
    );
    refused(&["-n", "0"], "0");
    let bare = ["generate", "--model", "none", "--prompt", "", "--out", "out"];
    let missing = run_real(folder, &bare);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    assert!(
        missing.stderr.contains("Model `none` does not exist"),
        "{}",
        missing.stderr
    );

    fs::write(folder.join("pairs.csv"), "image,prompt\nnone.png,a red circle\n").unwrap();
    let missing = run_real(folder, &SCORE_PAIRS);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("none.png"), "{}", missing.stderr);
    assert!(!folder.join("scores.parquet").exists());
}
