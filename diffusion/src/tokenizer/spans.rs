//! Which part of a prompt each of its tokens comes from.

use std::ops::Range;

use super::configuration::Side;
use super::{TokenIds, Tokenizer, TokenizerError};

/// A prompt as the text model reads it, and where in the prompt its tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpans {
    /// The tokens, those of [`Tokenizer::encode`].
    pub tokens: TokenIds,
    /// For every position the bytes of the prompt; none for start, end and padding.
    places: Vec<Option<Range<usize>>>,
    /// The bytes that the tokens which were cut off come from.
    cut_off: Vec<Range<usize>>,
    end: usize,
}

impl TokenSpans {
    /// The bytes of the prompt that the token at a position comes from; none for start, end and padding.
    ///
    /// Letters of several bytes may be several tokens, each of which then comes from the whole letter.
    pub fn place(&self, position: usize) -> Option<Range<usize>> {
        self.places.get(position).cloned().flatten()
    }

    /// The positions of the tokens that any of these bytes of the prompt became, counted from the start token, which is
    /// at 0; an empty range where all of them were cut off or became no token.
    pub fn tokens_of(&self, bytes: Range<usize>) -> Range<usize> {
        let overlaps =
            |place: &Option<Range<usize>>| place.as_ref().is_some_and(|place| overlap(place, &bytes));
        let first = self.places.iter().position(overlaps);
        let last = self.places.iter().rposition(overlaps);
        first.zip(last).map_or(0..0, |(first, last)| first..last + 1)
    }

    /// Like [`Self::tokens_of`], but none where a part of these bytes was cut off, because what is left may be another
    /// word, or where they became no token.
    pub fn whole_tokens_of(&self, bytes: Range<usize>) -> Option<Range<usize>> {
        let whole = !self.cut_off.iter().any(|place| overlap(place, &bytes));
        let tokens = self.tokens_of(bytes);
        (whole && !tokens.is_empty()).then_some(tokens)
    }

    /// The position of the end token.
    pub fn end(&self) -> usize {
        self.end
    }
}

impl Tokenizer {
    /// Encodes a prompt as [`Self::encode`] does, with the place of every token.
    ///
    /// Places are those in the prompt as written, before letters become lower case and white space is joined.
    ///
    /// # Errors
    /// As [`Self::tokens`].
    pub fn encode_with_spans(&self, prompt: &str) -> Result<TokenSpans, TokenizerError> {
        let tokens = self.encode(prompt)?;
        let mut found = self.places(prompt)?;
        let kept = tokens.length - 2;
        let (padding, truncation) = self.sides;
        let first = match truncation {
            Side::Left => found.len().saturating_sub(kept),
            Side::Right => 0,
        };
        let start = match padding {
            Side::Left => tokens.ids.len() - tokens.length,
            Side::Right => 0,
        };
        let mut cut_off = found.split_off(found.len().min(first + kept));
        cut_off.extend(found.drain(..first));
        let mut places = vec![None; tokens.ids.len()];
        for (place, found) in places[start + 1..].iter_mut().zip(found) {
            *place = Some(found);
        }
        Ok(TokenSpans {
            end: start + tokens.length - 1,
            tokens,
            places,
            cut_off,
        })
    }

    /// The place of every token of a prompt alone, nothing cut off.
    fn places(&self, prompt: &str) -> Result<Vec<Range<usize>>, TokenizerError> {
        let (text, origins) = self.series.written_out_with_origins(prompt, &self.pipeline);
        let encoding = self
            .pipeline
            .encode(text.as_ref(), false)
            .map_err(|source| TokenizerError::Encode { source })?;
        let original = |&(start, end): &(usize, usize)| match &origins {
            None => start..end,
            Some(origins) => original_range(origins, start..end),
        };
        Ok(encoding.get_offsets().iter().map(original).collect())
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The bytes that a range of a text comes from, given those that each of its bytes comes from.
fn original_range(origins: &[Range<usize>], range: Range<usize>) -> Range<usize> {
    match origins.get(range.clone()) {
        Some([first, .., last]) => first.start..last.end,
        Some([only]) => only.clone(),
        _ => 0..0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::tokenizer::VocabularyBuilder;

    /// Written by `tools/goldens/export_token_spans.py`.
    #[derive(Deserialize)]
    struct Golden {
        prompts: Vec<String>,
        spans: BTreeMap<String, Vec<Vec<(usize, usize)>>>,
    }

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer")
    }

    /// Each token's text in the prompt.
    fn texts(spans: &TokenSpans, prompt: &str, tokens: Range<usize>) -> Vec<String> {
        tokens
            .map(|position| prompt[spans.place(position).unwrap()].to_owned())
            .collect()
    }

    #[test]
    fn places_equal_those_of_transformers() {
        let golden: Golden =
            serde_json::from_slice(&std::fs::read(folder().join("spans.json")).unwrap()).unwrap();
        for (name, expected) in &golden.spans {
            let tokenizer = Tokenizer::from_directory(&folder().join(name)).unwrap();
            let whole = tokenizer.clone().with_context_length(64).unwrap();
            for (prompt, expected) in golden.prompts.iter().zip(expected) {
                let spans = whole.encode_with_spans(prompt).unwrap();
                assert_eq!(spans.tokens, whole.encode(prompt).unwrap());
                let found: Vec<(usize, usize)> = (1..=expected.len())
                    .map(|position| {
                        spans
                            .place(position)
                            .map_or((0, 0), |place| (place.start, place.end))
                    })
                    .collect();
                assert_eq!(&found, expected, "{name}: {prompt:?}");
                assert_eq!((spans.place(0), spans.place(expected.len() + 1)), (None, None));
                assert_eq!(spans.end(), expected.len() + 1);
                // Of a prompt that is too long the first tokens are left, in their places.
                let cut = tokenizer.encode_with_spans(prompt).unwrap();
                assert_eq!(cut.tokens.ids.len(), 16);
                for position in 0..cut.tokens.length - 1 {
                    assert_eq!(cut.place(position), spans.place(position), "{prompt:?}");
                }
                assert_eq!(cut.end(), cut.tokens.length - 1);
            }
        }
    }

    #[test]
    fn words_are_found_by_their_place_however_they_are_written() {
        let tokenizer = Tokenizer::from_directory(&folder().join("plain")).unwrap();
        let prompt = " A  RED caf\u{e9},\na red hat";
        let spans = tokenizer.encode_with_spans(prompt).unwrap();
        let place = |word: &str| {
            let start = prompt.find(word).unwrap();
            start..start + word.len()
        };
        assert_eq!(spans.tokens_of(place("RED")), 2..3);
        // One word, of which the last letter is two tokens.
        assert_eq!(spans.tokens_of(place("caf\u{e9}")), 3..6);
        assert_eq!(texts(&spans, prompt, 3..6), ["caf", "\u{e9}", "\u{e9}"]);
        assert_eq!(spans.tokens_of(place("red hat")), 8..10);
        assert_eq!(spans.tokens_of(0..prompt.len()), 1..10);
        assert_eq!(spans.tokens_of(0..1), 0..0);
        assert_eq!(spans.tokens_of(4..4), 0..0);
        // A letter and its accent, joined before they become tokens.
        let apart = tokenizer.encode_with_spans("a cafe\u{301} hat").unwrap();
        assert_eq!(apart.whole_tokens_of(2..8), Some(2..5));
    }

    #[test]
    fn a_word_at_the_end_of_the_window_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        VocabularyBuilder::new(["red", "car"])
            .unwrap()
            .write(folder.path(), 6)
            .unwrap();
        let tokenizer = Tokenizer::from_directory(folder.path()).unwrap();
        let prompt = "red car hut car";
        let spans = tokenizer.encode_with_spans(prompt).unwrap();
        assert!(spans.tokens.truncated);
        assert_eq!(spans.whole_tokens_of(4..7), Some(2..3));
        // Of three letters two are left.
        assert_eq!(spans.tokens_of(8..11), 3..5);
        assert_eq!(spans.whole_tokens_of(8..11), None);
        assert_eq!(spans.tokens_of(12..15), 0..0);
        assert_eq!(spans.whole_tokens_of(12..15), None);
        assert_eq!(spans.end(), 5);
    }

    #[test]
    fn sides_move_places_with_their_tokens() {
        let folder = tempfile::tempdir().unwrap();
        VocabularyBuilder::new(["red", "car"])
            .unwrap()
            .write(folder.path(), 6)
            .unwrap();
        let path = folder.path().join("tokenizer_config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["padding_side"] = json!("left");
        config["truncation_side"] = json!("left");
        std::fs::write(&path, config.to_string()).unwrap();
        let tokenizer = Tokenizer::from_directory(folder.path()).unwrap();
        let short = tokenizer.encode_with_spans("red car").unwrap();
        // Two of padding, start, two words, end.
        assert_eq!((short.tokens_of(4..7), short.end()), (4..5, 5));
        let empty = tokenizer.encode_with_spans("").unwrap();
        assert_eq!(empty.tokens_of(0..10), 0..0);
        let long = tokenizer.encode_with_spans("red car red car car").unwrap();
        assert_eq!(long.tokens_of(0..3), 0..0);
        assert_eq!((long.tokens_of(4..7), long.tokens_of(16..19)), (1..2, 4..5));
    }

    #[test]
    fn tokens_of_a_series_come_from_the_word_that_stands_for_them() {
        let folder = tempfile::tempdir().unwrap();
        VocabularyBuilder::new(["a", "red"])
            .unwrap()
            .write(folder.path(), 16)
            .unwrap();
        let first = Tokenizer::from_directory(folder.path())
            .unwrap()
            .vocabulary_size();
        let added = json!({"<cat>": first, "<cat>_1": first + 1, "<cat>_2": first + 2});
        std::fs::write(folder.path().join("added_tokens.json"), added.to_string()).unwrap();
        let tokenizer = Tokenizer::from_directory(folder.path()).unwrap();
        let prompt = "a red <cat> red <cat>";
        let spans = tokenizer.encode_with_spans(prompt).unwrap();
        assert_eq!(spans.tokens.length, 2 + 3 + 2 * 3);
        assert_eq!(spans.tokens_of(6..11), 3..6);
        assert_eq!(spans.tokens_of(12..15), 6..7);
        assert_eq!(spans.whole_tokens_of(16..21), Some(7..10));
        assert_eq!(texts(&spans, prompt, 7..10), ["<cat>"; 3]);
    }
}
