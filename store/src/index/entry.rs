//! What the keys of the index mean.

/// The kinds of entries; the first byte of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    /// Stage key: what queries ask of its record.
    Action,
    /// File digest: the identity of the file whose bytes were found good.
    Verified,
    /// Content digest: that the prompts of this table are known. With a prompt: that the table has it.
    Prompt,
}

impl Tree {
    /// Returns the key of an entry.
    pub(crate) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = vec![self.tag()];
        key.extend(parts.iter().flat_map(|part| *part));
        key
    }

    fn tag(self) -> u8 {
        match self {
            Self::Action => b'a',
            Self::Verified => b'v',
            Self::Prompt => b'p',
        }
    }
}
