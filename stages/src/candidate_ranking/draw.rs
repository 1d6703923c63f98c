//! Random numbers of candidates, by what they are and not by where they stand.

use crate::tables::candidate_index::CandidateIndex;

/// A random number of a candidate, by which equal scores are ordered.
///
/// Order of rows would prefer low seed indices, so that a score with many ties, such as right or wrong, would choose
/// the same few start noises for every prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Draw(u128);

impl Draw {
    /// What orders equal scores, and what a random choice goes by.
    pub(crate) const SELECTION: &'static str = "mitune v1 selection";

    /// The key under which a seed draws for a purpose; different purposes give independent numbers.
    pub(crate) fn key(purpose: &str, seed: u64) -> [u8; 32] {
        blake3::derive_key(purpose, &seed.to_le_bytes())
    }

    /// The number of one candidate.
    pub(crate) fn new(key: &[u8; 32], prompt: &str, seed_index: u32) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(&seed_index.to_le_bytes());
        hasher.update(prompt.as_bytes());
        let mut half = [0; 16];
        hasher.finalize_xof().fill(&mut half);
        Self(u128::from_be_bytes(half))
    }

    /// One number for each candidate of an index, in its order, that depends on the seed, the prompt's text and the seed
    /// index only.
    pub(crate) fn of_candidates(purpose: &str, seed: u64, index: &CandidateIndex) -> Vec<Self> {
        let key = Self::key(purpose, seed);
        let rows = index.rows().iter();
        rows.map(|row| Self::new(&key, &index.prompt(*row).text, row.seed_index))
            .collect()
    }

    /// The number as one in [0, 1).
    pub(crate) fn unit(&self) -> f64 {
        (self.0 >> 75) as f64 / (1_u64 << 53) as f64
    }
}
