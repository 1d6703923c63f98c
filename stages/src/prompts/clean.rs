//! The text of a prompt, checked and trimmed.

use std::fmt;

/// The greatest length of a prompt, in bytes of UTF-8.
///
/// A text encoder reads 77 tokens; what is longer than this is a damaged file rather than a prompt.
pub const MAX_PROMPT_BYTES: usize = 64 * 1024;

/// Why a prompt cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidPrompt {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The text holds a NUL character, which text files do not have.
    Nul,
    /// The text is longer than [`MAX_PROMPT_BYTES`].
    TooLong,
}

impl InvalidPrompt {
    /// The name under which the report counts it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::Nul => "nul_character",
            Self::TooLong => "too_long",
        }
    }
}

impl fmt::Display for InvalidPrompt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => formatter.write_str("is not UTF-8"),
            Self::Nul => formatter.write_str("holds a NUL character"),
            Self::TooLong => write!(formatter, "is longer than {MAX_PROMPT_BYTES} bytes"),
        }
    }
}

/// The trimmed text of a prompt; empty where there is only white space.
///
/// Only the ends are trimmed: the text in between is what the model sees.
///
/// # Errors
/// The first of: too long after trimming, not UTF-8, a NUL character.
pub(super) fn clean(bytes: &[u8]) -> Result<&str, InvalidPrompt> {
    let bytes = bytes.trim_ascii();
    if bytes.len() > MAX_PROMPT_BYTES {
        return Err(InvalidPrompt::TooLong);
    }
    let text = str::from_utf8(bytes).map_err(|_| InvalidPrompt::NotUtf8)?.trim();
    if text.contains('\0') {
        return Err(InvalidPrompt::Nul);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_trimmed_and_the_middle_is_kept() {
        assert_eq!(clean("\u{a0} a  red\tcar \r".as_bytes()), Ok("a  red\tcar"));
        assert_eq!(clean(b" \t\r\n"), Ok(""));
        assert_eq!(clean(b""), Ok(""));
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(clean(b"a \xff car"), Err(InvalidPrompt::NotUtf8));
        assert_eq!(clean(b"a \0 car"), Err(InvalidPrompt::Nul));
        assert_eq!(
            clean(&vec![b'a'; MAX_PROMPT_BYTES + 1]),
            Err(InvalidPrompt::TooLong)
        );
        assert_eq!(
            clean(&vec![b'a'; MAX_PROMPT_BYTES]).map(str::len),
            Ok(MAX_PROMPT_BYTES)
        );
    }
}
