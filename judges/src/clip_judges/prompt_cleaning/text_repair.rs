//! Texts repaired as ftfy 6 does it with its default settings, without its guesses about encodings.

use std::borrow::Cow;

use tokenizers::NormalizedString;

use super::html::{unescape_certain, windows_1252};

/// Letters that are two or three, and what they are taken apart into.
const LIGATURES: [(char, &str); 21] = [
    ('\u{132}', "IJ"),
    ('\u{133}', "ij"),
    ('\u{1f1}', "DZ"),
    ('\u{1f2}', "Dz"),
    ('\u{1f3}', "dz"),
    ('\u{1c4}', "D\u{17d}"),
    ('\u{1c5}', "D\u{17e}"),
    ('\u{1c6}', "d\u{17e}"),
    ('\u{1c7}', "LJ"),
    ('\u{1c8}', "Lj"),
    ('\u{1c9}', "lj"),
    ('\u{1ca}', "NJ"),
    ('\u{1cb}', "Nj"),
    ('\u{1cc}', "nj"),
    ('\u{fb00}', "ff"),
    ('\u{fb01}', "fi"),
    ('\u{fb02}', "fl"),
    ('\u{fb03}', "ffi"),
    ('\u{fb04}', "ffl"),
    ('\u{fb05}', "\u{17f}t"),
    ('\u{fb06}', "st"),
];

/// Repairs each line until nothing changes. From the first line with a `<` on, which may be HTML itself, nothing that
/// is escaped for HTML is resolved.
pub(super) fn repair(text: &str) -> String {
    let mut is_plain = true;
    text.split_inclusive('\n')
        .map(|line| {
            is_plain &= !line.contains('<');
            repair_line(line, is_plain)
        })
        .collect()
}

fn repair_line(line: &str, is_plain: bool) -> String {
    let mut text = line.to_owned();
    loop {
        let escaped = match is_plain {
            true => unescape_certain(&text),
            false => text.clone(),
        };
        let characters: String = escaped.chars().map(repair_character).collect();
        let lines = characters.replace("\r\n", "\n");
        let lines = lines.replace(['\r', '\u{2028}', '\u{2029}', '\u{85}'], "\n");
        let repaired = without_terminal_escapes(&lines).replace(is_control, "");
        let repaired = composed(&repaired);
        if repaired == text {
            return repaired;
        }
        text = repaired;
    }
}

/// Characters of other widths, quotation marks that are curled and the like. What one becomes is repaired in turn
/// where ftfy does so in one pass.
fn repair_character(character: char) -> Cow<'static, str> {
    let character = match character {
        '\u{80}'..='\u{9f}' => windows_1252(character as u8),
        other => other,
    };
    match character {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => "'".into(),
        '\u{201c}'..='\u{201f}' => "\"".into(),
        '\u{3000}' => " ".into(),
        '\u{149}' => "'n".into(),
        '\u{ff01}'..='\u{ffef}' => {
            let mut wide = NormalizedString::from(String::from(character));
            wide.nfkc();
            wide.get().to_owned().into()
        }
        other => match LIGATURES.iter().find(|(ligature, _)| *ligature == other) {
            Some((_, letters)) => (*letters).into(),
            None => String::from(other).into(),
        },
    }
}

/// Removes what colours the text in a terminal: escape, `[`, numbers and a letter.
fn without_terminal_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        kept.push_str(before);
        let end = after.find(|character: char| !(character.is_ascii_digit() || character == ';'));
        rest = match end.filter(|end| after[*end..].starts_with(|c: char| c.is_ascii_alphabetic())) {
            Some(end) => &after[end + 1..],
            None => {
                kept.push_str("\u{1b}[");
                after
            }
        };
    }
    kept.push_str(rest);
    kept
}

/// Characters that control something and are no white space.
fn is_control(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{8}'
            | '\u{b}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffc}'
    )
}

/// Letters and their accents as one character each, where there is one (NFC).
fn composed(text: &str) -> String {
    let mut normalised = NormalizedString::from(text);
    normalised.nfc();
    normalised.get().to_owned()
}
