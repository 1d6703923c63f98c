//! The 256-bit BLAKE3 digest under every identifier.

use std::fmt;
use std::str::FromStr;

use super::hex::unhex;
use super::text_form::written_as_text;

/// A 256-bit BLAKE3 digest, written as 64 lower-case hexadecimal digits.
///
/// Parsing accepts exactly that spelling and nothing else, because a digest becomes part of a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The text has another length than 64 characters.
    #[error("A digest has 64 hexadecimal digits, got {0} characters")]
    Length(usize),
    /// A character is not one of `0-9a-f`.
    #[error("A digest holds only `0-9a-f`, got {found:?} at position {position}")]
    Character {
        /// The offending character.
        found: char,
        /// Its position, counted from 0.
        position: usize,
    },
}

impl Digest {
    /// Wraps the bytes of a digest.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns all 64 digits.
    pub fn to_hex(&self) -> String {
        self.to_string()
    }

    /// Returns the first 12 digits, for messages and tables; too short to identify a result.
    pub fn short(&self) -> String {
        let mut text = self.to_hex();
        text.truncate(12);
        text
    }

    /// Returns the first two digits, the name of the fan-out directory.
    pub(crate) fn fan(&self) -> String {
        format!("{:02x}", self.0[0])
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        if let Some((position, found)) = text
            .chars()
            .enumerate()
            .find(|(_, c)| !matches!(c, '0'..='9' | 'a'..='f'))
        {
            return Err(DigestError::Character { found, position });
        }
        unhex(text).map(Self).ok_or(DigestError::Length(text.len()))
    }
}

written_as_text!(Digest);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hexadecimal_round_trip(bytes: [u8; 32]) {
            let digest = Digest::new(bytes);
            prop_assert_eq!(digest.to_hex().parse::<Digest>(), Ok(digest));
            prop_assert_eq!(&serde_json::to_string(&digest).unwrap(), &format!("\"{digest}\""));
            prop_assert!(digest.to_hex().starts_with(&digest.short()));
            prop_assert!(digest.to_hex().starts_with(&digest.fan()));
        }
    }

    #[test]
    fn only_the_strict_spelling_is_a_digest() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(good.parse::<Digest>().unwrap().to_hex(), good);
        assert_eq!(good[1..].parse::<Digest>(), Err(DigestError::Length(63)));
        assert_eq!(format!("{good}0").parse::<Digest>(), Err(DigestError::Length(65)));
        for bad in ['A', 'g', '/', '.', ' ', '\0', '\u{e4}'] {
            let text = format!("{}{bad}{}", &good[..10], &good[11..]);
            assert_eq!(
                text.parse::<Digest>(),
                Err(DigestError::Character {
                    found: bad,
                    position: 10
                })
            );
        }
    }
}
