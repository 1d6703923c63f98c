//! The main job on the shipped model, with few prompts and steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::program::{real_command, run_real};

/// What a run says of its stages: name, whether it was computed, and the content of its outputs.
type Stages = BTreeMap<String, (bool, Vec<String>)>;

struct Settings<'a> {
    prompts: &'a [&'a str],
    candidates: u32,
    top_k: u32,
    learning_rate: &'a str,
}

const PLAIN: Settings<'static> = Settings {
    prompts: &[
        "a red circle and a blue square",
        "a green cross and a yellow circle",
    ],
    candidates: 3,
    top_k: 1,
    learning_rate: "0.001",
};

fn pipeline(settings: &Settings<'_>) -> String {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/shapes");
    let prompts: Vec<String> = settings
        .prompts
        .iter()
        .map(|prompt| format!("{prompt:?}"))
        .collect();
    format!(
        "version: 1\nname: small\nmodel: {model:?}\nseed: 3\nstages:\n  \
           prompts: {{kind: ingest, source: {{inline: [{prompts}]}}}}\n  \
           candidates: {{kind: generate, prompts: prompts, candidates_per_prompt: {candidates}, batch_size: 2, \
             shard_size: 2, sampler: {{steps: 3, guidance: 3.0}}}}\n  \
           scores: {{kind: score, candidates: candidates, timesteps: {{first: 400, last: 800, count: 2}}, noises: 1, \
             batch_size: 2, shard_size: 2}}\n  \
           selection: {{kind: select, candidates: candidates, scores: [scores], by: mi_signed, top_k: {top_k}}}\n  \
           adapter: {{kind: finetune, selection: selection, rank: 2, alpha: 2, batch_size: 2, steps: 6, \
             learning_rate: {learning_rate}, checkpoint_every: 2}}\n  \
           tuned_images: {{kind: generate, prompts: prompts, adapter: adapter, candidates_per_prompt: 2, \
             batch_size: 2, sampler: {{steps: 3, guidance: 3.0}}}}\n  \
           tuned: {{kind: evaluate, candidates: tuned_images}}\n",
        prompts = prompts.join(", "),
        candidates = settings.candidates,
        top_k = settings.top_k,
        learning_rate = settings.learning_rate,
    )
}

fn write(folder: &Path, settings: &Settings<'_>) -> PathBuf {
    let path = folder.join("small.yaml");
    std::fs::write(&path, pipeline(settings)).unwrap();
    path
}

fn run(folder: &Path, settings: &Settings<'_>) -> Stages {
    let path = write(folder, settings);
    let ended = run_real(
        folder,
        &["--json", "run", path.to_str().unwrap(), "--device", "cpu"],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let stages = document["stages"].as_array().unwrap().iter();
    stages
        .map(|stage| {
            let outputs = stage["outputs"].as_object().unwrap().values();
            let contents = outputs
                .map(|output| output["content"].as_str().unwrap().to_owned())
                .collect();
            let computed = stage["outcome"] == "computed";
            (stage["name"].as_str().unwrap().to_owned(), (computed, contents))
        })
        .collect()
}

fn computed(stages: &Stages) -> Vec<&str> {
    stages
        .iter()
        .filter(|(_, (computed, _))| *computed)
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Counts the items in all shards of a store, repeated ones too.
fn items(folder: &Path) -> usize {
    fn count(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries
            .map(|path| match path.is_dir() {
                true => count(&path),
                false => std::fs::read_to_string(path).unwrap().matches("\"row\"").count(),
            })
            .sum()
    }
    count(&folder.join(".mitune/shards"))
}

#[test]
fn only_what_a_change_reaches_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &PLAIN);
    assert_eq!(computed(&first).len(), 7);
    // 2 prompts: 3 candidates each, as many scores, 2 tuned images each.
    assert_eq!(items(folder.path()), 6 + 6 + 4);

    let again = run(folder.path(), &PLAIN);
    assert_eq!(computed(&again), Vec::<&str>::new());

    let wider = run(folder.path(), &Settings { top_k: 2, ..PLAIN });
    assert_eq!(
        computed(&wider),
        ["adapter", "selection", "tuned", "tuned_images"]
    );
    let before = items(folder.path());

    let more = run(
        folder.path(),
        &Settings {
            candidates: 5,
            ..PLAIN
        },
    );
    assert!(more["candidates"].0 && more["scores"].0);
    let new_tuned = if more["tuned_images"].0 { 4 } else { 0 };
    assert_eq!(
        items(folder.path()) - before,
        2 * (2 + 2) + new_tuned,
        "only the 2 new candidates of each prompt"
    );

    let before = items(folder.path());
    let mut prompts = PLAIN.prompts.to_vec();
    prompts.insert(0, "a purple square and a orange cross");
    let added = run(
        folder.path(),
        &Settings {
            prompts: &prompts,
            ..PLAIN
        },
    );
    assert!(added["candidates"].0);
    assert_eq!(
        items(folder.path()) - before,
        3 + 3 + 3 * 2,
        "only the new prompt, and images of a new adapter"
    );

    let faster = run(
        folder.path(),
        &Settings {
            learning_rate: "0.002",
            ..PLAIN
        },
    );
    assert_eq!(computed(&faster), ["adapter", "tuned", "tuned_images"]);
}

#[test]
fn twenty_kills_change_no_byte_of_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let started = std::time::Instant::now();
    let undisturbed = run(folder.path(), &PLAIN);
    let duration = started.elapsed();
    let total = items(folder.path());

    let killed = tempfile::tempdir().unwrap();
    let path = write(killed.path(), &PLAIN);
    let mut state = std::process::id() | 1;
    for _ in 0..20 {
        // xorshift: moments differ from run to run on purpose.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let mut child = real_command(killed.path(), &["run", path.to_str().unwrap(), "--device", "cpu"])
            .spawn()
            .unwrap();
        std::thread::sleep(duration.mul_f64(f64::from(state % 1000) / 1000.0));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let resumed = run(killed.path(), &PLAIN);
    for (name, (_, contents)) in &undisturbed {
        assert_eq!(contents, &resumed[name].1, "stage `{name}`");
    }
    assert_eq!(items(killed.path()), total, "no shard was published twice");
    let verified = run_real(killed.path(), &["store", "verify", "--full"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}
