//! Every number that a pipeline or a command takes, at every value that overflows, fills a memory or has no end.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Ended, real_command, run_real};
use crate::small_pipeline::{Place, told};

const VALUES: [&str; 12] = [
    "0",
    "1",
    "2147483648",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e12",
    "1e308",
    "-1",
    ".nan",
    ".inf",
];

/// A pipeline with every kind of stage, and with every kind of source and share that has numbers.
const PIPELINE: &str = "version: 1
name: huge
model: model
stages:
  ingest: {kind: ingest, source: {inline: [a red circle]}, sample: {count: 1}, split: {test: {count: 1}}}
  fraction: {kind: ingest, source: {inline: [a red circle]}, split: {test: {fraction: 0.5}}}
  diffusiondb: {kind: ingest, source: {diffusiondb: {metadata: prompts.parquet}}}
  shapes: {kind: ingest, source: {shapes: {split: test}}}
  generate: {kind: generate, prompts: ingest}
  score: {kind: score, candidates: generate}
  select: {kind: select, candidates: generate}
  finetune: {kind: finetune, selection: select}
  merge_adapters: {kind: merge_adapters, adapters: [finetune], weights: [1.0]}
  evaluate: {kind: evaluate, candidates: generate}
  judge: {kind: judge, candidates: generate, judge: shapes}
  compare: {kind: compare, tables: [judge], column: shapes_correct}
  agree: {kind: agree, candidates: generate, scores: [judge], columns: [mi, shapes_correct], ranks: [1]}
  pretrain_autoencoder: {kind: pretrain_autoencoder, channels: [8], training: {steps: 1, batch_size: 1, learning_rate: 0.1}}
  pretrain_denoiser: {kind: pretrain_denoiser, autoencoder: pretrain_autoencoder, channels: [16],
                      training: {steps: 1, batch_size: 1, learning_rate: 0.1}}
  pair: {kind: pair, candidates: generate, scores: [judge], by: shapes_correct}
  weigh: {kind: weigh, candidates: generate, scores: [judge], by: shapes_correct, threshold: 0.5}
  encode_images: {kind: encode_images, source: {shapes: {split: test}}}
  mix: {kind: mix, selections: [select, encode_images], shares: [0.5, 0.5]}
  contrast: {kind: contrast, selection: select}
  stylise: {kind: stylise, candidates: generate, style: palette}
  policy_gradient: {kind: policy_gradient, prompts: ingest, judge: shapes, objective: {kind: dpok}}
  merge_into_model: {kind: merge_into_model, adapter: finetune}
  pretrain_judge: {kind: pretrain_judge, training: {steps: 1, batch_size: 1, learning_rate: 0.1}}
";

/// Collects the paths of all numbers below a schema.
fn numbers(schema: &Value, definitions: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap();
        return numbers(&definitions[name], definitions, path, found);
    }
    let is = |name: &str| match &schema["type"] {
        Value::Array(types) => types.iter().any(|kind| kind == name),
        kind => kind == name,
    };
    if is("integer") || is("number") {
        found.push(path.to_owned());
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        numbers(property, definitions, &format!("{path}.{name}"), found);
    }
    if let Some(items) = schema.get("items") {
        numbers(items, definitions, &format!("{path}.0"), found);
    }
    for choices in ["oneOf", "anyOf"] {
        for choice in schema[choices].as_array().into_iter().flatten() {
            numbers(choice, definitions, path, found);
        }
    }
}

/// The paths of all numbers of all stages of [`PIPELINE`], which has a stage of the name of each kind.
fn paths() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let schema: Value = serde_json::from_str(&run_real(folder.path(), &["schema"]).stdout).unwrap();
    let definitions = &schema["$defs"];
    let mut found = vec!["seed".to_owned()];
    for stage in definitions["Stage"]["oneOf"].as_array().unwrap() {
        let kind = stage["properties"]["kind"]["const"].as_str().unwrap();
        let mut below = Vec::new();
        numbers(stage, definitions, "", &mut below);
        for path in below {
            let stage = match path.as_str() {
                path if path.starts_with(".source.diffusiondb") => "diffusiondb",
                path if path.starts_with(".source.shapes") => "shapes",
                ".split.test.fraction" => "fraction",
                _ => kind,
            };
            found.push(format!("stages.{stage}{path}"));
        }
    }
    found
}

/// Runs the program with at most 4 GB of addresses, and checks that it ends soon and in order.
fn bounded(place: &Place, arguments: &[&str]) -> Ended {
    let program = real_command(place.path(), arguments);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -v 4000000; exec \"$0\" \"$@\""]);
    command.arg(program.get_program()).args(program.get_args());
    command
        .current_dir(place.path())
        .stdin(std::process::Stdio::null());
    command.env("XDG_CACHE_HOME", place.path().join("cache"));
    command.env_remove("MITUNE_STORE").env_remove("RUST_BACKTRACE");
    let begun = Instant::now();
    let ended = crate::program::ended(command.output().unwrap());
    let time = begun.elapsed();
    assert!(time < Duration::from_secs(60), "{arguments:?} took {time:?}");
    assert!(matches!(ended.code, Some(0..=2)), "{arguments:?}: {ended:?}");
    for word in ["panicked", "bug", "overflow", "allocation"] {
        assert!(!ended.stderr.contains(word), "{arguments:?}: {}", ended.stderr);
    }
    ended
}

#[test]
fn plan_ends_soon_whatever_number_stands_anywhere() {
    let place = Place::new();
    std::fs::write(place.path().join("huge.yaml"), PIPELINE).unwrap();
    let paths = paths();
    assert!(paths.len() > 90, "{}", paths.len());
    for path in &paths {
        for value in VALUES {
            let set = format!("{path}={value}");
            let ended = bounded(&place, &["plan", "huge.yaml", "--set", &set]);
            // The table of DiffusionDB is not there, which is told only once all settings are found fine.
            if value == ".nan"
                || value == ".inf"
                || value == "18446744073709551616" && !path.contains("guidance")
            {
                assert_eq!(ended.code, Some(2), "{set}: {}", ended.stderr);
            }
            assert!(
                ended.code == Some(0) || ended.stderr.starts_with("Error: "),
                "{set}: {ended:?}"
            );
        }
    }
}

#[test]
fn what_settings_need_together_is_refused_by_plan() {
    let place = Place::new();
    std::fs::write(place.path().join("prompts.txt"), "a red circle\n".repeat(100)).unwrap();
    let source = "stages.prompts.source={text: {paths: [prompts.txt]}}";
    let most = "stages.candidates.candidates_per_prompt=1000000";
    let plan = ["plan", "small.yaml"];
    let together = [&plan[..], &["--set", source, "--set", most]].concat();
    // How many prompts there are is known once they are read.
    assert_eq!(bounded(&place, &together).code, Some(0));
    let ingest =
        "version: 1\nname: x\nstages:\n  p: {kind: ingest, source: {text: {paths: [prompts.txt]}}}\n";
    std::fs::write(place.path().join("ingest.yaml"), ingest).unwrap();
    assert_eq!(bounded(&place, &["run", "ingest.yaml"]).code, Some(0));
    told(
        &bounded(&place, &together),
        2,
        &["100 prompts", "are 100000000 candidates, more than 50000000"],
    );
    let sizes = "stages.candidates.height=16384";
    let batch = "stages.candidates.batch_size=4096";
    let wide = "stages.candidates.width=16384";
    let large = [&plan[..], &["--set", sizes, "--set", wide, "--set", batch]].concat();
    told(
        &bounded(&place, &large),
        2,
        &["4096 images at once need at least", "more than 64 GiB"],
    );
    let network = "{p: {kind: pretrain_autoencoder, channels: [16384, 16384, 16384], norm_groups: 1, \
                   training: {steps: 1, batch_size: 1, learning_rate: 0.1}}}";
    let network = format!("stages={network}");
    told(
        &bounded(&place, &[&plan[..], &["--set", &network]].concat()),
        2,
        &["parameters, more than"],
    );
    let rounds = "rounds={count: 4294967295, stages: {}}";
    told(
        &bounded(&place, &[&plan[..], &["--set", rounds]].concat()),
        2,
        &["4294967295 rounds, more than 10000"],
    );
}

#[test]
fn direct_commands_refuse_what_they_cannot_do() {
    let place = Place::new();
    let generate = [
        "generate",
        "--model",
        "model",
        "--prompt",
        "a red circle",
        "--device",
        "cpu",
        "--out",
        "out",
    ];
    let bench = ["bench", "model", "--model", "model", "--device", "cpu"];
    let options: [(&[&str], &[&str]); 2] = [
        (
            &generate,
            &[
                "-n",
                "--steps",
                "--height",
                "--width",
                "--guidance",
                "--eta",
                "--adapter",
            ],
        ),
        (
            &bench,
            &[
                "--height",
                "--width",
                "--candidates",
                "--steps",
                "--training-batch",
                "--largest-batch",
                "--runs",
            ],
        ),
    ];
    for (command, options) in options {
        for option in options {
            for value in [
                "0",
                "2147483648",
                "4294967296",
                "18446744073709551615",
                "1e308",
                "-1",
                "NaN",
            ] {
                let harmless = matches!((*option, value), ("--guidance", "0" | "-1") | ("--eta", "0"));
                if harmless {
                    continue;
                }
                let ended = bounded(&place, &[command, &[&format!("{option}={value}")]].concat());
                assert_ne!(ended.code, Some(0), "{option}={value}");
            }
        }
    }
    let torch = [
        &generate[..],
        &[
            "--rng", "torch", "-n", "10000", "--height", "16384", "--width", "16384",
        ],
    ]
    .concat();
    told(
        &bounded(&place, &torch),
        2,
        &["10000 images at once need at least"],
    );
    assert!(!place.path().join("out").exists());
    for value in [
        "4294967296",
        "18446744073709551615",
        "99999999999999999999",
        "1e308",
    ] {
        for option in [
            "--keep-runs",
            "--older-than",
            "--grace",
            "--trash",
            "--max-size",
            "--keep-rounds",
        ] {
            bounded(
                &place,
                &["store", "gc", &format!("{option}={value}"), "--store", "none"],
            );
            bounded(
                &place,
                &["store", "gc", &format!("{option}={value}w"), "--store", "none"],
            );
        }
    }
}
