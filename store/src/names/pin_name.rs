//! Names of pins, strict because they become file names.

use std::fmt;
use std::str::FromStr;

use super::text_form::written_as_text;

const LONGEST: usize = 64;

/// The name of a pin: letters, digits, `-`, `_` and `.`, the first one a letter or digit, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinName(String);

/// A text that is not the name of a pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` cannot name a pin: take at most {LONGEST} letters, digits, `-`, `_` and `.`, and begin with a letter or digit",
    .0.escape_debug()
)]
pub struct PinNameError(String);

impl PinName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PinName {
    type Err = PinNameError;

    fn from_str(text: &str) -> Result<Self, PinNameError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let begins = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && text.len() <= LONGEST && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(PinNameError(text.chars().take(2 * LONGEST).collect()))
    }
}

impl fmt::Display for PinName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

written_as_text!(PinName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        for good in ["paper", "v1.2_final-3", "0123456789ab", "A", &"x".repeat(64)] {
            assert_eq!(good.parse::<PinName>().unwrap().as_str(), good);
        }
        let bad = [
            "",
            ".",
            "..",
            ".hidden",
            "-x",
            "a/b",
            "a\\b",
            "a b",
            "a\0",
            "\u{e4}",
            &"x".repeat(65),
        ];
        for bad in bad {
            assert!(bad.parse::<PinName>().is_err(), "{bad:?}");
        }
    }
}
