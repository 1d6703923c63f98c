//! Closed cases, and the reference's own lines on drawn boxes (`tools/goldens/export_judges_spatial.py`).

use std::path::PathBuf;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    prompt: String,
    nouns: Vec<String>,
    labels: Vec<String>,
    scores: Vec<f64>,
    boxes: Vec<[f64; 4]>,
    score: f64,
}

fn detection(label: &str, score: f64, [left, top, right, bottom]: [f64; 4]) -> Detection {
    Detection {
        label: label.to_owned(),
        score,
        place: PixelBox {
            left,
            top,
            right,
            bottom,
        },
    }
}

fn score(prompt: &str, found: &[Detection]) -> f64 {
    spatial_score(prompt, &["cat", "dog"].map(str::to_owned), found)
}

const LEFT: [f64; 4] = [0.0, 0.0, 100.0, 100.0];
const RIGHT: [f64; 4] = [200.0, 0.0, 300.0, 100.0];

#[test]
fn the_right_side_scores_and_the_wrong_one_does_not() {
    let prompt = "a cat on the left of a dog";
    let right = score(
        prompt,
        &[detection("cat", 0.9, LEFT), detection("dog", 0.8, RIGHT)],
    );
    assert!((right - 0.925).abs() < 1e-12);
    let wrong = score(
        prompt,
        &[detection("cat", 0.9, RIGHT), detection("dog", 0.8, LEFT)],
    );
    assert_eq!(wrong, 0.0);
}

#[test]
fn the_surest_of_a_label_counts() {
    let found = [
        detection("cat", 0.9, LEFT),
        detection("cat", 0.5, RIGHT),
        detection("dog", 0.4, RIGHT),
    ];
    assert!((score("a cat on the left of a dog", &found) - 0.825).abs() < 1e-12);
}

#[test]
fn one_thing_alone_never_reaches_the_least_score() {
    assert_eq!(score("a cat near a dog", &[detection("cat", 1.0, LEFT)]), 0.0);
    assert_eq!(score("a cat near a dog", &[]), 0.0);
}

#[test]
fn a_prompt_without_nouns_has_no_score() {
    assert_eq!(spatial_score("near", &[], &[detection("cat", 1.0, LEFT)]), 0.0);
}

#[test]
fn persons_share_a_label_and_other_nouns_must_be_the_label() {
    let found = [detection("person", 1.0, LEFT), detection("dog", 1.0, RIGHT)];
    let of = |nouns: [&str; 2]| spatial_score("a x on the left of a y", &nouns.map(str::to_owned), &found);
    assert_eq!(of(["girl", "dog"]), 1.0);
    assert_eq!(of(["child", "dog"]), 0.0);
    assert_eq!(of(["girl", "dogs"]), 0.0);
}

#[test]
fn on_top_of_has_no_rule() {
    let below = [0.0, 200.0, 100.0, 300.0];
    let found = [detection("cat", 1.0, LEFT), detection("dog", 1.0, below)];
    assert_eq!(score("a cat on top of a dog", &found), 0.5);
    assert_eq!(score("a cat on the top of a dog", &found), 1.0);
}

#[test]
fn scores_are_those_of_the_reference() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spatial.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 300);
    for case in cases {
        let found: Vec<Detection> = (0..case.labels.len())
            .map(|place| detection(&case.labels[place], case.scores[place], case.boxes[place]))
            .collect();
        let score = spatial_score(&case.prompt, &case.nouns, &found);
        assert!(
            (score - case.score).abs() < 1e-12,
            "{}: {score}, not {}",
            case.prompt,
            case.score
        );
    }
}
