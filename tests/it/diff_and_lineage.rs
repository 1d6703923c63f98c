//! `mitune diff` and `mitune lineage`: how runs and results relate.

use serde_json::Value;

use crate::program::{Ended, run};
use crate::small_pipeline::Place;
use crate::workplace::Workplace;

const PIPELINE: &str = "version: 1
name: demo
stages:
  a: {kind: numbers, count: 6}
  b: {kind: remainder, of: a, modulo: 7}
  c: {kind: remainder, of: b, also: a, modulo: 100}
";

/// A store in which the pipeline ran twice, the second time with another modulus.
fn two_runs() -> Workplace {
    let place = Workplace::new();
    std::fs::write(place.path().join("demo.yaml"), PIPELINE).unwrap();
    for more in [&[][..], &["--set", "stages.b.modulo=5"]] {
        let ended = run(place.path(), &[&["run", "demo.yaml"], more].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    place
}

fn json(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Digits of the key of the newest stage that has this setting.
fn key(place: &Workplace, modulo: i64) -> String {
    let mut records = place.path().join(".mitune");
    let store = mitune_store::Store::open(&mut records).unwrap();
    let found = store.catalog().actions().unwrap().find(|record| {
        let preimage = store.records().read_preimage(&record.preimage).unwrap();
        preimage.get("config").and_then(|config| config.get("modulo")) == Some(&modulo.into())
    });
    found.unwrap().key.short()
}

#[test]
fn diff_tells_parameters_inputs_and_metrics_of_the_last_two_runs() {
    let place = two_runs();
    let told = run(place.path(), &["diff"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert!(
        lines[0].starts_with("from run ") && lines[0].contains(" of `demo`, "),
        "{}",
        told.stdout
    );
    assert_eq!(lines[2..4], ["b: another result", "  config.modulo: 7 -> 5"]);
    assert!(
        told.stdout.contains("\nc: another result\n  other input: of\n"),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout.ends_with("the same: 1 of 3 stages\n"),
        "{}",
        told.stdout
    );

    let document = json(&run(place.path(), &["diff", "latest", "latest~1", "--json"]));
    assert_eq!(document["stages"][0]["state"], "same");
    let change = &document["stages"][1]["parameters"][0];
    assert_eq!((&change["before"], &change["now"]), (&5.into(), &7.into()));
    let sum = &document["stages"][1]["metrics"][0];
    let numbers = [&sum["second"], &sum["first"], &sum["change"]].map(|value| value.as_f64().unwrap());
    assert_eq!(sum["name"], "sum");
    assert!(
        numbers[0] - numbers[1] == numbers[2] && numbers[2] != 0.0,
        "{sum}"
    );

    let none = run(place.path(), &["diff", "latest~7"]);
    assert_eq!(none.code, Some(2));
    assert!(
        none.stderr
            .starts_with("Error: There is no run `latest~7`\nHint: "),
        "{}",
        none.stderr
    );
}

#[test]
fn lineage_goes_up_and_down_and_is_drawn() {
    let place = two_runs();
    let middle = key(&place, 7);
    let told = run(place.path(), &["lineage", &middle]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert!(
        lines[0].starts_with(&format!("remainder b of demo {middle} (")),
        "{}",
        told.stdout
    );
    assert_eq!([lines[1], lines[3]], ["made from:", "used for:"]);
    assert!(
        lines[2].starts_with("  of: numbers a of demo "),
        "{}",
        told.stdout
    );
    assert!(
        lines[4].starts_with("  as of: remainder c of demo "),
        "{}",
        told.stdout
    );
    assert_eq!(lines.len(), 5);
    let up = run(place.path(), &["lineage", &middle, "--up"]);
    assert_eq!(up.stdout.lines().count(), 3);

    // From the source, both ways of the second run are seen, and none twice.
    let all = json(&run(place.path(), &["lineage", &middle, "--json"]));
    let source = all["edges"][0]["from"].as_str().unwrap();
    let whole = json(&run(place.path(), &["lineage", &source[..12], "--json"]));
    let counts = ["nodes", "edges"].map(|field| whole[field].as_array().unwrap().len());
    assert_eq!(counts, [5, 6]);
    let one = json(&run(
        place.path(),
        &["lineage", &source[..12], "--depth", "1", "--json"],
    ));
    assert_eq!(one["edges"].as_array().unwrap().len(), 4);

    let dot = run(place.path(), &["lineage", &middle, "--format", "dot"]).stdout;
    let (first, last) = (
        format!("  \"{}\" -> \"{middle}\" [label=\"of\"];\n", &source[..12]),
        "}\n",
    );
    assert!(
        dot.starts_with("digraph lineage {\n") && dot.contains(&first) && dot.ends_with(last),
        "{dot}"
    );
    let mermaid = run(place.path(), &["lineage", &middle, "--format", "mermaid"]).stdout;
    assert!(mermaid.starts_with("flowchart LR\n"), "{mermaid}");
    assert_eq!(mermaid.matches(" -->|\"of\"| ").count(), 2);
}

#[test]
fn diff_measures_how_far_adapters_are_apart() {
    let place = Place::new();
    for rate in ["0.001", "0.002"] {
        let ended = place.run(&["--set", &format!("stages.adapter.learning_rate={rate}")]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let document = json(&crate::program::run_real(place.path(), &["diff", "--json"]));
    let stage = document["stages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|stage| stage["name"] == "adapter");
    let distance = &stage.unwrap()["adapters"][0]["distance"];
    let number = |name: &str| distance[name].as_f64().unwrap();
    assert!(number("relative_distance") > 0.01, "{distance}");
    assert!(number("second_norm") > number("first_norm"), "{distance}");
    assert!(number("cosine") > 0.5, "{distance}");
}
