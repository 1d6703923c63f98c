//! The noun phrases of a prompt, as T2I-CompBench asks about them.
//!
//! Its own prompts ship with the phrases that spaCy's small English model 3.8 finds (`shipped.rs`); any other prompt
//! goes through a perceptron that learned from these (`labels.rs`; `docs/judges.md` says how well they agree). No kept
//! crate does this: harper-brill says which words stand in a noun phrase but not where one ends, rust-bert needs
//! libtorch, nlprule is no longer kept up, pos-tagger names parts of speech only, and crftag brings no English model.

mod closed_classes;
mod features;
mod labels;
mod phrases;
mod shipped;
#[cfg(test)]
mod tests;
mod text_hash;
mod tokens;
mod weights;
mod word_traits;

use std::ops::Range;

use phrases::{Phrases, Places};

/// Revision of the shipped phrases, of the chunker and of its weights, for the keys of what is computed from them.
pub const REVISION: u32 = 1;

/// Chunks that T2I-CompBench asks nothing about: they say where things are. Only exactly these, as the reference does.
const DROPPED: [&str; 4] = ["top", "the side", "the left", "the right"];

/// What a prompt speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NounPhrases {
    /// Noun chunks with their articles, in the order of the prompt, without those that T2I-CompBench drops.
    pub chunks: Vec<String>,
    /// Common nouns in the order of the prompt.
    pub nouns: Vec<String>,
    /// Where they come from.
    pub source: Source,
}

/// Where noun phrases stand in a prompt, in bytes and in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhrasePlaces {
    /// Noun chunks with their articles, without those that T2I-CompBench drops.
    pub chunks: Vec<Range<usize>>,
    /// Common nouns.
    pub nouns: Vec<Range<usize>>,
}

/// Where noun phrases come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// From spaCy, for a prompt of T2I-CompBench.
    Shipped,
    /// From the chunker, which differs from spaCy now and then.
    Chunker,
}

/// Finds the noun phrases of a prompt. Of a prompt that is not T2I-CompBench's the first 4,096 tokens are read.
pub fn chunks(prompt: &str) -> NounPhrases {
    let (found, source) = found(prompt);
    filtered(Phrases::cut(prompt, &found), source)
}

/// Finds where the noun phrases of a prompt stand: the same ones as [`chunks()`].
pub fn places(prompt: &str) -> PhrasePlaces {
    let (mut found, _) = found(prompt);
    found.chunks.retain(|chunk| is_kept(&prompt[chunk.clone()]));
    PhrasePlaces {
        chunks: found.chunks,
        nouns: found.nouns,
    }
}

fn found(prompt: &str) -> (Places, Source) {
    if let Some(places) = shipped::look_up(prompt) {
        return (places, Source::Shipped);
    }
    let tokens = tokens::tokens(prompt);
    let labels = labels::best_labels(&features::label_sums(prompt, &tokens));
    (Places::of_labels(&tokens, &labels), Source::Chunker)
}

fn filtered(found: Phrases, source: Source) -> NounPhrases {
    let mut chunks = found.chunks;
    chunks.retain(|chunk| is_kept(chunk));
    NounPhrases {
        chunks,
        nouns: found.nouns,
        source,
    }
}

fn is_kept(chunk: &str) -> bool {
    !DROPPED.contains(&chunk)
}
