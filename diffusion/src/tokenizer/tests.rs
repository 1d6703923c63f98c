use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::*;
use crate::input_file::InputFileError;

/// Written by `tools/goldens/export_tokenizer.py`.
#[derive(Deserialize)]
struct Golden {
    prompts: Vec<String>,
    ids: BTreeMap<String, Vec<Vec<u32>>>,
    truncated: Vec<bool>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer")
}

#[test]
fn equals_transformers() {
    let golden: Golden =
        serde_json::from_slice(&std::fs::read(folder().join("prompts.json")).unwrap()).unwrap();
    assert_eq!(golden.prompts.len(), 401);
    assert_eq!(
        golden.ids.keys().collect::<Vec<_>>(),
        ["declared", "plain", "saved", "version1", "version2"]
    );
    for (name, expected) in &golden.ids {
        let tokenizer = Tokenizer::from_directory(&folder().join(name)).unwrap();
        assert_eq!(tokenizer.context_length(), Some(16));
        let mut wrong = Vec::new();
        for (index, prompt) in golden.prompts.iter().enumerate() {
            let encoded = tokenizer.encode(prompt).unwrap();
            if encoded.ids != expected[index] {
                wrong.push((prompt, encoded.ids, &expected[index]));
            } else if name == "plain" {
                assert_eq!(encoded.truncated, golden.truncated[index], "{prompt:?}");
            }
        }
        assert!(
            wrong.is_empty(),
            "{name}: {} of 401 differ, first {:?}",
            wrong.len(),
            wrong[0]
        );
    }
}

#[test]
fn padding_follows_the_configuration() {
    let ids = |name| {
        let tokenizer = Tokenizer::from_directory(&folder().join(name)).unwrap();
        (tokenizer.encode("").unwrap(), tokenizer.padding_id())
    };
    let (first, padding) = ids("version1");
    assert_eq!((first.length, first.ids[2], padding), (2, 655, 655));
    let (second, padding) = ids("version2");
    assert_eq!((second.length, second.ids[2], padding), (2, 0, 0));
}

#[test]
fn built_vocabulary_has_one_token_per_word() {
    let words = [
        "a", "red", "green", "blue", "yellow", "purple", "orange", "circle", "square", "triangle", "cross",
        "and", "above", "abab", "aaaa", "aaaaaaa", "bananana",
    ];
    let folder = tempfile::tempdir().unwrap();
    let builder = VocabularyBuilder::new(words).unwrap();
    builder.write(folder.path(), 16).unwrap();
    let tokenizer = Tokenizer::from_directory(folder.path()).unwrap();
    let vocabulary = builder.vocabulary();
    assert_eq!(tokenizer.vocabulary_size(), vocabulary.len());
    for word in words {
        assert_eq!(
            tokenizer.tokens(word).unwrap(),
            [vocabulary[&format!("{word}</w>")]],
            "{word}"
        );
    }
    assert_eq!(
        tokenizer.tokens("A Red circle\nand a BLUE square").unwrap().len(),
        7
    );
    // A word that is not chosen is spelled out, and every byte has a symbol.
    let every_byte: Vec<u8> = (0..=255).collect();
    for text in [
        "zebra",
        "\u{1f600}",
        "caf\u{e9}",
        &String::from_utf8_lossy(&every_byte),
    ] {
        let tokens = tokenizer.tokens(text).unwrap();
        assert!(
            tokens.iter().all(|id| *id < vocabulary["<|startoftext|>"]),
            "{text:?}"
        );
        assert!(tokens.len() >= 4);
    }
    let long = tokenizer.encode(&"red ".repeat(20)).unwrap();
    assert!(long.truncated);
    assert_eq!((long.ids.len(), long.ids[15]), (16, vocabulary["<|endoftext|>"]));
    assert!(!tokenizer.encode(&"red ".repeat(14)).unwrap().truncated);
}

#[test]
fn words_that_would_be_split_are_refused() {
    for word in ["", "Red", "two words", "x2", "it's"] {
        assert!(
            matches!(VocabularyBuilder::new([word]), Err(TokenizerError::Word { .. })),
            "{word}"
        );
    }
}

#[test]
fn broken_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let read = || Tokenizer::from_directory(folder.path()).unwrap_err();
    assert!(matches!(read(), TokenizerError::NoVocabulary { .. }));
    VocabularyBuilder::new(["red"])
        .unwrap()
        .write(folder.path(), 16)
        .unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("merges.txt", "#version: 0.2\nr e\nre\n");
    assert!(matches!(read(), TokenizerError::Merge { line: 3, .. }));
    write("merges.txt", "r zzz\n");
    assert!(matches!(read(), TokenizerError::Pipeline { .. }));
    write("merges.txt", "");
    assert!(matches!(
        read(),
        TokenizerError::File(InputFileError::Contents { .. })
    ));
    write("merges.txt", "#version: 0.2\n");
    write("special_tokens_map.json", "{\"pad_token\": \"<pad>\"}");
    assert!(matches!(
        read(),
        TokenizerError::UnknownSpecial {
            role: "pad_token",
            ..
        }
    ));
    write("special_tokens_map.json", "{}");
    write("tokenizer_config.json", "{");
    assert!(matches!(
        read(),
        TokenizerError::File(InputFileError::Json { .. })
    ));
    write(
        "tokenizer_config.json",
        "{\"model_max_length\": 1000000000000000019884624838656}",
    );
    let tokenizer = Tokenizer::from_directory(folder.path()).unwrap();
    assert_eq!(tokenizer.context_length(), None);
    assert_eq!(tokenizer.encode("red").unwrap().ids.len(), 5);
    assert!(matches!(
        tokenizer.with_context_length(1),
        Err(TokenizerError::ContextLength { tokens: 1 })
    ));
}
