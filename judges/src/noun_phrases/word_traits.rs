//! What the chunker sees of one word, as numbers.

use super::closed_classes::closed_class;
use super::text_hash::text_hash;
use super::tokens::{is_apostrophe, is_word_character};

/// Symbols that are read as they are.
const READ_AS_THEY_ARE: &str = "',.-:&";
/// Symbols that are read as a comma; all others are read as a full stop.
const READ_AS_COMMA: &str = "()[]{}<>;|/\\\"+*=_~\u{2013}\u{2014}\u{201c}\u{201d}";
/// Endings that say something of a word of an open class; the first that fits counts.
const ENDINGS: [&str; 16] = [
    "ing", "ed", "ly", "ful", "ous", "less", "able", "ible", "ish", "al", "ic", "ive", "en", "ss", "s", "y",
];
/// What an ending leaves of a word at least, in bytes.
const SHORTEST_STEM: usize = 3;

/// One trait of a word.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trait {
    /// The word in lower case.
    Word,
    /// Its last three characters.
    LastThree,
    /// Its last two characters.
    LastTwo,
    /// Its closed class, or what its ending says.
    Class,
    /// Its capitals.
    Shape,
}

/// All traits of a word.
#[derive(Clone, Copy, Debug)]
pub(super) struct WordTraits([u32; 5]);

impl WordTraits {
    /// The traits of a token.
    pub(super) fn of(token: &str) -> Self {
        let word = read_as(token);
        let lower = word.to_ascii_lowercase();
        Self([
            text_hash(&lower),
            text_hash(last_characters(&lower, 3)),
            text_hash(last_characters(&lower, 2)),
            class(&lower),
            shape(&word),
        ])
    }

    /// What stands at each place before the first token.
    pub(super) fn before() -> Self {
        Self([text_hash("<"); 5])
    }

    /// What stands at each place after the last token.
    pub(super) fn after() -> Self {
        Self([text_hash(">"); 5])
    }

    /// One trait.
    pub(super) fn get(&self, which: Trait) -> u32 {
        let [word, last_three, last_two, class, shape] = self.0;
        match which {
            Trait::Word => word,
            Trait::LastThree => last_three,
            Trait::LastTwo => last_two,
            Trait::Class => class,
            Trait::Shape => shape,
        }
    }
}

fn read_as(token: &str) -> String {
    let mut characters = token.chars();
    match characters.next() {
        Some(first) if is_apostrophe(first) => format!("'{}", characters.as_str()),
        Some(first) if is_word_character(first) || READ_AS_THEY_ARE.contains(first) => token.to_owned(),
        Some(first) if READ_AS_COMMA.contains(first) => ",".to_owned(),
        _ => ".".to_owned(),
    }
}

fn last_characters(word: &str, count: usize) -> &str {
    let start = word
        .char_indices()
        .rev()
        .nth(count - 1)
        .map_or(0, |(start, _)| start);
    &word[start..]
}

fn class(lower: &str) -> u32 {
    if let Some(class) = closed_class(lower) {
        return class;
    }
    if matches!(lower, "," | "." | "-" | ":") {
        return text_hash(&format!("symbol {lower}"));
    }
    if lower.bytes().any(|byte| byte.is_ascii_digit()) {
        return text_hash("digits");
    }
    let fits = |ending: &&&str| lower.len() >= ending.len() + SHORTEST_STEM && lower.ends_with(**ending);
    match ENDINGS.iter().find(fits) {
        Some(ending) => text_hash(&format!("ending {ending}")),
        None => text_hash("open"),
    }
}

fn shape(word: &str) -> u32 {
    let mut characters = word.chars();
    let mut next_is_capital = || {
        characters
            .next()
            .is_some_and(|character| character.is_ascii_uppercase())
    };
    let name = match (next_is_capital(), next_is_capital()) {
        (true, true) => "upper",
        (true, false) => "capital",
        (false, _) if word.is_ascii() => "lower",
        (false, _) => "foreign",
    };
    text_hash(name)
}
