//! The identity of a prompt within a pipeline.

use std::sync::LazyLock;

/// What makes a prompt row the same row in another run: category, split, source, text, and the how-manieth row with
/// all of these equal it is.
///
/// The line number is left out on purpose: adding a line at the top of a file must change no identity below it. The
/// sample is drawn from identities, and the first half of an identity is the `prompt_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PromptIdentity([u8; 16]);

/// The domain of the hash; a new meaning needs a new text.
static DOMAIN: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("mitune v1 prompt identity"));

impl PromptIdentity {
    /// The identity of the row number `occurrence` (from 0) of those that agree in everything else.
    #[must_use]
    pub fn new(
        category: Option<&str>,
        split: Option<&str>,
        source: &str,
        text: &str,
        occurrence: u32,
    ) -> Self {
        let mut hasher = DOMAIN.clone();
        for part in [category, split, Some(source), Some(text)] {
            // A length before each part, and one more than any length for a part that is not there, keeps parts apart.
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            hasher.update(&length.to_le_bytes());
            hasher.update(part.unwrap_or_default().as_bytes());
        }
        hasher.update(&occurrence.to_le_bytes());
        Self(first_half(&hasher.finalize()))
    }

    /// The value of the column `prompt_id`: 16 hexadecimal digits.
    ///
    /// With 64 bits, two of a million prompts have the same with a probability of 3e-8.
    #[must_use]
    pub fn prompt_id(&self) -> String {
        self.0[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The first 16 bytes of a hash.
pub(super) fn first_half(hash: &blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    half
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_part_counts() {
        let identities = [
            PromptIdentity::new(None, None, "a.txt", "a car", 0),
            PromptIdentity::new(None, None, "a.txt", "a car", 1),
            PromptIdentity::new(None, None, "a.txt", "a cat", 0),
            PromptIdentity::new(None, None, "b.txt", "a car", 0),
            PromptIdentity::new(Some(""), None, "a.txt", "a car", 0),
            PromptIdentity::new(None, Some(""), "a.txt", "a car", 0),
            PromptIdentity::new(Some("a"), None, "a.txt", "a car", 0),
            PromptIdentity::new(None, Some("a"), "a.txt", "a car", 0),
            PromptIdentity::new(None, None, "a.txta", " car", 0),
        ];
        assert_eq!(identities.iter().collect::<HashSet<_>>().len(), identities.len());
    }

    #[test]
    fn the_identifier_is_the_published_one() {
        // Recomputed from the BLAKE3 specification in another language.
        let identity = PromptIdentity::new(Some("color"), Some("train"), "color_train.txt", "a red car", 0);
        assert_eq!(identity.prompt_id(), "f5b74decd4b3be1d");
    }
}
