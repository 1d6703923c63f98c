//! Tokens that were added in training, against transformers and by themselves.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::nn::weights::golden;

/// Written by `tools/goldens/export_added_tokens.py`.
#[derive(Deserialize)]
struct Golden {
    prompts: Vec<String>,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    files: BTreeMap<String, Value>,
    ids: Vec<Vec<u32>>,
}

fn plain(name: &str) -> Vec<u8> {
    std::fs::read(golden::path("tokenizer/plain").join(name)).unwrap()
}

/// A folder with the vocabulary of `plain` and other files.
fn write(folder: &Path, files: &BTreeMap<String, Value>) {
    let merges = String::from_utf8(plain("merges.txt")).unwrap();
    if !files.contains_key("tokenizer.json") {
        std::fs::write(folder.join("vocab.json"), plain("vocab.json")).unwrap();
        std::fs::write(folder.join("merges.txt"), &merges).unwrap();
    }
    for (name, contents) in files {
        let mut contents = contents.clone();
        if let Some(model) = contents.get_mut("model") {
            model["vocab"] = serde_json::from_slice(&plain("vocab.json")).unwrap();
            let pairs = merges
                .lines()
                .skip(1)
                .map(|line| json!(line.split(' ').collect::<Vec<_>>()));
            model["merges"] = pairs.collect();
        }
        std::fs::write(folder.join(name), contents.to_string()).unwrap();
    }
}

#[test]
fn added_tokens_equal_transformers() {
    let golden: Golden =
        serde_json::from_slice(&std::fs::read(golden::path("tokenizer/added.json")).unwrap()).unwrap();
    assert_eq!((golden.prompts.len(), golden.cases.len()), (23, 18));
    for (name, case) in &golden.cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &case.files);
        let tokenizer = Tokenizer::from_directory(folder.path()).unwrap();
        for (prompt, expected) in golden.prompts.iter().zip(&case.ids) {
            assert_eq!(
                &tokenizer.encode(prompt).unwrap().ids,
                expected,
                "{name}: {prompt:?}"
            );
        }
        // What is written is the same tokenizer.
        let copy = folder.path().join("copy");
        tokenizer.write(&copy).unwrap();
        let copy = Tokenizer::from_directory(&copy).unwrap();
        assert_eq!(
            copy.fingerprint().unwrap(),
            tokenizer.fingerprint().unwrap(),
            "{name}"
        );
    }
}

fn with(files: &[(&str, Value)]) -> Result<Tokenizer, String> {
    let folder = tempfile::tempdir().unwrap();
    let files = files
        .iter()
        .map(|(name, contents)| ((*name).to_owned(), contents.clone()));
    write(folder.path(), &files.collect());
    Tokenizer::from_directory(folder.path()).map_err(|error| error.to_string())
}

/// transformers 4 gives a token the id in the file, 5 the next that is free; the row it was trained in is the former.
#[test]
fn a_token_has_the_id_it_was_trained_with() {
    let tokenizer = with(&[("added_tokens.json", json!({"<cat>": 700, "<dog>": 690}))]).unwrap();
    assert_eq!(tokenizer.tokens("<cat> <dog>").unwrap(), [700, 690]);
    assert_eq!(tokenizer.vocabulary_size(), 701);
    let plain = with(&[]).unwrap();
    assert_ne!(plain.fingerprint().unwrap(), tokenizer.fingerprint().unwrap());
    assert_eq!(plain.tokens("a cat").unwrap(), tokenizer.tokens("a cat").unwrap());
}

#[test]
fn ids_that_cannot_be_are_named() {
    let decoder = |tokens: Value| ("tokenizer_config.json", json!({"added_tokens_decoder": tokens}));
    for (file, words) in [
        (
            ("added_tokens.json", json!({"<cat>": 3})),
            "gives `<cat>` the id 3, which is that of",
        ),
        (
            ("added_tokens.json", json!({"<cat>": -1})),
            "gives `<cat>` the id `-1`",
        ),
        (
            ("added_tokens.json", json!({"<cat>": "x"})),
            "gives `<cat>` the id `\"x\"`",
        ),
        (
            ("added_tokens.json", json!({"<|endoftext|>": 900})),
            "declares `<|endoftext|>` as 900, but it is 655",
        ),
        (decoder(json!({"x": {"content": "<cat>"}})), "gives `x` the id"),
        (decoder(json!({"656": "<cat>"})), "gives `656` the id"),
        (decoder(json!([1])), "added_tokens_decoder"),
    ] {
        let message = with(&[file]).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    for (key, value) in [
        ("model_max_length", json!(0)),
        ("model_max_length", json!(-1)),
        ("model_max_length", json!(1)),
        ("model_max_length", json!(7.5)),
        ("model_max_length", json!("77")),
        ("padding_side", json!("top")),
        ("truncation_side", json!(3)),
        ("pad_token", json!(7)),
    ] {
        let message = with(&[("tokenizer_config.json", json!({ key: value }))]).unwrap_err();
        assert!(message.contains(&format!("`{key}` is `{value}`")), "{message}");
    }
    for none in [json!(1e30), json!(null)] {
        let tokenizer = with(&[("tokenizer_config.json", json!({ "model_max_length": none }))]).unwrap();
        assert_eq!(tokenizer.context_length(), None);
    }
}

/// As `maybe_convert_prompt` of diffusers does.
#[test]
fn a_token_of_several_vectors_stands_for_all_of_them() {
    let tokens = json!({"<cat>": 656, "<cat>_1": 657, "<cat>_2": 658, "<dog>": 659});
    let tokenizer = with(&[("added_tokens.json", tokens)]).unwrap();
    let ids = |prompt: &str| tokenizer.tokens(prompt).unwrap();
    assert_eq!(ids("<cat>"), [656, 657, 658]);
    assert_eq!(ids("<dog> <cat> <dog>"), [659, 656, 657, 658, 659]);
    assert_eq!(ids("<cat>_1"), [657]);
}

#[test]
fn a_vocabulary_that_is_something_else_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &BTreeMap::new());
    let read = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        let before = std::fs::read(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let message = Tokenizer::from_directory(folder.path()).unwrap_err().to_string();
        std::fs::write(&path, before).unwrap();
        message
    };
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n";
    for name in ["vocab.json", "merges.txt"] {
        assert!(read(name, pointer).contains("Git LFS pointer"));
    }
    assert!(read("vocab.json", b"{\"a\": 1.5}").contains("gives `a` the id `1.5`"));
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    let message = read(
        "tokenizer.json",
        br#"{"version": "1.0", "model": {"type": "Surprise"}}"#,
    );
    assert!(
        message.contains("do not fit") && !message.contains("enum"),
        "{message}"
    );
}
