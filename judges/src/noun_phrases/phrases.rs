//! Chunks and nouns of a prompt, before any is dropped.

use std::ops::Range;

use super::labels::{Label, Position};

/// What stands in a prompt, in its order.
#[derive(Debug, Default)]
pub(super) struct Phrases {
    /// Noun chunks.
    pub(super) chunks: Vec<String>,
    /// Common nouns.
    pub(super) nouns: Vec<String>,
}

/// Where it stands, in bytes of the prompt.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Noun chunks.
    pub(super) chunks: Vec<Range<usize>>,
    /// Common nouns.
    pub(super) nouns: Vec<Range<usize>>,
}

impl Phrases {
    /// Cuts what stands in these places out of the prompt.
    pub(super) fn cut(prompt: &str, places: &Places) -> Self {
        let cut = |places: &[Range<usize>]| {
            let texts = places.iter().map(|place| prompt[place.clone()].to_owned());
            texts.collect()
        };
        Self {
            chunks: cut(&places.chunks),
            nouns: cut(&places.nouns),
        }
    }
}

impl Places {
    /// Reads the labels of the tokens. A chunk goes from its first token to its last.
    pub(super) fn of_labels(tokens: &[Range<usize>], labels: &[Label]) -> Self {
        let mut found = Self::default();
        for (token, label) in tokens.iter().zip(labels) {
            match label.position() {
                Position::Outside => (),
                Position::Begin => found.chunks.push(token.clone()),
                Position::Inside => {
                    if let Some(span) = found.chunks.last_mut() {
                        span.end = token.end;
                    }
                }
            }
            if label.is_noun() {
                found.nouns.push(token.clone());
            }
        }
        found
    }

    /// Moves everything on by so many bytes.
    pub(super) fn moved(mut self, by: usize) -> Self {
        for place in self.chunks.iter_mut().chain(&mut self.nouns) {
            *place = place.start + by..place.end + by;
        }
        self
    }
}
