//! Against what was made in Python: golden values by `tools/goldens/export_judges_noun_phrases.py`.

use std::path::PathBuf;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    chunker: Vec<Case>,
    shipped: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    prompt: String,
    #[serde(default)]
    tokens: Vec<String>,
    chunks: Vec<String>,
    nouns: Vec<String>,
}

fn golden() -> Golden {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/noun_phrases.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn check(case: Case, source: Source) {
    let expected = NounPhrases {
        chunks: case.chunks,
        nouns: case.nouns,
        source,
    };
    assert_eq!(chunks(&case.prompt), expected, "{:?}", case.prompt);
}

#[test]
fn tokens_and_chunks_are_those_of_python() {
    let cases = golden().chunker;
    assert!(cases.len() > 300);
    for case in cases {
        let tokens: Vec<&str> = tokens::tokens(&case.prompt)
            .into_iter()
            .map(|token| &case.prompt[token])
            .collect();
        assert_eq!(tokens, case.tokens, "{:?}", case.prompt);
        check(case, Source::Chunker);
    }
}

#[test]
fn prompts_of_the_benchmark_have_spacys_phrases() {
    for case in golden().shipped {
        check(case, Source::Shipped);
    }
}

#[test]
fn every_prompt_of_the_benchmark_is_found() {
    assert_eq!(shipped::LINES.lines().count(), 5957);
    for line in shipped::LINES.lines() {
        let found = chunks(&shipped::unmarked(line));
        assert_eq!(found.source, Source::Shipped, "{line}");
        assert_eq!(found.nouns.len(), line.matches('*').count(), "{line}");
        assert_eq!(found.chunks.len(), line.matches('[').count(), "{line}");
    }
}

#[test]
fn white_space_around_a_prompt_of_the_benchmark_does_not_count() {
    let found = chunks(" A baby is babbling in their crib.\r\n");
    assert_eq!(found.source, Source::Shipped);
    assert_eq!(found.chunks, ["A baby", "their crib"]);
    assert_eq!(found.nouns, ["baby", "crib"]);
}

#[test]
fn places_are_no_chunks() {
    let found = Phrases {
        chunks: [
            "top",
            "the side",
            "the left",
            "the right",
            "The left",
            "the top",
            "a cat",
        ]
        .map(str::to_owned)
        .to_vec(),
        nouns: vec!["top".to_owned()],
    };
    let found = filtered(found, Source::Chunker);
    assert_eq!(found.chunks, ["The left", "the top", "a cat"]);
    assert_eq!(found.nouns, ["top"]);
}

#[test]
fn a_prompt_without_words_has_no_phrases() {
    for prompt in ["", " \n\t\u{3000}", "!!!", "\0", "..."] {
        let found = chunks(prompt);
        assert!(
            found.chunks.is_empty() && found.nouns.is_empty(),
            "{prompt:?}: {found:?}"
        );
    }
}

#[test]
fn hostile_prompts_ask_for_bounded_work() {
    let most = tokens::MOST_TOKENS;
    let long = [
        "a".repeat(1 << 20),
        "a ".repeat(1 << 19),
        "-".repeat(1 << 20),
        " ".repeat(1 << 20),
        "a'".repeat(1 << 19),
        "\u{732b}\u{1f431}\u{301}".repeat(1 << 17),
    ];
    for prompt in long {
        assert!(tokens::tokens(&prompt).len() <= most);
        let found = chunks(&prompt);
        assert!(found.chunks.len() <= most && found.nouns.len() <= most);
    }
}

proptest::proptest! {
    #[test]
    fn phrases_of_any_prompt_stand_in_it_in_order(prompt in "\\PC{0,60}") {
        let found = chunks(&prompt);
        for parts in [&found.chunks, &found.nouns] {
            let mut rest = prompt.as_str();
            for part in parts {
                let place = rest.find(part.as_str());
                proptest::prop_assert!(place.is_some(), "{:?} in {:?}", part, prompt);
                rest = &rest[place.unwrap_or_default() + part.len()..];
            }
        }
    }
}

/// Results are kept under keys that hold the revision: whoever changes these files raises it.
#[test]
fn the_revision_is_that_of_the_data() {
    let digests = [
        text_hash::text_hash(shipped::LINES),
        text_hash::text_hash(closed_classes::LINES),
        text_hash::bytes_hash(weights::DATA),
    ];
    assert_eq!((REVISION, digests), (1, [0x3c65_bd39, 0xb8db_c32d, 0x7f69_1273]));
}

#[test]
fn places_are_those_of_the_phrases() {
    let written = [
        " A baby is babbling in their crib.\r\n",
        "a light lamp beside a light on the left",
        "un caf\u{e9} noir",
        "",
    ];
    let shipped = shipped::LINES.lines().step_by(50).map(shipped::unmarked);
    for prompt in written.into_iter().map(str::to_owned).chain(shipped) {
        let (found, places) = (chunks(&prompt), places(&prompt));
        let cut = |places: &[Range<usize>]| -> Vec<String> {
            places
                .iter()
                .map(|place| prompt[place.clone()].to_owned())
                .collect()
        };
        assert_eq!(cut(&places.chunks), found.chunks);
        assert_eq!(cut(&places.nouns), found.nouns);
    }
    // The word itself, not letters of another one before it.
    let scattered = "she will scatter flowers over a cat";
    assert_eq!(places(scattered).nouns.last(), Some(&(32..35)));
}
