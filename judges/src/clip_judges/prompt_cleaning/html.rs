//! Characters that are escaped for HTML, resolved as Python's `html.unescape` does.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Names of characters with the characters, those that end with a semicolon and those that need none: the standard's
/// list (HTML, section 13.5), a name and its code points in hexadecimal a line.
static ENTITIES: LazyLock<BTreeMap<&'static str, String>> = LazyLock::new(|| {
    let line = |line: &'static str| {
        let (name, codes) = line.split_once(' ')?;
        let code = |code: &str| char::from_u32(u32::from_str_radix(code, 16).ok()?);
        Some((name, codes.split(' ').map(code).collect::<Option<String>>()?))
    };
    include_str!("html_entities.txt")
        .lines()
        .filter_map(line)
        .collect()
});

/// Names in capitals that ftfy understands besides: those of lower-case names that mean nothing else.
static CAPITALS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let plain = ENTITIES
        .iter()
        .filter(|(name, _)| name.ends_with(';') && **name == name.to_lowercase());
    plain
        .map(|(name, characters)| (name.to_uppercase(), characters.to_uppercase()))
        .filter(|(name, _)| {
            let escaped = format!("&{name}");
            unescape(&escaped) == escaped
        })
        .collect()
});

/// The longest name that is looked for.
const LONGEST_NAME: usize = 32;

/// Resolves names and numbers of characters, also those that lack their semicolon.
pub(super) fn unescape(text: &str) -> String {
    replace_references(text, |rest| {
        let numeric = number(rest);
        numeric.or_else(|| named(rest))
    })
}

/// Resolves what surely is meant, with its semicolon, as ftfy does.
pub(super) fn unescape_certain(text: &str) -> String {
    const LONGEST: usize = 24;
    replace_references(text, |rest| {
        let digits = rest.strip_prefix('#').unwrap_or(rest);
        let length = digits
            .find(|character: char| !character.is_ascii_alphanumeric())
            .filter(|length| (1..=LONGEST).contains(length) && digits[*length..].starts_with(';'))?;
        let whole = &rest[..rest.len() - digits.len() + length + 1];
        let resolved = match whole.starts_with('#') {
            true => Some(unescape(&format!("&{whole}"))).filter(|resolved| !resolved.contains(';')),
            false => ENTITIES.get(whole).or_else(|| CAPITALS.get(whole)).cloned(),
        };
        Some((resolved.unwrap_or_else(|| format!("&{whole}")), whole.len()))
    })
}

/// Replaces what `resolve` finds behind each ampersand; it returns the replacement, and how many bytes it stands for.
fn replace_references(text: &str, resolve: impl Fn(&str) -> Option<(String, usize)>) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        resolved.push_str(before);
        rest = match resolve(after) {
            Some((replacement, length)) => {
                resolved.push_str(&replacement);
                &after[length..]
            }
            None => {
                resolved.push('&');
                after
            }
        };
    }
    resolved.push_str(rest);
    resolved
}

/// A character by its number, such as `#65;` or `#x41`.
fn number(rest: &str) -> Option<(String, usize)> {
    let digits = rest.strip_prefix('#')?;
    let (digits, radix) = match digits.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    let length = digits
        .find(|character: char| !character.is_digit(radix))
        .unwrap_or(digits.len());
    if length == 0 {
        return None;
    }
    let value = digits[..length]
        .chars()
        .filter_map(|digit| digit.to_digit(radix))
        .fold(0_u32, |value, digit| {
            value.saturating_mul(radix).saturating_add(digit)
        });
    let semicolon = usize::from(digits[length..].starts_with(';'));
    Some((character(value), rest.len() - digits.len() + length + semicolon))
}

/// The character of a number, none for those that no text may have.
fn character(value: u32) -> String {
    const REPLACEMENT: char = '\u{fffd}';
    match value {
        0 => REPLACEMENT.into(),
        0x80..=0x9f => windows_1252(value as u8).into(),
        0x1..=0x8 | 0xb | 0xe..=0x1f | 0x7f | 0xfdd0..=0xfdef => String::new(),
        value if value & 0xfffe == 0xfffe && value <= 0x10_ffff => String::new(),
        value => char::from_u32(value).unwrap_or(REPLACEMENT).into(),
    }
}

/// A character by its name, or by the longest part of it that is one.
fn named(rest: &str) -> Option<(String, usize)> {
    let is_end = |character: char| matches!(character, '\t' | '\n' | '\u{c}' | ' ' | '<' | '&' | '#' | ';');
    let ends = rest.char_indices().take(LONGEST_NAME);
    let ends = ends.take_while(|(_, character)| !is_end(*character));
    let ends: Vec<usize> = ends
        .map(|(begin, character)| begin + character.len_utf8())
        .collect();
    let last = *ends.last()?;
    let length = last + usize::from(rest[last..].starts_with(';'));
    if let Some(characters) = ENTITIES.get(&rest[..length]) {
        return Some((characters.clone(), length));
    }
    // A name of one letter alone is none.
    let shorter = ends.iter().rev().filter(|end| **end < length && **end > 1);
    let found = shorter
        .copied()
        .find_map(|end| Some((ENTITIES.get(&rest[..end])?, end)));
    found.map(|(characters, end)| (characters.clone(), end))
}

/// What a byte from 0x80 to 0x9f stands for in Windows-1252; those that stand for nothing stay.
pub(super) fn windows_1252(byte: u8) -> char {
    const FIRST: u8 = 0x80;
    const CHARACTERS: [char; 32] = [
        '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}',
        '\u{2c6}', '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}',
        '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}',
        '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
    ];
    let place = byte.checked_sub(FIRST).map(usize::from);
    place
        .and_then(|place| CHARACTERS.get(place).copied())
        .unwrap_or(char::from(byte))
}
