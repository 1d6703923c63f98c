//! The words of English that no new ones are made of, and a few more that say much about their neighbours.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::text_hash::text_hash;

/// Lines of a class and its words; training reads the same file.
pub(super) const LINES: &str = include_str!("../../data/closed_classes.txt");

static BY_WORD: LazyLock<HashMap<&str, u32>> = LazyLock::new(|| {
    let mut classes = HashMap::new();
    for (name, words) in LINES.lines().filter_map(|line| line.split_once(':')) {
        for word in words.split_whitespace() {
            // The first class that names a word has it.
            classes.entry(word).or_insert_with(|| text_hash(name));
        }
    }
    classes
});

/// The class of a word in lower case, as a number.
pub(super) fn closed_class(word: &str) -> Option<u32> {
    BY_WORD.get(word).copied()
}
