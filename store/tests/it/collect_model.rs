//! Random stores, roots and ages against a simple model of what must stay.

use std::collections::BTreeSet;

use mitune_store::{CollectOptions, FileDigest, InputRecord, PinTarget, RunLog, RunStatus, Store};
use proptest::prelude::*;

use crate::aging::{make_all_old, make_old};
use crate::sample::{files, key, preimage, record};

#[derive(Debug, Clone)]
struct Stage {
    /// Stages share outputs, as deterministic ones do.
    content: u8,
    inputs: BTreeSet<usize>,
    days: u32,
}

#[derive(Debug, Clone)]
struct Run {
    pipeline: bool,
    stages: BTreeSet<usize>,
    days: u32,
}

#[derive(Debug, Clone)]
struct World {
    stages: Vec<Stage>,
    runs: Vec<Run>,
    pinned: BTreeSet<usize>,
    pinned_outputs: BTreeSet<usize>,
    /// Days since the blobs of stages, by content, and loose ones were last written.
    blob_days: [u32; 6],
    loose: Vec<u32>,
    keep_runs: usize,
}

const AGES: [u32; 4] = [0, 5, 20, 60];

fn worlds() -> impl Strategy<Value = World> {
    let some = || prop::collection::btree_set(0..8_usize, 0..4);
    let days = || prop::sample::select(&AGES[..]);
    let stage = (0..6_u8, some(), days()).prop_map(|(content, inputs, days)| Stage {
        content,
        inputs,
        days,
    });
    let run = (any::<bool>(), some(), days()).prop_map(|(pipeline, stages, days)| Run {
        pipeline,
        stages,
        days,
    });
    (
        prop::collection::vec(stage, 1..8),
        prop::collection::vec(run, 0..5),
        prop::collection::btree_set(0..8_usize, 0..2),
        prop::collection::btree_set(0..8_usize, 0..2),
        prop::array::uniform6(days()),
        prop::collection::vec(days(), 0..4),
        0..3_usize,
    )
        .prop_map(
            |(stages, runs, pinned, pinned_outputs, blob_days, loose, keep_runs)| World {
                stages,
                runs,
                pinned,
                pinned_outputs,
                blob_days,
                loose,
                keep_runs,
            },
        )
}

fn name(stage: usize) -> String {
    format!("stage {stage}")
}

fn content(content: u8) -> String {
    format!("content {content}")
}

fn text(text: &str) -> FileDigest {
    FileDigest::of(format!("{text:?}\n").as_bytes())
}

fn preimage_blob(stage: usize) -> FileDigest {
    FileDigest::of(&serde_json::to_vec_pretty(&preimage(&name(stage))).unwrap())
}

/// The names of the stages and blobs that must be there after a collection.
fn expected(world: &World, newest_first: &[usize]) -> (BTreeSet<usize>, BTreeSet<FileDigest>) {
    let known = |set: &BTreeSet<usize>| {
        let count = world.stages.len();
        set.iter()
            .copied()
            .filter(move |stage| *stage < count)
            .collect::<Vec<_>>()
    };
    let mut results: BTreeSet<usize> = known(&world.pinned).into_iter().collect();
    let mut seen = [0, 0];
    for run in newest_first {
        let run = &world.runs[*run];
        seen[usize::from(run.pipeline)] += 1;
        if run.days < 30 || seen[usize::from(run.pipeline)] <= world.keep_runs {
            results.extend(known(&run.stages));
        }
    }
    results.extend((0..world.stages.len()).filter(|stage| world.stages[*stage].days < 30));
    let mut records = results.clone();
    records.extend(known(&world.pinned_outputs));
    loop {
        let before = records.len();
        for stage in records.clone() {
            records.extend(world.stages[stage].inputs.iter().filter(|input| **input < stage));
        }
        if records.len() == before {
            break;
        }
    }
    let mut blobs: BTreeSet<FileDigest> = records.iter().map(|stage| preimage_blob(*stage)).collect();
    let with_output = results.iter().copied().chain(known(&world.pinned_outputs));
    blobs.extend(with_output.map(|stage| text(&content(world.stages[stage].content))));
    // Too young to go: preimages are as old as the record, see below.
    for (stage, spec) in world.stages.iter().enumerate() {
        if spec.days < 7 {
            blobs.insert(preimage_blob(stage));
        }
        if world.blob_days[usize::from(spec.content)] < 7 {
            blobs.insert(text(&content(spec.content)));
        }
    }
    for (number, days) in world.loose.iter().enumerate() {
        if *days < 7 {
            blobs.insert(text(&format!("loose {number}")));
        }
    }
    (records, blobs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exactly_what_must_stay_stays(world in worlds()) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let blob = |file: &FileDigest| {
            let name = file.to_string();
            root.path().join("blobs").join(&name[..2]).join(&name)
        };
        for (number, stage) in world.stages.iter().enumerate() {
            let output = store.artifacts().put_json(&content(stage.content)).unwrap();
            let input = InputRecord { content: output.content, stage: None };
            let mut record = record(&store, &name(number), [("out", output)]);
            for before in stage.inputs.iter().filter(|before| **before < number) {
                let stage = Some(key(&name(*before)));
                record.inputs.insert(before.to_string(), InputRecord { stage, ..input });
            }
            store.records().publish(record).unwrap();
        }
        for number in 0..world.loose.len() {
            store.artifacts().put_json(&format!("loose {number}")).unwrap();
        }
        for stage in world.pinned.iter().filter(|stage| **stage < world.stages.len()) {
            let pin = format!("stage-{stage}").parse().unwrap();
            store.pins().pin(pin, PinTarget::Stage(key(&name(*stage))), "me", None).unwrap();
        }
        for stage in world.pinned_outputs.iter().filter(|stage| **stage < world.stages.len()) {
            let artifact = store.artifacts().put_json(&content(world.stages[*stage].content)).unwrap();
            let pin = format!("output-{stage}").parse().unwrap();
            let target = PinTarget::Artifact { stage: key(&name(*stage)), artifact };
            store.pins().pin(pin, target, "me", None).unwrap();
        }
        let mut runs = Vec::new();
        for (number, run) in world.runs.iter().enumerate() {
            let log = RunLog::create(&store, if run.pipeline { "one" } else { "other" }).unwrap();
            log.update(|record| {
                record.stages = run.stages.iter().map(|stage| (stage.to_string(), key(&name(*stage)))).collect();
            }).unwrap();
            log.finish(RunStatus::Succeeded).unwrap();
            make_all_old(&root.path().join("runs").join(log.id().to_string()), run.days);
            runs.push((log.id(), number));
        }
        runs.sort_by(|a, b| b.cmp(a));
        let newest_first: Vec<usize> = runs.into_iter().map(|(_, number)| number).collect();
        for (number, stage) in world.stages.iter().enumerate() {
            let key = key(&name(number)).to_string();
            make_old(&root.path().join("actions").join(&key[..2]).join(format!("{key}.json")), stage.days);
            make_old(&blob(&preimage_blob(number)), stage.days);
            make_old(&blob(&text(&content(stage.content))), world.blob_days[usize::from(stage.content)]);
        }
        for (number, days) in world.loose.iter().enumerate() {
            make_old(&blob(&text(&format!("loose {number}"))), *days);
        }

        let options = CollectOptions { keep_runs: world.keep_runs, ..CollectOptions::default() };
        let plan = store.plan_collection(&options).unwrap();
        let report = store.collect(&options).unwrap();
        prop_assert_eq!(&plan.collected, &report.collected);
        let (records, blobs) = expected(&world, &newest_first);
        let named = |directory: &str| -> BTreeSet<String> {
            let paths = files(&root.path().join(directory));
            paths.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
        };
        let expected_records: BTreeSet<_> = records.iter().map(|stage| key(&name(*stage)).to_string()).collect();
        prop_assert_eq!(named("actions"), expected_records);
        prop_assert_eq!(named("blobs"), blobs.iter().map(ToString::to_string).collect::<BTreeSet<_>>());
        // A second collection finds nothing more, and nothing comes back.
        let again = store.collect(&options).unwrap();
        prop_assert!(again.collected.is_empty(), "{:?}", again);
        prop_assert_eq!((again.restored.files, again.removed.files), (0, 0));
        prop_assert_eq!(again.waiting, report.total());
    }
}
