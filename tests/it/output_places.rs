//! What a command is told to write to: its own inputs, devices, links, and names that are no text.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::program::{ended, real_command, run_real};
use crate::small_pipeline::{Place, told};

const PROMPTS: &str =
    "version: 1\nname: small\nstages:\n  prompts: {kind: ingest, source: {inline: [a red circle]}}\n";

#[test]
fn outputs_take_the_place_of_nothing_that_would_be_lost() {
    let place = Place::new();
    let at = |name: &str| place.path().join(name);
    fs::write(at("small.yaml"), PROMPTS).unwrap();
    assert_eq!(place.run(&[]).code, Some(0));
    let refused = run_real(place.path(), &["report", "small.yaml", "--out", "small.yaml"]);
    told(&refused, 1, &["small.yaml", "no web page", "not overwritten"]);
    assert_eq!(fs::read_to_string(at("small.yaml")).unwrap(), PROMPTS);
    let refused = run_real(place.path(), &["report", "small.yaml", "--out", "/dev/null"]);
    told(&refused, 1, &["`/dev/null`", "a device, not a regular file"]);

    fs::write(at("old.html"), "").unwrap();
    std::os::unix::fs::symlink("old.html", at("link.html")).unwrap();
    for _ in 0..2 {
        let written = run_real(place.path(), &["report", "small.yaml", "--out", "link.html"]);
        assert_eq!(written.code, Some(0), "{}", written.stderr);
    }
    assert!(at("link.html").is_symlink());
    assert!(
        fs::read_to_string(at("old.html"))
            .unwrap()
            .starts_with("<!DOCTYPE html>")
    );

    let listed = run_real(place.path(), &["store", "ls", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let digest = listed[0]["digest"].as_str().unwrap();
    let refused = run_real(place.path(), &["store", "export", digest, "/dev/null"]);
    told(&refused, 1, &["`/dev/null`", "not a regular file"]);
}

#[test]
fn places_that_cannot_be_written_are_found_before_the_work() {
    let place = Place::new();
    let at = |name: &str| place.path().join(name);
    fs::write(at("taken"), "a text").unwrap();
    let prompt = [
        "generate", "--prompt", "x", "--model", "model", "--device", "cpu", "--steps", "1",
    ];
    let refused = run_real(place.path(), &[&prompt[..], &["--out", "taken"]].concat());
    told(&refused, 2, &["taken` is no folder"]);
    fs::write(at("pairs.csv"), "image,prompt\ntaken,a red circle\n").unwrap();
    let score = [
        "score",
        "--model",
        "model",
        "--device",
        "cpu",
        "--pairs",
        "pairs.csv",
        "--timesteps",
        "1",
    ];
    let refused = run_real(place.path(), &[&score[..], &["--out", "taken"]].concat());
    told(&refused, 2, &["`taken` is there already", "not overwritten"]);
    let refused = run_real(place.path(), &[&score[..], &["--out", "none/a.parquet"]].concat());
    told(&refused, 2, &["Cannot write `none/a.parquet`"]);
    let check = ["doctor", "--device", "cpu", "--model", "model", "--save"];
    let refused = run_real(place.path(), &[&check[..], &["taken"]].concat());
    told(&refused, 2, &["`taken` is there already"]);
    assert_eq!(fs::read_to_string(at("taken")).unwrap(), "a text");
}

#[test]
fn names_that_are_no_text_are_used_or_named() {
    let place = Place::new();
    let folder = place.path().join(OsStr::from_bytes(b"bad\xff"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("small.yaml"), PROMPTS).unwrap();
    let mut command = real_command(place.path(), &["run"]);
    let ran = ended(command.arg(folder.join("small.yaml")).output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut command = real_command(place.path(), &["remote", "add", "lab"]);
    let refused = ended(command.arg(&folder).output().unwrap());
    told(&refused, 2, &["bad\u{fffd}` is not UTF-8 text"]);
}

#[test]
fn numbers_below_zero_are_numbers_and_help_must_arrive() {
    let place = Place::new();
    let prompt = [
        "generate", "--prompt", "x", "--model", "model", "--out", "out", "--seed", "-1",
    ];
    let refused = run_real(place.path(), &prompt);
    told(&refused, 2, &["'-1'", "--seed"]);
    assert!(
        !refused.stderr.contains("unexpected argument"),
        "{}",
        refused.stderr
    );
    if let Ok(full) = fs::File::options().write(true).open("/dev/full") {
        let mut command = real_command(place.path(), &["--help"]);
        let output = command.stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
    }
    fs::write(
        place.path().join("small.yaml"),
        format!("{PROMPTS}seed: {}\n", "9".repeat(1_000_000)),
    )
    .unwrap();
    let refused = place.run(&[]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.len() < 4_000, "{} bytes", refused.stderr.len());
}
