//! What a prompt speaks of, as the tokens that stand for it.
//!
//! Guidance that looks at attention asks for tokens; people name nouns and phrases. Both come from the noun phrases of
//! [`mitune_judges::noun_phrases`]: those of spaCy for the prompts of T2I-CompBench, those of the chunker for others.

use std::ops::Range;

use mitune_diffusion::tokenizer::TokenSpans;
use mitune_judges::noun_phrases::{PhrasePlaces, places};

/// Most subjects of a prompt, which are its first ones: long prompts name dozens of things, and attention to one of
/// them takes it from another.
pub const MOST_SUBJECTS: usize = 4;

/// A noun phrase of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase<'p> {
    /// As it stands in the prompt.
    pub text: &'p str,
    /// Positions of its tokens in the prompt, counted from the start token.
    pub tokens: Range<usize>,
}

/// Finds the tokens of a prompt's subjects, at most [`MOST_SUBJECTS`], in their order.
///
/// A subject is the last common noun of a noun phrase, as `cup` of `a coffee cup`; `left` of `on the left` is none. A
/// noun of several tokens is stood for by the last one, whose state is the first that has read the whole word. What the
/// text encoder does not read to its end is no subject.
pub fn subject_tokens(prompt: &str, spans: &TokenSpans) -> Vec<usize> {
    let last = |noun: Range<usize>| spans.whole_tokens_of(noun)?.next_back();
    let tokens = heads(&places(prompt)).into_iter().filter_map(last);
    tokens.take(MOST_SUBJECTS).collect()
}

/// Finds the noun phrases of more than one word that the text encoder reads to their end.
pub fn phrases<'p>(prompt: &'p str, spans: &TokenSpans) -> Vec<Phrase<'p>> {
    let phrase = |place: Range<usize>| {
        let text = &prompt[place.clone()];
        let tokens = spans.whole_tokens_of(place)?;
        (text.split_whitespace().count() > 1).then_some(Phrase { text, tokens })
    };
    places(prompt).chunks.into_iter().filter_map(phrase).collect()
}

/// The place of the last noun of each phrase that has one.
fn heads(found: &PhrasePlaces) -> Vec<Range<usize>> {
    let head = |chunk: &Range<usize>| {
        let inside = |noun: &&Range<usize>| chunk.start <= noun.start && noun.end <= chunk.end;
        found.nouns.iter().rfind(inside).cloned()
    };
    found.chunks.iter().filter_map(head).collect()
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::tokenizer::{Tokenizer, VocabularyBuilder};

    use super::*;

    /// The tokens of a prompt where only a few words are one token.
    fn spans(prompt: &str, context_length: usize) -> TokenSpans {
        let words = [
            "a", "and", "red", "blue", "car", "bench", "on", "the", "left", "of",
        ];
        let folder = tempfile::tempdir().unwrap();
        VocabularyBuilder::new(words)
            .unwrap()
            .write(folder.path(), context_length)
            .unwrap();
        let tokenizer = Tokenizer::from_directory(folder.path()).unwrap();
        tokenizer.encode_with_spans(prompt).unwrap()
    }

    fn tokens(prompt: &str, context_length: usize) -> Vec<usize> {
        subject_tokens(prompt, &spans(prompt, context_length))
    }

    #[test]
    fn subjects_are_the_last_tokens_of_their_nouns() {
        assert_eq!(tokens("a red car and a blue bench", 16), [3, 7]);
        // Words that repeat have places of their own.
        assert_eq!(tokens("a red car and a blue car", 16), [3, 7]);
        // `Bird` is four letters, each a token.
        assert_eq!(tokens("A  RED Bird,\tand a blue car!", 16), [6, 11]);
        assert_eq!(tokens("", 16), [0usize; 0]);
    }

    #[test]
    fn what_the_encoder_does_not_read_to_its_end_is_no_subject() {
        let prompt = "a red car and a blue bird";
        assert_eq!(tokens(prompt, 16), [3, 10]);
        assert_eq!(tokens(prompt, 10), [3]);
        assert_eq!(tokens(prompt, 4), [0usize; 0]);
    }

    #[test]
    fn there_are_no_more_than_a_few_subjects() {
        let prompt = "a red car, a blue car, a bench, a red bench and a car";
        assert_eq!(tokens(prompt, 32), [3, 7, 10, 14]);
    }

    #[test]
    fn a_place_is_no_subject() {
        assert_eq!(tokens("a red car on the left of a blue bench", 16), [3, 10]);
    }

    #[test]
    fn phrases_have_their_words_and_tokens() {
        let prompt = "a red  car and a blue bench";
        let texts_and_tokens = |context_length| -> Vec<(&str, Range<usize>)> {
            let found = phrases(prompt, &spans(prompt, context_length));
            found
                .into_iter()
                .map(|phrase| (phrase.text, phrase.tokens))
                .collect()
        };
        let both = [("a red  car", 1..4), ("a blue bench", 5..8)];
        assert_eq!(texts_and_tokens(16), both);
        assert_eq!(texts_and_tokens(8), both[..1]);
        // One word is no phrase.
        assert!(phrases("car", &spans("car", 16)).is_empty());
    }
}
