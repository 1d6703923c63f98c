//! Words of two noun phrases, exchanged.

use super::phrase::{Phrase, Words, phrases};

/// Words between two phrases that read the same from either side.
const SYMMETRIC: [&str; 13] = [
    "and",
    "or",
    "plus",
    "next",
    "to",
    "near",
    "beside",
    "alongside",
    "together",
    "by",
    "nearby",
    "adjacent",
    "with",
];

/// The prompt with modifiers, nouns, numbers or whole phrases of two of its noun phrases exchanged, as far as it then says
/// something else.
pub(super) fn exchanges(prompt: &str) -> Vec<String> {
    let phrases = phrases(prompt);
    // Whether what stands between a phrase and the next one reads the same from either side.
    let symmetric: Vec<bool> = phrases
        .windows(2)
        .map(|two| is_symmetric(&prompt[two[0].place.end..two[1].place.start]))
        .collect();
    let mut texts = Vec::new();
    for (first, one) in phrases.iter().enumerate() {
        for (second, other) in phrases.iter().enumerate().skip(first + 1) {
            let pair = PhrasePair {
                prompt,
                one,
                other,
                symmetric: symmetric[first..second].iter().all(|symmetric| *symmetric),
            };
            texts.extend(pair.exchanges());
        }
    }
    texts
}

/// Two noun phrases of a prompt, in its order.
struct PhrasePair<'a> {
    prompt: &'a str,
    one: &'a Phrase,
    other: &'a Phrase,
    symmetric: bool,
}

impl PhrasePair<'_> {
    fn exchanges(&self) -> Vec<String> {
        let (one, other) = (self.one, self.other);
        let nouns_differ = !one.noun.eq_ignore_ascii_case(&other.noun);
        let modifiers_differ = one.modifiers != other.modifiers;
        let numbers_differ = one.number() != other.number();
        let mut texts = Vec::new();
        if modifiers_differ && (nouns_differ || numbers_differ || !self.symmetric) {
            texts.push(self.with(
                Words {
                    modifiers: &other.modifiers,
                    ..one.words()
                },
                Words {
                    modifiers: &one.modifiers,
                    ..other.words()
                },
            ));
        }
        let same_number = one.is_plural() == other.is_plural();
        if nouns_differ && same_number && (modifiers_differ || numbers_differ || !self.symmetric) {
            texts.push(self.with(
                Words {
                    noun: &other.noun,
                    ..one.words()
                },
                Words {
                    noun: &one.noun,
                    ..other.words()
                },
            ));
        }
        let both_counted = one.has_number() && other.has_number();
        if both_counted && numbers_differ && (nouns_differ || modifiers_differ || !self.symmetric) {
            texts.push(self.with(
                Words {
                    determiner: &other.determiner,
                    ..one.words()
                },
                Words {
                    determiner: &one.determiner,
                    ..other.words()
                },
            ));
        }
        if !self.symmetric && (nouns_differ || modifiers_differ || numbers_differ) {
            texts.push(self.with(other.words(), one.words()));
        }
        texts
    }

    /// The prompt with other words in both places.
    fn with(&self, first: Words<'_>, second: Words<'_>) -> String {
        let (one, other) = (&self.one.place, &self.other.place);
        [
            &self.prompt[..one.start],
            &self.one.replaced_by(first),
            &self.prompt[one.end..other.start],
            &self.other.replaced_by(second),
            &self.prompt[other.end..],
        ]
        .concat()
    }
}

fn is_symmetric(between: &str) -> bool {
    let words = between.split_whitespace();
    let words = words.map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()));
    words
        .filter(|word| !word.is_empty())
        .all(|word| SYMMETRIC.iter().any(|known| known.eq_ignore_ascii_case(word)))
}
