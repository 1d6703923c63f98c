//! Whatever is wrong with what a user gives: the program says what, where and what to do, and breaks nothing.

use std::fs;

use serde_json::Value;

use crate::program::run_real;
use crate::small_pipeline::{PIPELINE, Place, told};
use crate::trial_model;

/// A copy of the model's folder with one file changed.
fn spoiled(place: &Place, name: &str, file: &str, spoil: impl Fn(&mut Vec<u8>)) {
    let folder = place.path().join(name);
    trial_model::write(&folder);
    let file = folder.join(file);
    let mut bytes = fs::read(&file).unwrap();
    spoil(&mut bytes);
    fs::write(file, bytes).unwrap();
}

const WEIGHTS: &str = "unet/diffusion_pytorch_model.safetensors";

/// Exchanges two extents of a tensor in the header of a safetensors file, so that its size stays right.
fn exchange_extents(bytes: &mut [u8]) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let shape = &mut header["time_embedding.linear_1.weight"]["shape"];
    shape.as_array_mut().unwrap().reverse();
    let mut header = serde_json::to_vec(&header).unwrap();
    assert!(header.len() <= length);
    header.resize(length, b' ');
    bytes[8..8 + length].copy_from_slice(&header);
}

#[test]
fn mistakes_in_a_pipeline_are_pointed_at_and_nothing_is_made() {
    let place = Place::new();
    for (wrong, right, texts) in [
        (
            "[a red circle, a green cross]",
            "[a red circle, a green cross",
            &["Error: small.yaml:5:"][..],
        ),
        (
            "top_k: 1",
            "topk: 1",
            &[
                "Error: small.yaml:7:53: Unknown key `topk` at `stages.selection`\n",
                "Hint: Did you mean `top_k`?\n",
            ],
        ),
        (
            "prompts: prompts",
            "prompts: prompts, adapter: adapter",
            &["Stages wait for each other: `candidates` -> `adapter` -> `selection` -> `candidates`"],
        ),
        (
            "[a red circle, a green cross]",
            "[]",
            &[
                "small.yaml:5:3: Stage `prompts` cannot be set up",
                "`source.inline` must list at least one prompt",
            ],
        ),
    ] {
        fs::write(place.path().join("small.yaml"), PIPELINE.replace(wrong, right)).unwrap();
        place.refused(&[], 2, texts);
        assert!(place.files("actions").is_empty());
    }
}

#[test]
fn columns_that_no_table_will_have_are_told_before_anything_runs() {
    let place = Place::new();
    for (stages, texts) in [
        (
            "  scores: {kind: score, candidates: candidates}
  compared: {kind: compare, tables: [candidates, scores], column: mi_reference}
",
            &[
                "Error: small.yaml:11:3: Stage `compared` cannot be set up\n",
                "`tables[1]` (stage `scores`) has no column `mi_reference` of numbers; it has `mi_signed`",
            ][..],
        ),
        (
            "  other: {kind: select, candidates: candidates, by: mi_papre}\n",
            &[
                "Error: small.yaml:10:3: Stage `other` cannot be set up\n",
                "No score `mi_papre` among `mi`, `mi_paper`, `mi_reference`, `random`; did you mean `mi_paper`?",
            ],
        ),
    ] {
        let text = [PIPELINE, stages].concat();
        fs::write(place.path().join("small.yaml"), text).unwrap();
        place.refused(&[], 2, texts);
        assert!(place.files("actions").is_empty());
    }
}

#[test]
fn inputs_that_do_not_go_together_are_told_before_anything_runs() {
    let place = Place::new();
    let judged = "  judged: {kind: judge, candidates: candidates, judge: shapes}\n";
    let others =
        "  others: {kind: generate, prompts: prompts, candidates_per_prompt: 2, seed: 9, sampler: {steps: 2}}
  judged: {kind: judge, candidates: others, judge: shapes}\n";
    let unrelated = "`scores[0]` (stage `judged`) is about the candidates of stage `others`, but `candidates` are those of \
                     stage `candidates`";
    for (stages, last, texts) in [
        (
            others,
            "  best: {kind: select, candidates: candidates, scores: [judged], by: shapes_correct}\n",
            &[
                "Error: small.yaml:12:3: Stage `best` cannot be set up\n",
                unrelated,
            ][..],
        ),
        (
            others,
            "  agreed: {kind: agree, candidates: candidates, scores: [judged], columns: [mi, shapes_correct]}\n",
            &[
                "Error: small.yaml:12:3: Stage `agreed` cannot be set up\n",
                unrelated,
            ],
        ),
        (
            others,
            "  base: {kind: evaluate, candidates: candidates, scores: [judged]}\n",
            &[
                "Error: small.yaml:12:3: Stage `base` cannot be set up\n",
                unrelated,
            ],
        ),
        (
            judged,
            "  best: {kind: select, candidates: candidates, scores: [judged, judged], by: shapes_correct}\n",
            &[
                "Error: small.yaml:11:3: Stage `best` cannot be set up\n",
                "Score `shapes_correct` is in 2 of the connected tables",
            ],
        ),
        (
            judged,
            "  base: {kind: evaluate, candidates: candidates, scores: [judged, judged]}\n",
            &[
                "Error: small.yaml:11:3: Stage `base` cannot be set up\n",
                "is in 2 of the connected tables",
            ],
        ),
        (
            judged,
            "  compared: {kind: compare, tables: [judged, judged], column: shapes_correct}\n",
            &[
                "Error: small.yaml:11:3: Stage `compared` cannot be set up\n",
                "`tables[0]` (stage `judged`) and `tables[1]` (stage `judged`) would be arms of one name",
            ],
        ),
    ] {
        let text = [PIPELINE, stages, last].concat();
        fs::write(place.path().join("small.yaml"), text).unwrap();
        place.refused(&[], 2, texts);
        assert!(place.files("actions").is_empty());
    }
}

#[test]
fn more_inputs_than_a_record_has_room_for_are_told_before_anything_runs() {
    let place = Place::new();
    let list = |name: &str| vec![name; 300].join(", ");
    for (stages, texts) in [
        (
            format!(
                "  compared: {{kind: compare, tables: [{}], column: mi}}\n",
                list("candidates")
            ),
            &[
                "Error: small.yaml:10:",
                "Stage `compared` has 300 inputs, at most 256 fit into the record of its result",
                "`stages.compared.tables`",
            ][..],
        ),
        (
            format!(
                "  merged: {{kind: merge_adapters, adapters: [{}]}}\n",
                list("adapter")
            ),
            &[
                "Stage `merged` has 300 inputs, at most 256 fit",
                "`stages.merged.adapters`",
            ],
        ),
    ] {
        let text = [PIPELINE, &stages].concat();
        fs::write(place.path().join("small.yaml"), text).unwrap();
        place.refused(&[], 2, texts);
        assert!(place.files("actions").is_empty());
    }
}

#[test]
fn a_model_that_is_not_whole_is_named_with_what_it_lacks() {
    let place = Place::new();
    spoiled(&place, "cut", WEIGHTS, |bytes| bytes.truncate(bytes.len() / 2));
    spoiled(&place, "misshapen", WEIGHTS, |bytes| exchange_extents(bytes));
    spoiled(&place, "bare", WEIGHTS, |_| ());
    fs::remove_file(place.path().join("bare").join(WEIGHTS)).unwrap();
    for (model, text) in [
        ("none", "Model `none` does not exist"),
        ("bare", "No `diffusion_pytorch_model.safetensors`"),
        (
            "cut",
            "Truncated safetensors file `cut/unet/diffusion_pytorch_model.safetensors`: expected ",
        ),
        (
            "misshapen",
            "`time_embedding.linear_1.weight` has shape [8, 32], expected [32, 8]",
        ),
    ] {
        let set = format!("model={model}");
        let stage = "Error: small.yaml:6:3: Stage `candidates` cannot run\n";
        place.refused(&["--set", &set], 2, &[stage, text]);
        let out = place.path().join("out");
        let generate = ["generate", "--model", model, "--prompt", "x", "--device", "cpu"];
        let more = ["--out", out.to_str().unwrap()];
        told(
            &run_real(place.path(), &[&generate[..], &more].concat()),
            2,
            &[text],
        );
        assert!(!out.exists());
    }
}

/// Whatever lies in place of a model or its files is called by its name, and a hint says what to do.
#[test]
fn what_lies_in_place_of_a_model_is_named_with_a_remedy() {
    let place = Place::new();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    spoiled(&place, "pointer", WEIGHTS, |bytes| *bytes = pointer.to_vec());
    spoiled(&place, "words", "tokenizer/vocab.json", |bytes| {
        *bytes = pointer.to_vec()
    });
    spoiled(&place, "empty", WEIGHTS, Vec::clear);
    spoiled(&place, "bin", WEIGHTS, |_| ());
    let weights = place.path().join("bin").join(WEIGHTS);
    fs::copy(&weights, place.path().join("v1.safetensors")).unwrap();
    fs::rename(&weights, weights.with_extension("bin")).unwrap();
    for (model, error, hint) in [
        (
            "pointer",
            "is a Git LFS pointer in place of the file",
            "git lfs pull",
        ),
        ("words", "vocab.json` is a Git LFS pointer", "git lfs pull"),
        (
            "empty",
            "is empty, expected a safetensors file",
            "Download it again",
        ),
        (
            "bin",
            "`diffusion_pytorch_model.bin`, a pickle",
            "save_pretrained",
        ),
        (
            "v1.safetensors",
            "is a file, not the folder of a model",
            "from_single_file",
        ),
        (
            "some-owner/some-model",
            "does not exist",
            "hf download some-owner/some-model",
        ),
        ("modell", "Model `modell` does not exist", "Did you mean `model`?"),
        ("pointer/unet", "it is one component of", "Give the whole model"),
    ] {
        let generate = ["generate", "--model", model, "--prompt", "x", "--out", "out"];
        told(&run_real(place.path(), &generate), 2, &[error, "\nHint: ", hint]);
    }
    fs::write(place.path().join("a.safetensors"), pointer).unwrap();
    told(
        &run_real(place.path(), &["adapter", "info", "a.safetensors"]),
        2,
        &["is a Git LFS pointer", "git lfs pull"],
    );
}

#[test]
fn a_damaged_file_of_prompts_is_a_failure_that_names_it() {
    let place = Place::new();
    fs::write(place.path().join("prompts.parquet"), "PAR1 and no more").unwrap();
    let set = "stages.prompts.source={parquet: {paths: [prompts.parquet]}}";
    let texts = ["Error: Stage `prompts` failed\n", "prompts.parquet` as Parquet\n"];
    place.refused(&["--set", set], 1, &texts);
    fs::remove_file(place.path().join("prompts.parquet")).unwrap();
    place.refused(&["--set", set], 2, &["prompts.parquet`", "No such file"]);
}

#[test]
fn prompts_longer_than_the_text_encoder_reads_are_reported_and_cut() {
    let place = Place::new();
    let long = "red ".repeat(30);
    let set = format!("stages.prompts.source.inline=[{long}, a red circle]");
    let ended = place.run(&["--set", &set]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(
            "1 of 2 prompts are longer than the text encoder reads; their ends are cut off, as CLIP does. \
             The first one begins `red red "
        ),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_device_that_is_not_there_is_no_panic() {
    let place = Place::new();
    let out = ["--model", "model", "--prompt", "x", "--out", "out"];
    for device in ["cuda:99", "wgpu:99"] {
        let family = device.trim_end_matches(":99");
        let unbuilt =
            format!("Error: This build cannot use `{family}` devices; build it with `--features {family}`");
        let missing = format!("Error: There is no device `{device}`");
        let commands = [
            vec!["run", "small.yaml", "--device", device],
            [&["generate", "--device", device], &out[..]].concat(),
        ];
        for arguments in commands {
            let ended = run_real(place.path(), &arguments);
            told(&ended, 2, &[]);
            assert!(
                ended.stderr.contains(&unbuilt) || ended.stderr.contains(&missing),
                "{}",
                ended.stderr
            );
        }
        assert!(place.files("actions").is_empty() && !place.path().join("out").exists());
    }
}

/// Sizes that would fill the memory, and samplers that cannot be, are refused before any stage works.
#[test]
fn values_out_of_reach_are_refused_by_plan_and_run_alike() {
    let place = Place::new();
    for (set, text) in [
        (
            "candidates.candidates_per_prompt=4000000000",
            "from 1 to 1000000, found number `4000000000` at `stages.candidates.candidates_per_prompt`",
        ),
        (
            "candidates.batch_size=1000000000",
            "from 1 to 4096, found number `1000000000`",
        ),
        (
            "candidates.height=18446744073709551608",
            "from 1 to 16384, found number `18446744073709551608`",
        ),
        (
            "candidates.width=1000000000",
            "from 1 to 16384, found number `1000000000`",
        ),
        ("candidates.sampler.steps=0", "0"),
        ("candidates.sampler.eta=-1", "from 0 to 1, found number `-1`"),
        (
            "adapter.rank=4000000000",
            "from 1 to 4096, found number `4000000000`",
        ),
    ] {
        let set = format!("stages.{set}");
        for command in ["plan", "run"] {
            let ended = run_real(place.path(), &[command, "small.yaml", "--set", &set]);
            told(&ended, 2, &[text]);
        }
    }
    assert!(place.files("actions").is_empty());
}
