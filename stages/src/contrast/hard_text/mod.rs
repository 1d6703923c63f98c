//! Texts that are nearly the prompt and say something else, after NegCLIP (Yuksekgonul et al. 2022, arXiv 2210.01936).
//!
//! NegCLIP exchanges adjectives, nouns, adverbs, verb phrases or noun phrases that spaCy finds. Here the noun phrases are
//! those of [`mitune_judges::noun_phrases`], within which adjectives, numbers and nouns are told apart, and relations
//! turn into their opposites. What would say the same again, such as `a dog and a cat` for `a cat and a dog`, is left
//! out, because a text that is right is no negative.

mod exchanges;
mod opposites;
mod phrase;

use std::collections::BTreeSet;

use exchanges::exchanges;
use opposites::opposites;

/// All hard texts of a prompt, each once and in a fixed order; none if nothing in it can be exchanged.
pub(super) fn hard_texts(prompt: &str) -> Vec<String> {
    let mut texts = exchanges(prompt);
    texts.extend(opposites(prompt));
    let mut seen = BTreeSet::from([prompt.to_owned()]);
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_nouns_numbers_and_relations_are_exchanged() {
        for (prompt, expected) in [
            (
                "a red cube and a blue sphere",
                vec!["a blue cube and a red sphere", "a red sphere and a blue cube"],
            ),
            (
                "A red cube on an orange sphere",
                vec![
                    "An orange cube on a red sphere",
                    "A red sphere on an orange cube",
                    "An orange sphere on a red cube",
                ],
            ),
            (
                "a dog under a table",
                vec!["a table under a dog", "a dog over a table"],
            ),
            (
                "two cats and three dogs",
                vec!["two dogs and three cats", "three cats and two dogs"],
            ),
            (
                "a dog to the left of a cat",
                vec!["a cat to the left of a dog", "a dog to the right of a cat"],
            ),
        ] {
            let found: BTreeSet<String> = hard_texts(prompt).into_iter().collect();
            let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(found, expected, "{prompt}");
        }
    }

    #[test]
    fn a_prompt_of_nothing_but_relations_does_not_become_thousands() {
        assert_eq!(opposites(&"over ".repeat(13_000)).len(), 12);
    }

    #[test]
    fn what_would_say_the_same_is_left_out() {
        for prompt in [
            "a cat and a dog",
            "a red cat",
            "",
            "a dog, a cat and a mouse",
            "running",
        ] {
            assert_eq!(hard_texts(prompt), Vec::<String>::new(), "{prompt}");
        }
    }
}
