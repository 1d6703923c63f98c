//! Where the tokens of a prompt stand.
//!
//! What a word character is follows from ranges that stand here, not from tables of Unicode that grow:
//! `tools/noun_phrases/noun_chunker.py` has the same ranges.

use std::ops::Range;

/// Tokens beyond these are not read, which bounds the work that a prompt can ask for.
pub(super) const MOST_TOKENS: usize = 4096;

/// Characters that stand for themselves, whatever is beside them, from and to.
const SYMBOLS: [(char, char); 18] = [
    ('\u{80}', '\u{a9}'),
    ('\u{ab}', '\u{b4}'),
    ('\u{b6}', '\u{b9}'),
    ('\u{bb}', '\u{bf}'),
    ('\u{d7}', '\u{d7}'),
    ('\u{f7}', '\u{f7}'),
    ('\u{2000}', '\u{206f}'),
    ('\u{20a0}', '\u{20cf}'),
    ('\u{2190}', '\u{2bff}'),
    ('\u{3000}', '\u{303f}'),
    ('\u{fe00}', '\u{fe1f}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff00}', '\u{ff0f}'),
    ('\u{ff1a}', '\u{ff20}'),
    ('\u{ff3b}', '\u{ff40}'),
    ('\u{ff5b}', '\u{ff65}'),
    ('\u{fff0}', '\u{ffff}'),
    ('\u{1f000}', '\u{1faff}'),
];

/// Whether words are made of this character.
pub(super) fn is_word_character(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric();
    }
    let is_symbol = SYMBOLS
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&character));
    !is_symbol && !character.is_whitespace()
}

/// Whether this is an apostrophe, straight or curved.
pub(super) fn is_apostrophe(character: char) -> bool {
    matches!(character, '\'' | '\u{2019}')
}

/// Finds the tokens: runs of word characters, and every other character but white space by itself. An apostrophe
/// inside of a word begins a token that goes on to the end of the run, as in `dog` and `'s`.
pub(super) fn tokens(prompt: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut after_word = false;
    let mut characters = prompt.char_indices().peekable();
    while found.len() < MOST_TOKENS {
        let Some((start, character)) = characters.next() else {
            break;
        };
        let mut end = start + character.len_utf8();
        let before_word = characters
            .peek()
            .is_some_and(|(_, next)| is_word_character(*next));
        let is_word = is_word_character(character) || (is_apostrophe(character) && after_word && before_word);
        if is_word {
            while let Some((_, next)) = characters.next_if(|(_, next)| is_word_character(*next)) {
                end += next.len_utf8();
            }
        }
        if !character.is_whitespace() {
            found.push(start..end);
        }
        after_word = is_word;
    }
    found
}
