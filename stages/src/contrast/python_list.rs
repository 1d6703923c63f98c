//! Lists of texts as Python prints them.

use std::str::Chars;

/// Reads `['a red cat', "a dog's bed"]`: texts in single or double quotes, between brackets, divided by commas.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn python_list(text: &str) -> Result<Vec<String>, &'static str> {
    let inside = text
        .trim()
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .ok_or("no list in brackets")?;
    let mut rest = inside.trim_start().chars();
    let mut texts = Vec::new();
    while let Some(quote) = rest.next() {
        if !matches!(quote, '\'' | '"') {
            return Err("an entry that is no text in quotes");
        }
        texts.push(quoted(quote, &mut rest)?);
        rest = rest.as_str().trim_start().chars();
        match rest.next() {
            None => {}
            Some(',') => rest = rest.as_str().trim_start().chars(),
            Some(_) => return Err("entries that no comma divides"),
        }
    }
    Ok(texts)
}

/// Reads a text up to its closing quote.
fn quoted(quote: char, rest: &mut Chars<'_>) -> Result<String, &'static str> {
    let mut text = String::new();
    while let Some(character) = rest.next() {
        match character {
            _ if character == quote => return Ok(text),
            '\\' => text.push(escaped(rest)?),
            _ => text.push(character),
        }
    }
    Err("a quote that is never closed")
}

/// Reads what stands behind a backslash.
fn escaped(rest: &mut Chars<'_>) -> Result<char, &'static str> {
    match rest.next() {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some('r') => Ok('\r'),
        Some('x') => by_number(2, rest),
        Some('u') => by_number(4, rest),
        Some('U') => by_number(8, rest),
        Some(character @ ('\\' | '\'' | '"')) => Ok(character),
        _ => Err("a backslash with something unknown behind it"),
    }
}

fn by_number(digits: usize, rest: &mut Chars<'_>) -> Result<char, &'static str> {
    let written: String = rest.by_ref().take(digits).collect();
    // A sign is none of the digits, though numbers may have one.
    let complete = written.len() == digits && written.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = complete.then(|| u32::from_str_radix(&written, 16).ok()).flatten();
    number
        .and_then(char::from_u32)
        .ok_or("a backslash with something unknown behind it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_python_prints_them() {
        for (text, expected) in [
            ("[]", vec![]),
            ("['a cat']", vec!["a cat"]),
            (
                r#" ["a dog's bed", 'a "red" car' ] "#,
                vec!["a dog's bed", "a \"red\" car"],
            ),
            (
                r"['a\'b\\c\n\x41\u00e9\U0001f697',]",
                vec!["a'b\\c\nA\u{e9}\u{1f697}"],
            ),
        ] {
            assert_eq!(python_list(text).unwrap(), expected, "{text}");
        }
        for (text, words) in [
            ("a cat", "brackets"),
            ("['a'", "brackets"),
            ("['a' 'b']", "no comma"),
            ("['a]", "never closed"),
            ("[3]", "no text in quotes"),
            ("['\\q']", "unknown behind"),
            ("['\\x+1']", "unknown behind"),
        ] {
            let problem = python_list(text).unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}
