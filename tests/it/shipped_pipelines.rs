//! The pipelines that ship with the project are valid, and those of the paper have its values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mitune::document::{Node, load};
use mitune::pipeline::{BuiltinKinds, Pipeline, read};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")
}

fn shipped(name: &str) -> Pipeline {
    read(&folder().join(name), &[], &BuiltinKinds).unwrap_or_else(|error| panic!("{error}"))
}

/// The effective settings of a stage, by its name with round and arm.
fn settings(pipeline: &Pipeline, name: &str) -> Value {
    let found = pipeline
        .stages
        .iter()
        .find(|stage| stage.name.to_string() == name);
    let stage = found.unwrap_or_else(|| panic!("no stage `{name}`"));
    serde_json::to_value(stage.stage.config().unwrap()).unwrap()
}

#[test]
fn every_shipped_pipeline_is_valid() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!shipped(&name).stages.is_empty(), "{name}");
            names.push(name);
        }
    }
    for name in ["t2i-compbench.yaml", "diffusiondb.yaml"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing");
    }
}

#[test]
fn the_settings_of_the_paper_are_those_of_its_table_8() {
    for (name, arm) in [("t2i-compbench.yaml", "2.5"), ("diffusiondb.yaml", "2.5")] {
        let pipeline = shipped(name);
        let candidates = settings(&pipeline, &format!("candidates@1/{arm}"));
        assert_eq!(candidates["candidates_per_prompt"], json!(50), "{name}");
        assert_eq!(
            candidates["sampler"],
            json!({"scheduler": "ddpm", "steps": 50, "guidance": 7.5, "eta": 0.0})
        );
        assert_eq!(
            candidates["mutual_information"],
            json!({
                "mode": "paper", "weight": "kappa", "min_timestep": 0, "max_timestep": null,
                "trajectory": "guided", "variance": "scheduler", "reduction": "mean", "raw_outputs": false,
            }),
            "{name}"
        );
        assert_eq!(
            (&candidates["seed"], &candidates["height"], &candidates["width"]),
            (&json!(42), &json!(512), &json!(512))
        );
        let selection = settings(&pipeline, &format!("selection@1/{arm}"));
        let chosen = ["by", "order", "top_k"].map(|key| selection[key].clone());
        assert_eq!(chosen, [json!("mi"), json!("top"), json!(1)]);
        let adapter = settings(&pipeline, &format!("adapter@1/{arm}"));
        for (key, value) in [
            ("method", json!("dora")),
            ("rank", json!(32)),
            ("alpha", json!(32.0)),
            ("targets", json!({"attention": true, "feed_forward": true})),
            ("timesteps", json!({"first": 500, "last": 999})),
            ("learning_rate", json!(1e-4)),
            ("warmup", json!(0)),
            (
                "optimizer",
                json!({"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01}),
            ),
            ("clip_norm", json!(1.0)),
            ("batch_size", json!(400)),
            ("steps", json!(300)),
        ] {
            assert_eq!(adapter[key], value, "{name}: {key}");
        }
        let test = settings(&pipeline, &format!("tuned_images@1/{arm}"));
        assert_eq!(
            test["sampler"],
            json!({"scheduler": "ddim", "steps": 50, "guidance": 2.5, "eta": 0.0})
        );
        assert_eq!(test["candidates_per_prompt"], json!(10));
    }
}

#[test]
fn the_pipelines_of_the_paper_leave_nothing_to_defaults() {
    // Seeds come from the pipeline, whose seed is written; the others have one sensible value only.
    let unwritten = ["seed", "init_seed", "first_seed_index", "min_score"];
    for name in ["t2i-compbench.yaml", "diffusiondb.yaml"] {
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        let root = load(&text).unwrap();
        let pipeline = shipped(name);
        for stage in ["candidates", "selection", "adapter"] {
            let written = ["rounds", "stages", stage]
                .iter()
                .try_fold(&root, |node: &Node, key| node.get(key));
            let written: BTreeSet<&str> = written
                .unwrap()
                .entries()
                .iter()
                .map(|entry| entry.key.as_str())
                .collect();
            let effective = settings(&pipeline, &format!("{stage}@1/2.5"));
            for (key, value) in effective.as_object().unwrap() {
                let left_out = !written.contains(key.as_str()) && !value.is_null();
                assert!(
                    !left_out || unwritten.contains(&key.as_str()),
                    "{name}: {stage}.{key} is {value}"
                );
            }
        }
    }
}

/// Appendix H: 1,250 prompts to train on, four times one of 50 images, 500 others to test on.
#[test]
fn diffusiondb_is_that_of_appendix_h() {
    let pipeline = shipped("diffusiondb.yaml");
    let prompts = settings(&pipeline, "train_prompts");
    assert_eq!(
        (&prompts["sample"]["count"], &prompts["split"]["test"]["count"]),
        (&json!(1750), &json!(500))
    );
    let plain = |mut candidates: Value| {
        candidates["seed"] = json!(0);
        candidates
    };
    let first = settings(&pipeline, "candidates@1/7.5");
    for seed in [43, 44, 45] {
        let other = settings(&pipeline, &format!("candidates_{seed}@1/7.5"));
        assert_eq!(other["seed"], json!(seed));
        assert_eq!(
            plain(other),
            plain(first.clone()),
            "candidates_{seed} differ in more than their seed"
        );
        let selection = settings(&pipeline, &format!("selection_{seed}@1/7.5"));
        assert_eq!(selection, settings(&pipeline, "selection@1/7.5"));
    }
    let adapter = pipeline
        .stages
        .iter()
        .find(|stage| stage.name.to_string() == "adapter@1/7.5");
    let ports = &adapter.unwrap().inputs;
    let selections = ports
        .iter()
        .filter(|port| ["selection", "joint_with"].contains(&port.port));
    assert_eq!(selections.map(|port| port.sources.len()).sum::<usize>(), 4);
    // The test guidance of table 8 is one of the sweep.
    assert_eq!(
        settings(&pipeline, "tuned_images@1/7.5")["sampler"]["guidance"],
        json!(7.5)
    );
}

/// Every arm of the study has three training seeds and differs from `random` in what its name says.
#[test]
fn arms_of_the_study_differ_in_what_they_are_called_by() {
    let pipeline = shipped("shapes-study.yaml");
    assert_eq!(pipeline.repetition(), Some(1));
    let mut arms: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arm in &pipeline.arms {
        let [(_, name), (_, seed)] = &arm.0[..] else {
            panic!("{arm:?}");
        };
        arms.entry(name).or_default().insert(seed);
    }
    for name in [
        "random",
        "oracle",
        "mi_paper",
        "mi_reference",
        "mi_signed",
        "itm",
        "itm_normalised",
        "mi_signed_by_base",
        "mi_signed_dropout",
        "random_dropout",
    ] {
        assert_eq!(arms.remove(name), Some(BTreeSet::from(["1", "2", "3"])), "{name}");
        let by = name
            .strip_suffix("_by_base")
            .or(name.strip_suffix("_dropout"))
            .unwrap_or(name);
        for seed in [1, 2, 3] {
            let selection = settings(&pipeline, &format!("selection@2/{name}/{seed}"));
            assert_eq!(selection["by"], json!(by));
            let adapter = settings(&pipeline, &format!("adapter@2/{name}/{seed}"));
            let dropout = if name.ends_with("_dropout") { 0.2 } else { 0.0 };
            assert_eq!(
                (&adapter["seed"], &adapter["caption_dropout"]),
                (&json!(seed), &json!(dropout))
            );
        }
        let scores = format!("scores@2/{name}/1");
        let scores = pipeline
            .stages
            .iter()
            .find(|stage| stage.name.to_string() == scores)
            .unwrap();
        let judges = scores.inputs.iter().filter(|port| port.port == "adapter");
        let judged_by_base = judges.map(|port| port.sources.len()).sum::<usize>() == 0;
        assert_eq!(judged_by_base, name.ends_with("_by_base"), "{name}");
    }
    assert!(arms.is_empty(), "{arms:?}");
    // What all arms share before their first adapter is one result.
    let first = |stage: &str, arm: &str| settings(&pipeline, &format!("{stage}@1/{arm}/1"));
    for stage in ["candidates", "scores"] {
        assert_eq!(first(stage, "random"), first(stage, "mi_signed_by_base"));
    }
}

#[test]
fn train_and_test_prompts_differ_in_nothing_but_their_side() {
    let pipeline = shipped("diffusiondb.yaml");
    let (mut train, test) = (
        settings(&pipeline, "train_prompts"),
        settings(&pipeline, "test_prompts"),
    );
    assert_ne!(train, test);
    train["take_split"] = json!("test");
    assert_eq!(train, test);
}

/// Else the judge would have read what it is asked about, or the model would be judged on what the judge never saw.
#[test]
fn the_judge_holds_back_the_prompts_that_the_model_holds_back() {
    let data = |pipeline: &str, stage: &str| settings(&shipped(pipeline), stage)["data"].clone();
    let (model, judge) = (
        data("pretrain-shapes.yaml", "denoiser"),
        data("pretrain-judge.yaml", "judge"),
    );
    for setting in ["split_seed", "test_groups"] {
        assert_eq!(model[setting], judge[setting], "{setting}");
    }
}

/// The arms of the study of judges differ in what selects, and all are compared by the truth and by the judge.
#[test]
fn arms_of_the_judges_study_are_compared_by_the_judge_and_by_the_truth() {
    let pipeline = shipped("shapes-judge.yaml");
    let arms = ["random", "mi", "itm", "clip_score", "shapes_correct"];
    for arm in arms {
        let selection = settings(&pipeline, &format!("selection@1/{arm}"));
        assert_eq!(selection["by"], json!(arm));
    }
    for (name, column) in [("by_truth", "shapes_correct"), ("by_judge", "clip_score")] {
        for name in [name.to_owned(), format!("{name}_against_random")] {
            assert_eq!(settings(&pipeline, &name)["column"], json!(column));
            let mut stages = pipeline.stages.iter();
            let stage = stages.find(|stage| stage.name.to_string() == name).unwrap();
            let tables = stage.inputs.iter().filter(|port| port.port == "tables");
            assert_eq!(tables.map(|port| port.sources.len()).sum::<usize>(), arms.len());
        }
    }
}
