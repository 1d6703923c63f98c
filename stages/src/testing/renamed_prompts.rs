//! Candidates and scores belong to the text of a prompt: neither repeating nor renaming a prompt computes anything.

use std::collections::BTreeSet;
use std::sync::Mutex;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, UInt32Type};
use mitune_store::{Artifact, FileDigest};
use serde_json::json;

use crate::contract::{Progress, Silent, Work};
use crate::generate::GenerateConfig;
use crate::ingest::prompts::PromptsConfig;
use crate::score::ScoreConfig;
use crate::testing::trial::Trial;
use crate::testing::trial_model;

/// Notes how many items a stage had and how many of them it computed.
#[derive(Default)]
struct Count(Mutex<(u64, u64)>);

impl Count {
    fn take(&self) -> (u64, u64) {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Progress for Count {
    fn begin(&self, work: Work) {
        self.0.lock().unwrap().0 = work.total;
    }

    fn advance(&self, units: u64) {
        self.0.lock().unwrap().1 += units;
    }

    fn message(&self, text: &str) {
        Silent.message(text);
    }

    fn metric(&self, name: &str, step: u64, value: f64) {
        Silent.metric(name, step, value);
    }
}

struct Place {
    trial: Trial,
    count: Count,
}

/// What the stages yield for a file of prompts.
struct Yield {
    prompts: Artifact,
    candidates: Artifact,
    scores: Artifact,
    /// Candidates in all and computed, scores in all and computed.
    counts: [(u64, u64); 2],
}

impl Place {
    fn new() -> Self {
        let mut trial = Trial::new();
        let path = trial.folder.path().join("model");
        trial_model::write(&path);
        trial.defaults.model = Some(path);
        let count = Count::default();
        Self { trial, count }
    }

    /// An empty store beside the same model.
    fn fresh(&self) -> Self {
        let mut trial = Trial::new();
        trial.defaults.model.clone_from(&self.trial.defaults.model);
        let count = Count::default();
        Self { trial, count }
    }

    fn run(&self, file: &str, prompts: &str) -> Yield {
        let trial = &self.trial;
        trial.write(file, prompts.as_bytes());
        let settings = json!({"source": {"text": {"paths": [file]}}});
        let prompts = trial.run::<PromptsConfig>(settings, &[]).unwrap().outputs["prompts"].clone();
        // A shard may end within the candidates of a prompt, and a batch of candidates with the last one wanted.
        let settings = json!({
            "prompts": "p", "candidates_per_prompt": 3, "batch_size": 2, "shard_size": 2, "images": true,
            "sampler": {"steps": 2, "guidance": 2.0},
        });
        let inputs: [(_, &[&Artifact]); 1] = [("prompts", &[&prompts])];
        let candidates = trial.run_watched::<GenerateConfig>(settings, &inputs, &self.count);
        let candidates = candidates.unwrap().outputs["candidates"].clone();
        let generated = self.count.take();
        let settings =
            json!({"candidates": "c", "timesteps": {"first": 500, "last": 500, "count": 1}, "noises": 1});
        let inputs: [(_, &[&Artifact]); 1] = [("candidates", &[&candidates])];
        let scores = trial.run_watched::<ScoreConfig>(settings, &inputs, &self.count);
        let scores = scores.unwrap().outputs["scores"].clone();
        let counts = [generated, self.count.take()];
        Yield {
            prompts,
            candidates,
            scores,
            counts,
        }
    }

    /// Each candidate's `prompt_id`, prompt, seed index, first number of its latent, and the path of its image.
    fn candidates(&self, candidates: &Artifact) -> Vec<(String, String, u32, f32, String)> {
        let table = self
            .trial
            .store
            .artifacts()
            .read_table_whole(candidates, None)
            .unwrap();
        let text = |column: &str, row: usize| table[column].as_string::<i32>().value(row).to_owned();
        let paths = table["image"].as_struct().column_by_name("path").unwrap();
        let row = |row: usize| {
            (
                text("prompt_id", row),
                text("prompt", row),
                table["seed_index"].as_primitive::<UInt32Type>().value(row),
                table["latent"]
                    .as_list::<i32>()
                    .value(row)
                    .as_primitive::<Float32Type>()
                    .value(0),
                paths.as_string::<i32>().value(row).to_owned(),
            )
        };
        (0..table.num_rows()).map(row).collect()
    }
}

#[test]
fn a_prompt_that_repeats_is_computed_once_and_keeps_its_rows_apart() {
    let place = Place::new();
    let made = place.run("prompts.txt", "a red circle\na green cross\na red circle\n");
    assert_eq!(made.counts, [(9, 6), (9, 6)]);
    let rows = place.candidates(&made.candidates);
    let mut ids: Vec<&String> = rows.iter().map(|row| &row.0).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "three prompts in their order");
    assert_ne!(ids[0], ids[2]);
    for (one, other) in rows[..3].iter().zip(&rows[6..]) {
        assert_eq!((&one.1, one.2, one.3), (&other.1, other.2, other.3));
    }
    for (place, (id, _, seed_index, _, path)) in rows.iter().enumerate() {
        assert_eq!(*seed_index as usize, place % 3);
        assert_eq!(*path, format!("{id}-{seed_index:04}.png"));
    }
    let scores = place
        .trial
        .store
        .artifacts()
        .read_table_whole(&made.scores, None)
        .unwrap();
    for (row, (id, ..)) in rows.iter().enumerate() {
        assert_eq!(scores["prompt_id"].as_string::<i32>().value(row), id);
        let score = |row: usize| scores["itm"].as_primitive::<Float64Type>().value(row);
        assert_eq!(score(row), score(row % 6));
    }
}

#[test]
fn a_renamed_or_reordered_file_computes_nothing_and_gives_what_a_fresh_store_gives() {
    let place = Place::new();
    let first = place.run("first.txt", "a red circle\na green cross\n");
    assert_eq!(first.counts, [(6, 6), (6, 6)]);
    for (file, prompts) in [
        ("second.txt", "a red circle\na green cross\n"),
        ("first.txt", "a green cross\na green cross\na red circle\n"),
    ] {
        let renamed = place.run(file, prompts);
        let computed = renamed.counts.map(|(_, computed)| computed);
        assert_eq!(computed, [0, 0], "{file}");
        assert_ne!(renamed.candidates.content, first.candidates.content);
        let fresh = place.fresh().run(file, prompts);
        assert_eq!(renamed.candidates.content, fresh.candidates.content, "{file}");
        assert_eq!(renamed.scores.content, fresh.scores.content, "{file}");
    }
    let added = place.run("third.txt", "a blue square\na red circle\n");
    assert_eq!(added.counts, [(6, 3), (6, 3)]);
}

#[test]
fn nothing_is_stored_but_what_the_tables_consist_of() {
    let place = Place::new();
    let store = &place.trial.store;
    let mut reached: BTreeSet<FileDigest> = BTreeSet::new();
    for (file, prompts) in [
        ("first.txt", "a red circle\na green cross\na red circle\n"),
        ("second.txt", "a green cross\na red circle\n"),
    ] {
        let made = place.run(file, prompts);
        for artifact in [&made.prompts, &made.candidates, &made.scores] {
            reached.insert(artifact.file);
            reached.extend(
                store
                    .artifacts()
                    .members(artifact)
                    .unwrap()
                    .into_iter()
                    .map(|(file, _)| file),
            );
        }
        let stored: BTreeSet<FileDigest> = store
            .catalog()
            .blobs()
            .unwrap()
            .into_iter()
            .map(|blob| blob.file)
            .collect();
        assert_eq!(stored, reached, "{file}");
    }
}
