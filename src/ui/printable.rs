//! Text that a terminal shows rather than obeys.

/// Spells out what a terminal would obey: control characters other than line ends and tabs, and those that turn the
/// direction of text, with which a line can be made to look like another.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => printable.push(character),
            obeyed if is_obeyed(obeyed) => printable.extend(obeyed.escape_default()),
            character => printable.push(character),
        }
    }
    printable
}

/// The same on a single line: cells and bars have no more, and a name must not pass for a line of its own.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

/// Spells out the same characters in JSON text, as JSON does: the value stays what it was.
///
/// JSON itself escapes only the characters below the space; the others can stand nowhere but inside a string.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' => escaped.push(character),
            obeyed if is_obeyed(obeyed) => escaped.push_str(&format!("\\u{:04x}", u32::from(obeyed))),
            character => escaped.push(character),
        }
    }
    escaped
}

/// Whether a terminal obeys the character.
pub(crate) fn is_obeyed(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J b\u{9b}31m c\u{7f} d\u{202e}cod e\r f\u{7}";

    #[test]
    fn what_a_terminal_obeys_is_spelled_out() {
        let shown = printable(HOSTILE);
        assert_eq!(
            shown,
            "a\\u{1b}[2J b\\u{9b}31m c\\u{7f} d\\u{202e}cod e\\r f\\u{7}"
        );
        assert_eq!(one_line("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(printable("caf\u{e9}\tab\n"), "caf\u{e9}\tab\n");
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, "caf\u{e9}"] });
        let text = escaped_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            !text
                .chars()
                .any(|character| character != '\n' && is_obeyed(character)),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
