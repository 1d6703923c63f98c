//! One pipeline on the CPU and on a Vulkan device: the same scores, the same selection.
//!
//! A software device such as Mesa's lavapipe is enough: `cargo test --release --features wgpu devices`.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use mitune_store::Store;

use crate::program::run_real;

const PIPELINE: &str = "\
version: 1
name: devices
model: MODEL
seed: 7
stages:
  prompts:
    kind: ingest
    source: {inline: [a red circle and a blue square, a green cross and a yellow circle, a purple square and an orange cross]}
  candidates:
    {kind: generate, prompts: prompts, candidates_per_prompt: 4, batch_size: 4, sampler: {steps: 10, guidance: 3.0}}
  scores:
    {kind: score, candidates: candidates, timesteps: {first: 400, last: 800, count: 4}, noises: 1, batch_size: 4}
  by_mi: {kind: select, candidates: candidates, by: mi, top_k: 2}
  by_mi_signed: {kind: select, candidates: candidates, scores: [scores], by: mi_signed, top_k: 2}
";

/// What a run on one device found.
struct Found {
    mi: Vec<f64>,
    mi_signed: Vec<f64>,
    selections: Vec<Vec<u32>>,
}

fn run(device: &str) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/shapes");
    let path = folder.path().join("devices.yaml");
    std::fs::write(&path, PIPELINE.replace("MODEL", model.to_str().unwrap())).unwrap();
    let ended = run_real(folder.path(), &["run", "devices.yaml", "--device", device]);
    assert_eq!(ended.code, Some(0), "{device}: {}", ended.stderr);
    let store = Store::open(folder.path().join(".mitune")).unwrap();
    let numbers = |kind: &str, column: &str| {
        let record = store
            .actions()
            .unwrap()
            .find(|record| record.stage == kind)
            .unwrap();
        let artifact = record.outputs.values().next().unwrap();
        let rows = store.read_table_whole(artifact, Some(&[column])).unwrap();
        rows.column(0).as_primitive::<Float64Type>().values().to_vec()
    };
    let mut selections: Vec<_> = store
        .actions()
        .unwrap()
        .filter(|record| record.stage == "select")
        .map(|record| {
            let rows = store
                .read_table_whole(&record.outputs["selection"], Some(&["seed_index"]))
                .unwrap();
            rows.column(0).as_primitive::<UInt32Type>().values().to_vec()
        })
        .collect();
    selections.sort();
    Found {
        mi: numbers("generate", "mi"),
        mi_signed: numbers("score", "mi_signed"),
        selections,
    }
}

#[test]
fn vulkan_finds_what_the_cpu_finds() {
    let (cpu, wgpu) = (run("cpu"), run("wgpu"));
    assert_eq!((cpu.mi.len(), cpu.selections.len()), (12, 2));
    let mut worst = 0.0_f64;
    for (cpu, wgpu) in cpu.mi.iter().zip(&wgpu.mi) {
        worst = worst.max((wgpu / cpu - 1.0).abs());
    }
    // A signed score can be near zero, so its error is relative to the largest.
    let largest = cpu
        .mi_signed
        .iter()
        .fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let mut worst_signed = 0.0_f64;
    for (cpu, wgpu) in cpu.mi_signed.iter().zip(&wgpu.mi_signed) {
        worst_signed = worst_signed.max((wgpu - cpu).abs() / largest);
    }
    println!("largest relative difference: mi {worst:.2e}, mi_signed {worst_signed:.2e}");
    assert!(worst < 1e-3 && worst_signed < 1e-3);
    assert_eq!(cpu.selections, wgpu.selections);
}
