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

impl Phrases {
    /// Reads the labels of the tokens. A chunk is cut out of the prompt from its first token to its last.
    pub(super) fn of_labels(prompt: &str, tokens: &[Range<usize>], labels: &[Label]) -> Self {
        let mut spans: Vec<Range<usize>> = Vec::new();
        let mut nouns = Vec::new();
        for (token, label) in tokens.iter().zip(labels) {
            match label.position() {
                Position::Outside => (),
                Position::Begin => spans.push(token.clone()),
                Position::Inside => {
                    if let Some(span) = spans.last_mut() {
                        span.end = token.end;
                    }
                }
            }
            if label.is_noun() {
                nouns.push(prompt[token.clone()].to_owned());
            }
        }
        let chunks = spans.into_iter().map(|span| prompt[span].to_owned()).collect();
        Self { chunks, nouns }
    }
}
