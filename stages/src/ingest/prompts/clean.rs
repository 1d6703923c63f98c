//! The text of a prompt, checked and trimmed.

use std::fmt;
use std::str::Utf8Error;

/// The greatest length of a prompt, in bytes of UTF-8.
///
/// A text encoder reads 77 tokens; what is longer than this is a damaged file rather than a prompt.
pub const MAX_PROMPT_BYTES: usize = 64 * 1024;

/// Why a prompt cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidPrompt {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The bytes are not UTF-8 and hold control characters: a file of some program.
    NotTextBytes,
    /// Half of a character of UTF-16 stands alone.
    HalfCharacter,
    /// The text holds a NUL character, which text files do not have.
    Nul,
    /// The text is longer than [`MAX_PROMPT_BYTES`].
    TooLong,
    /// Something else than a text stands in its place, such as a number.
    NotText(&'static str),
    /// The line is no JSON object.
    NotJson,
    /// The category or split of the prompt is not UTF-8.
    Label,
}

/// What a row has where its prompt should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RawText<'a> {
    /// Bytes that should be a text.
    Bytes(&'a [u8]),
    /// A text too long to be read to its end.
    Cut,
    /// Nothing: null, a number that is none, or no such field.
    Null,
    /// Something that is no text.
    Invalid(InvalidPrompt),
}

/// What a row turns out to have, once it is known not to be invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleaned<'t> {
    /// A prompt, trimmed.
    Prompt(&'t str),
    /// No prompt; the name under which the report counts it.
    Nothing(&'static str),
}

impl<'a> RawText<'a> {
    /// Decides what a row is, for every source alike.
    ///
    /// # Errors
    /// Why the row is invalid.
    pub(crate) fn cleaned(self) -> Result<Cleaned<'a>, InvalidPrompt> {
        match self {
            Self::Bytes(bytes) => Ok(match clean(bytes)? {
                "" => Cleaned::Nothing("empty"),
                text => Cleaned::Prompt(text),
            }),
            Self::Cut => Err(InvalidPrompt::TooLong),
            Self::Null => Ok(Cleaned::Nothing("null")),
            Self::Invalid(problem) => Err(problem),
        }
    }
}

impl InvalidPrompt {
    /// What bytes are that are not UTF-8.
    pub(super) fn not_utf8(bytes: &[u8], error: Utf8Error) -> Self {
        let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
        match bytes.get(error.valid_up_to()..) {
            Some([0xed, 0xa0..=0xbf, ..]) => Self::HalfCharacter,
            _ if bytes.iter().any(is_control) => Self::NotTextBytes,
            _ => Self::NotUtf8,
        }
    }

    /// The name under which the report counts it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotUtf8 | Self::NotTextBytes | Self::HalfCharacter => "not_utf8",
            Self::Nul => "nul_character",
            Self::TooLong => "too_long",
            Self::NotText(_) => "not_text",
            Self::NotJson => "not_json",
            Self::Label => "label_not_utf8",
        }
    }
}

impl fmt::Display for InvalidPrompt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => formatter.write_str("is not UTF-8"),
            Self::NotTextBytes => {
                formatter.write_str("is no text: it is not UTF-8 and holds control characters")
            }
            Self::HalfCharacter => {
                formatter.write_str("holds half of a character, as UTF-16 that was cut apart does")
            }
            Self::Nul => formatter.write_str("holds a NUL character"),
            Self::TooLong => write!(formatter, "is longer than {MAX_PROMPT_BYTES} bytes"),
            Self::NotText(found) => write!(formatter, "is {found}, not a text"),
            Self::NotJson => formatter.write_str("stands in a line that is not a JSON object"),
            Self::Label => formatter.write_str("has a category or split that is not UTF-8"),
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
    let text = str::from_utf8(bytes).map_err(|error| InvalidPrompt::not_utf8(bytes, error))?;
    let text = text.trim();
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
    fn a_row_is_a_prompt_nothing_or_invalid() {
        let cleaned = |raw: RawText<'static>| raw.cleaned();
        assert_eq!(cleaned(RawText::Bytes(b" a car ")), Ok(Cleaned::Prompt("a car")));
        assert_eq!(cleaned(RawText::Bytes(b" ")), Ok(Cleaned::Nothing("empty")));
        assert_eq!(cleaned(RawText::Null), Ok(Cleaned::Nothing("null")));
        assert_eq!(cleaned(RawText::Cut), Err(InvalidPrompt::TooLong));
        let number = InvalidPrompt::NotText("a number");
        assert_eq!(cleaned(RawText::Invalid(number)), Err(number));
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(clean(b"a \xff car"), Err(InvalidPrompt::NotUtf8));
        assert_eq!(clean(b"\x89PNG\x0d\x0a\x1a"), Err(InvalidPrompt::NotTextBytes));
        assert_eq!(clean(b"a \xed\xa0\xbd car"), Err(InvalidPrompt::HalfCharacter));
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
