//! The noun phrases of T2I-CompBench's prompts.
//!
//! The file is made by `tools/noun_phrases/export_t2i_compbench.py`: a line is a prompt with `[` and `]` around each
//! chunk and `*` before each noun, so that each prompt stands there once and a reader sees what was found.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::phrases::Places;
use super::tokens::is_word_character;

/// The marked prompts, one a line.
pub(super) const LINES: &str = include_str!("../../data/t2i_compbench_noun_phrases.txt");
const CHUNK_START: char = '[';
const CHUNK_END: char = ']';
const NOUN: char = '*';

static BY_PROMPT: LazyLock<HashMap<String, &str>> =
    LazyLock::new(|| LINES.lines().map(|line| (unmarked(line), line)).collect());

/// The places of the phrases of a prompt of T2I-CompBench; white space around the prompt does not count.
pub(super) fn look_up(prompt: &str) -> Option<Places> {
    let line = BY_PROMPT.get(prompt.trim())?;
    let before = prompt.len() - prompt.trim_start().len();
    Some(read(line).moved(before))
}

/// The prompt of a line.
pub(super) fn unmarked(line: &str) -> String {
    line.replace([CHUNK_START, CHUNK_END, NOUN], "")
}

fn read(line: &str) -> Places {
    let mut prompt = String::with_capacity(line.len());
    let mut chunks = Vec::new();
    let mut chunk_start = 0;
    let mut noun_starts = Vec::new();
    for character in line.chars() {
        match character {
            CHUNK_START => chunk_start = prompt.len(),
            CHUNK_END => chunks.push(chunk_start..prompt.len()),
            NOUN => noun_starts.push(prompt.len()),
            _ => prompt.push(character),
        }
    }
    let nouns = noun_starts
        .into_iter()
        .map(|start| start..start + noun(&prompt[start..]).len())
        .collect();
    Places { chunks, nouns }
}

/// The noun that the text begins with: a word, or one other character.
fn noun(text: &str) -> &str {
    let end = match text
        .char_indices()
        .find(|(_, character)| !is_word_character(*character))
    {
        Some((0, character)) => character.len_utf8(),
        Some((end, _)) => end,
        None => text.len(),
    };
    &text[..end]
}
