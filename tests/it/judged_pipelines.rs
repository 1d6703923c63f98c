//! The shipped pipelines that end in tables of judges.

use std::collections::BTreeSet;
use std::path::Path;

use mitune::document::Assignment;
use mitune::pipeline::{BuiltinKinds, Pipeline, PipelineStage, read};
use serde_json::{Value, json};

fn shipped(name: &str, set: &[&str]) -> Pipeline {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name);
    let set: Vec<Assignment> = set.iter().map(|text| text.parse().unwrap()).collect();
    read(&file, &set, &BuiltinKinds).unwrap_or_else(|error| panic!("{error}"))
}

fn stage<'a>(pipeline: &'a Pipeline, name: &str) -> &'a PipelineStage {
    let found = pipeline
        .stages
        .iter()
        .find(|stage| stage.name.to_string() == name);
    found.unwrap_or_else(|| panic!("no stage `{name}`"))
}

fn settings(pipeline: &Pipeline, name: &str) -> Value {
    serde_json::to_value(stage(pipeline, name).stage.config().unwrap()).unwrap()
}

/// The stages, without round and arm, that read an output of a stage.
fn readers(pipeline: &Pipeline, name: &str) -> BTreeSet<String> {
    let reads = |stage: &&PipelineStage| {
        let mut sources = stage.sources();
        sources.any(|source| pipeline.stages[source.stage].name.to_string() == name)
    };
    let readers = pipeline.stages.iter().filter(reads);
    readers.map(|stage| stage.name.stage.clone()).collect()
}

/// Round and guidance are chosen on other prompts than those of the table, which are read once all is chosen.
#[test]
fn test_prompts_are_read_only_when_that_is_asked_for() {
    for name in ["t2i-compbench.yaml", "diffusiondb.yaml"] {
        let choosing = shipped(name, &[]);
        assert_eq!(readers(&choosing, "test_prompts"), BTreeSet::new(), "{name}");
        let testing = shipped(name, &["vars.read=test"]);
        let reading = readers(&testing, "test_prompts");
        for stage in &reading {
            assert!(
                stage.starts_with("chosen_") || stage.starts_with("table_"),
                "{name}: {stage}"
            );
        }
        assert!(
            reading.contains("chosen_images") && reading.contains("chosen_base_images"),
            "{name}"
        );
    }
    let chosen = shipped(
        "t2i-compbench.yaml",
        &["vars.chosen_round=3", "vars.chosen_guidance=4.5"],
    );
    let sampler = settings(&chosen, "chosen_images")["sampler"]["guidance"].clone();
    assert_eq!(sampler, json!(4.5));
    let sources: Vec<String> = stage(&chosen, "chosen_images")
        .sources()
        .map(|source| chosen.stages[source.stage].name.to_string())
        .collect();
    assert!(sources.contains(&"adapter@3/4.5".to_owned()), "{sources:?}");
}

/// Held out are the same prompts whichever side asks.
#[test]
fn prompts_to_choose_on_are_not_trained_on() {
    let pipeline = shipped("t2i-compbench.yaml", &["vars.category=shape"]);
    let mut train = settings(&pipeline, "train_prompts");
    let development = settings(&pipeline, "development_prompts");
    assert_eq!(
        (&train["take_split"], &development["take_split"]),
        (&json!("train"), &json!("test"))
    );
    train["take_split"] = json!("test");
    assert_eq!(train, development);
    let text = train["source"].to_string();
    assert!(text.contains("shape_train.txt"), "{text}");
}

#[test]
fn the_study_of_ranks_is_that_of_the_paper() {
    let kendall = shipped("kendall.yaml", &[]);
    let ranks = settings(&kendall, "ranks");
    assert_eq!(ranks["ranks"], json!([1, 25, 50]));
    assert_eq!(ranks["columns"], json!(["mi", "blip_vqa", "hps_v2"]));
    assert_eq!(settings(&kendall, "all_candidates")["ranks"], json!([]));
}

/// Pipelines that say they share candidates have the same settings for them.
#[test]
fn candidates_of_the_paper_are_generated_once() {
    let main = settings(&shipped("t2i-compbench.yaml", &[]), "candidates@1/2.5");
    for (name, stage) in [
        ("t2i-compbench-table.yaml", "candidates@1/color"),
        ("kendall.yaml", "candidates"),
        ("hps-selection.yaml", "candidates"),
        ("trade-off.yaml", "candidates@3/7.5"),
    ] {
        assert_eq!(settings(&shipped(name, &[]), stage), main, "{name}");
    }
}

#[test]
fn selections_differ_in_their_score_alone() {
    let pipeline = shipped("hps-selection.yaml", &[]);
    let selection = |by: &str| settings(&pipeline, &format!("selection@1/{by}"));
    for by in ["mi", "hps_v2", "blip_vqa", "random"] {
        let mut one = selection(by);
        assert_eq!(one["by"], json!(by));
        one["by"] = json!("mi");
        assert_eq!(one, selection("mi"));
        let tuned = settings(&pipeline, &format!("adapter@1/{by}"));
        assert_eq!(tuned, settings(&pipeline, "adapter@1/mi"));
    }
}
