//! The bytes of a lease file.

use serde::{Deserialize, Serialize};

use super::owner::Owner;

/// Every lease file has this size, so that it is rewritten in place with one write.
const SIZE: usize = 1024;

/// Longest text that tells what is done.
const WHAT: usize = 160;

/// What a lease file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    v: u32,
    pub(super) owner: Owner,
    /// What the owner does, for people.
    pub(super) what: String,
    /// Grows with every sign of life.
    pub(super) counter: u64,
}

impl Content {
    pub(super) fn new(owner: Owner, what: &str) -> Self {
        Self {
            v: 1,
            owner,
            what: what.chars().take(WHAT).collect(),
            counter: 0,
        }
    }

    /// Writes one line of fixed size.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.resize(bytes.len().max(SIZE - 1), b' ');
        bytes.push(b'\n');
        bytes
    }

    /// Reads what a lease file says. One that says nothing, as after a power cut, still counts as held for a while.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_stays_and_the_text_comes_back() {
        let what = "\"\u{fc}\"".repeat(300);
        let mut content = Content::new(Owner::this_process(Some("job-17")), &what);
        let size = content.to_bytes().len();
        assert!(size >= SIZE);
        for counter in [0, 9, 10, u64::from(u32::MAX)] {
            content.counter = counter;
            let bytes = content.to_bytes();
            assert_eq!(Content::from_bytes(&bytes).unwrap(), content);
            assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(bytes.len(), SIZE.max(size));
        }
        assert_eq!(Content::from_bytes(b""), None);
    }
}
