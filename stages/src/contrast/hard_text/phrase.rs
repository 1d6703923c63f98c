//! A noun phrase of a prompt and its parts.

use std::ops::Range;

use mitune_judges::noun_phrases::chunks;

/// Words that begin a noun phrase and tell nothing of what it names.
const DETERMINERS: [&str; 22] = [
    "a", "an", "the", "this", "that", "these", "those", "some", "any", "each", "every", "another", "his",
    "her", "its", "their", "my", "your", "our", "both", "all", "no",
];

/// Numbers, which stand in the place of an article.
const NUMBERS: [&str; 12] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
];

/// Nouns that say where things are and name none, as in `in front of`.
const PLACES: [&str; 10] = [
    "front", "back", "top", "bottom", "side", "left", "right", "middle", "center", "edge",
];

/// Phrases that are looked at; each two of them may be exchanged.
const MOST_PHRASES: usize = 12;

/// A noun phrase in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    /// Where it stands.
    pub(super) place: Range<usize>,
    /// An article, a number or another word that begins it; may be empty.
    pub(super) determiner: String,
    /// Words between the determiner and the noun; may be empty.
    pub(super) modifiers: String,
    /// The noun, its last word.
    pub(super) noun: String,
    /// Whether it begins with a capital because it begins the prompt; the parts then have none.
    capital: bool,
}

/// What makes up a phrase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    pub(super) determiner: &'a str,
    pub(super) modifiers: &'a str,
    pub(super) noun: &'a str,
}

/// The first noun phrases of a prompt that end with a common noun, in order; without those that only name a place.
pub(super) fn phrases(prompt: &str) -> Vec<Phrase> {
    let found = chunks(prompt);
    let mut from = 0;
    let mut phrases = Vec::new();
    for chunk in &found.chunks {
        let Some(start) = prompt[from..].find(chunk.as_str()).map(|start| from + start) else {
            continue;
        };
        from = start + chunk.len();
        phrases.extend(Phrase::of(chunk, start..from, &found.nouns));
    }
    phrases.truncate(MOST_PHRASES);
    phrases
}

impl Phrase {
    fn of(chunk: &str, place: Range<usize>, nouns: &[String]) -> Option<Self> {
        let mut words: Vec<String> = chunk.split_whitespace().map(str::to_owned).collect();
        let noun = words.pop()?;
        if !nouns.contains(&noun) || PLACES.contains(&noun.as_str()) {
            return None;
        }
        let determined = words
            .first()
            .is_some_and(|first| is_determiner(first) || is_number(first));
        let determiner = match determined {
            true => words.remove(0),
            false => String::new(),
        };
        let mut phrase = Self {
            place,
            determiner,
            modifiers: words.join(" "),
            noun,
            capital: false,
        };
        phrase.capital = phrase.place.start == 0 && lower_first(phrase.first_part());
        Some(phrase)
    }

    pub(super) fn words(&self) -> Words<'_> {
        Words {
            determiner: &self.determiner,
            modifiers: &self.modifiers,
            noun: &self.noun,
        }
    }

    /// Whether it begins with a number.
    pub(super) fn has_number(&self) -> bool {
        is_number(&self.determiner)
    }

    /// The number it begins with; empty for an article, which says nothing.
    pub(super) fn number(&self) -> &str {
        match self.has_number() {
            true => &self.determiner,
            false => "",
        }
    }

    /// Whether the noun looks like one of several things.
    pub(super) fn is_plural(&self) -> bool {
        self.noun.ends_with('s') && !self.noun.ends_with("ss")
    }

    /// Other words in the place of this phrase, with `a` or `an` as the next word wants it.
    pub(super) fn replaced_by(&self, words: Words<'_>) -> String {
        let next = match words.modifiers {
            "" => words.noun,
            modifiers => modifiers,
        };
        let determiner = match words.determiner {
            "a" | "an" if self.follows(next) => words.determiner,
            "a" | "an" if begins_with_vowel(next) => "an",
            "a" | "an" => "a",
            other => other,
        };
        let parts = [determiner, words.modifiers, words.noun];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let text = parts.join(" ");
        match self.capital {
            true => with_capital(&text),
            false => text,
        }
    }

    /// Whether these words follow the determiner of this phrase as it stands, whose article then is right.
    fn follows(&self, next: &str) -> bool {
        match self.modifiers.as_str() {
            "" => self.noun == next,
            modifiers => modifiers == next,
        }
    }

    fn first_part(&mut self) -> &mut String {
        match (self.determiner.is_empty(), self.modifiers.is_empty()) {
            (false, _) => &mut self.determiner,
            (true, false) => &mut self.modifiers,
            (true, true) => &mut self.noun,
        }
    }
}

fn is_determiner(word: &str) -> bool {
    DETERMINERS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn is_number(word: &str) -> bool {
    let written = NUMBERS.iter().any(|known| known.eq_ignore_ascii_case(word));
    written || (!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
}

fn begins_with_vowel(word: &str) -> bool {
    word.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U'])
}

/// Takes the capital from a word that has it only at its beginning; says whether it had one.
fn lower_first(text: &mut String) -> bool {
    let word = text.split(' ').next().unwrap_or_default();
    let mut letters = word.bytes();
    let capital = letters.next().is_some_and(|first| first.is_ascii_uppercase());
    let only = letters.all(|letter| !letter.is_ascii_uppercase());
    if capital && only {
        let lower = text[..1].to_ascii_lowercase();
        text.replace_range(..1, &lower);
    }
    capital && only
}

fn with_capital(text: &str) -> String {
    match text.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_its_determiner_modifiers_and_noun() {
        let found = phrases("A big red cube is on two old tables");
        let parts: Vec<[&str; 3]> = found
            .iter()
            .map(|phrase| [phrase.determiner.as_str(), &phrase.modifiers, &phrase.noun])
            .collect();
        assert_eq!(parts, [["a", "big red", "cube"], ["two", "old", "tables"]]);
        assert_eq!(found[0].replaced_by(found[0].words()), "A big red cube");
        let odd = Words {
            determiner: "a",
            modifiers: "",
            noun: "orange",
        };
        assert_eq!(found[0].replaced_by(odd), "An orange");
        assert_eq!(found[1].replaced_by(odd), "an orange");
        assert!(found[1].has_number() && found[1].is_plural());
    }
}
