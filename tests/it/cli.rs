//! What the program prints and how it ends.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{run, run_real};
use crate::workplace::Workplace;

const PIPELINE: &str = "version: 1
name: demo
stages:
  a: {kind: numbers, count: 6}
  b: {kind: remainder, of: a, modulo: 7}
";

fn workplace() -> Workplace {
    let place = Workplace::new();
    std::fs::write(place.path().join("demo.yaml"), PIPELINE).unwrap();
    place
}

#[test]
fn run_prints_data_to_stdout_and_progress_to_stderr() {
    let place = workplace();
    let first = run(place.path(), &["run", "demo.yaml"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(
        first.stdout,
        "a: 6 numbers\n2 stages: 2 computed, 0 found in the store\n"
    );
    let lines: Vec<&str> = first.stderr.lines().collect();
    assert!(
        lines[0].starts_with("Run ") && lines[0].ends_with(" of `demo`"),
        "{}",
        first.stderr
    );
    assert_eq!(lines[1], "[1/2] a");
    assert!(lines[2].starts_with("[1/2] a: done in "), "{}", first.stderr);
    let second = run(place.path(), &["run", "demo.yaml"]);
    assert_eq!(
        second.stdout,
        "a: 6 numbers\n2 stages: 0 computed, 2 found in the store\n"
    );
    assert!(
        second.stderr.contains("2 stages found in the store\n"),
        "{}",
        second.stderr
    );
}

#[test]
fn run_as_json_has_every_stage_with_its_record() {
    let place = workplace();
    let ended = run(
        place.path(),
        &["run", "demo.yaml", "--json", "--set", "stages.b.modulo=5"],
    );
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["pipeline"], "demo");
    assert_eq!(document["stages"][1]["name"], "b");
    assert_eq!(document["stages"][1]["outcome"], "computed");
    assert_eq!(document["stages"][1]["metrics"]["sum"], 0);
    assert_eq!(document["stages"][0]["outputs"]["values"]["rows"], 6);
    let content = &document["stages"][0]["outputs"]["values"]["content"];
    assert_eq!(&document["stages"][1]["inputs"]["of"]["content"], content);
}

#[test]
fn plan_tells_hits_misses_and_reasons_without_running() {
    let place = workplace();
    let fresh = run(place.path(), &["plan", "demo.yaml"]);
    assert_eq!(
        fresh.stdout,
        "STATE    STAGE  KIND       COST  WHY\n\
         miss     a      numbers    -     never computed\n\
         pending  b      remainder  -     waits for a\n\
         0 hits, 1 miss, 1 pending\n"
    );
    assert!(
        !place.path().join(".mitune").exists(),
        "looking ahead makes no store"
    );
    assert_eq!(run(place.path(), &["run", "demo.yaml"]).code, Some(0));
    let changed = run(place.path(), &["plan", "demo.yaml", "--set", "stages.b.modulo=8"]);
    assert!(
        changed
            .stdout
            .contains("miss   b      remainder  ~0.0 s  config.modulo: 7 -> 8\n"),
        "{}",
        changed.stdout
    );
    let explained = run(
        place.path(),
        &["plan", "demo.yaml", "--explain", "--set", "stages.a.count=8"],
    );
    assert!(
        explained.stdout.contains("    config.count: 6 -> 8\n"),
        "{}",
        explained.stdout
    );
    assert!(
        explained.stdout.contains("\"revision\": 1"),
        "{}",
        explained.stdout
    );
    let json = run(place.path(), &["plan", "demo.yaml", "--json"]);
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["stages"][0]["state"], "hit");
    let rerun = run(place.path(), &["run", "demo.yaml", "--set", "stages.b.modulo=8"]);
    let told = "[2/2] b\n  config.modulo: 7 -> 8\n  about 0.0 s by recorded times\n";
    assert!(rerun.stderr.contains(told), "{}", rerun.stderr);
}

#[test]
fn status_tells_how_the_newest_run_stands() {
    let place = workplace();
    let none = run(place.path(), &["status"]);
    assert_eq!(none.code, Some(2));
    assert!(
        none.stderr
            .starts_with("Error: There is no store at `.mitune`\nHint: "),
        "{}",
        none.stderr
    );
    assert!(!place.path().join(".mitune").exists());
    run(place.path(), &["run", "demo.yaml"]);
    let status = run(place.path(), &["status"]);
    assert!(
        status.stdout.contains("of `demo`: succeeded, started "),
        "{}",
        status.stdout
    );
    assert!(status.stdout.contains("done  a  "), "{}", status.stdout);
    run(place.path(), &["run", "demo.yaml"]);
    let all = run(place.path(), &["status", "--all", "--json"]);
    let runs: Vec<Value> = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0]["stages"], runs[1]["stages"]);
}

#[test]
fn artifacts_can_be_listed_shown_exported_and_verified() {
    let place = workplace();
    run(place.path(), &["run", "demo.yaml"]);
    let listed: Vec<Value> =
        serde_json::from_str(&run(place.path(), &["store", "ls", "--json"]).stdout).unwrap();
    assert_eq!(listed.len(), 3);
    for field in ["digest", "content", "kind", "bytes", "created", "stage"] {
        assert!(
            listed[0].get(field).is_some_and(|value| !value.is_null()),
            "{field}"
        );
    }
    let table = listed.iter().find(|entry| entry["port"] == "values").unwrap();
    let digest = &table["digest"].as_str().unwrap()[..12];
    let shown: Vec<Value> =
        serde_json::from_str(&run(place.path(), &["store", "show", digest]).stdout).unwrap();
    assert_eq!(shown[0]["preimage"]["config"]["count"], 6);
    let exported = run(place.path(), &["store", "export", digest, "values.parquet"]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let bytes = std::fs::read(place.path().join("values.parquet")).unwrap();
    assert_eq!(&bytes[..4], b"PAR1");
    let summary = listed.iter().find(|entry| entry["port"] == "terms").unwrap();
    assert_eq!(
        run(
            place.path(),
            &["store", "cat", summary["digest"].as_str().unwrap()]
        )
        .stdout
        .trim(),
        "6"
    );
    assert_eq!(run(place.path(), &["store", "verify"]).code, Some(0));

    let blob = place
        .path()
        .join(".mitune/blobs")
        .join(&summary["digest"].as_str().unwrap()[..2]);
    let blob = blob.join(summary["digest"].as_str().unwrap());
    std::fs::remove_file(&blob).unwrap();
    let verified = run(place.path(), &["store", "verify", "--json"]);
    assert_eq!(verified.code, Some(2));
    assert_eq!(
        serde_json::from_str::<Value>(&verified.stdout).unwrap()["clean"],
        false
    );
    for (digest, text) in [
        ("xyz", "is not a digest"),
        ("abc", "is not a digest"),
        ("00000000000000", "No artifact"),
    ] {
        let refused = run(place.path(), &["store", "cat", digest]);
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    }
}

#[test]
fn the_store_is_where_the_option_or_the_variable_says() {
    let place = workplace();
    run(place.path(), &["run", "demo.yaml", "--store", "elsewhere"]);
    assert!(place.path().join("elsewhere/FORMAT").exists());
    let mut command = crate::program::command(place.path(), &["run", "demo.yaml"]);
    let output = command
        .env("MITUNE_STORE", place.path().join("elsewhere"))
        .output()
        .unwrap();
    let ended = crate::program::ended(output);
    assert!(
        ended.stdout.ends_with("0 computed, 2 found in the store\n"),
        "{}",
        ended.stdout
    );
    assert!(!place.path().join(".mitune").exists());
}

#[test]
fn a_rerun_of_a_long_pipeline_takes_less_than_a_second() {
    let place = Workplace::new();
    let text = "version: 1\nname: long\nrounds:\n  count: 30\n  for_each: {k: [1, 2, 3]}\n  stages:\n    \
                a: {kind: numbers, count: '${k}'}\n    b: {kind: remainder, of: a, also: previous.b, modulo: 1000}\n";
    std::fs::write(place.path().join("long.yaml"), text).unwrap();
    assert_eq!(run(place.path(), &["run", "long.yaml"]).code, Some(0));
    let started = Instant::now();
    let again = run(place.path(), &["run", "long.yaml"]);
    let elapsed = started.elapsed();
    assert!(
        again
            .stdout
            .ends_with("180 stages: 0 computed, 180 found in the store\n"),
        "{}",
        again.stdout
    );
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
}

#[test]
fn a_device_that_is_not_there_is_an_error_before_any_work() {
    let place = Workplace::new();
    let text = PIPELINE.replace("modulo: 7", "modulo: 7, tensors: true");
    std::fs::write(place.path().join("demo.yaml"), text).unwrap();
    for device in ["cuda:99", "wgpu:99"] {
        let refused = run(place.path(), &["run", "demo.yaml", "--device", device]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        let family = device.trim_end_matches(":99");
        let unbuilt = format!("Error: This build cannot use `{family}` devices");
        let missing = format!("Error: There is no device `{device}`");
        assert!(
            refused.stderr.contains(&unbuilt) || refused.stderr.contains(&missing),
            "{}",
            refused.stderr
        );
        assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
        let listed = run(place.path(), &["store", "ls", "--json"]);
        assert_eq!(
            listed.stdout.trim(),
            "[]",
            "not even the stage without tensors has run"
        );
    }
    assert_eq!(
        run(place.path(), &["run", "demo.yaml", "--device", "cpu"]).code,
        Some(0)
    );
    let hits = run(place.path(), &["run", "demo.yaml", "--device", "cuda:99"]);
    assert_eq!(
        hits.code,
        Some(0),
        "results in the store need no device: {}",
        hits.stderr
    );
    let shown = run(place.path(), &["run", "demo.yaml", "--json"]);
    let document: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(document["stages"][1]["producer"]["device"], "cpu");
    assert_eq!(document["stages"][1]["producer"]["dtype"], "f32");
    assert!(document["stages"][0]["producer"].get("device").is_none());
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_right() {
    let place = workplace();
    for (arguments, text) in [
        (
            &["run", "missing.yaml"][..],
            "Cannot read pipeline `missing.yaml`",
        ),
        (&["run", "demo.yaml", "--device", "tpu"], "Unknown device `tpu`"),
        (
            &["run", "demo.yaml", "--set", "stages"],
            "`stages` is not of the form `path=value`",
        ),
        (
            &["run", "demo.yaml", "--set", "stages.a.cuont=1"],
            "Unknown key `cuont` at `stages.a`",
        ),
        (&["rum"], "unrecognized subcommand"),
    ] {
        let ended = run(place.path(), arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(text), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_program_itself_answers() {
    let place = Workplace::new();
    let version = run_real(place.path(), &["--version"]);
    assert_eq!(version.stdout, format!("mitune {}\n", env!("CARGO_PKG_VERSION")));
    let completions = run_real(place.path(), &["completions", "bash"]);
    assert!(
        completions.stdout.contains("complete -F"),
        "{}",
        completions.stdout
    );
    let doctor = run_real(place.path(), &["doctor", "--json"]);
    assert_eq!(doctor.code, Some(0), "{}", doctor.stderr);
    let document: Value = serde_json::from_str(&doctor.stdout).unwrap();
    assert_eq!(document["devices"][0]["device"], "cpu:0");
    assert_eq!(document["devices"][0]["works"], true);
    let init = run_real(place.path(), &["init", "first.yaml"]);
    assert_eq!(init.code, Some(0), "{}", init.stderr);
    let again = run_real(place.path(), &["init", "first.yaml"]);
    assert_eq!(again.code, Some(2), "an existing file is kept");
}
