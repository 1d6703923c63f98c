//! Prompts as openai/CLIP and open_clip clean them before they are split into tokens.

mod html;
mod text_repair;

use html::unescape;
use text_repair::repair;

/// Repairs a prompt as ftfy does, resolves what is escaped for HTML twice, makes one space of all white space, and
/// lower case of all letters.
///
/// One repair of ftfy is not made: text that was decoded by a wrong encoding stays as it is, because ftfy
/// recognises it by statistics.
pub fn cleaned(prompt: &str) -> String {
    let text = unescape(&unescape(&repair(prompt)));
    let words: Vec<&str> = text
        .split(is_white_space)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").to_lowercase()
}

/// White space of Python's texts: Unicode's, and the separators of files, groups, records and units.
fn is_white_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_prompts_only_lose_case_and_spaces() {
        assert_eq!(
            cleaned("  A red\n\tCircle,  50% OFF!  "),
            "a red circle, 50% off!"
        );
        assert_eq!(cleaned(""), "");
        assert_eq!(
            cleaned("\u{3a3}\u{391}\u{3a3} \u{130}"),
            "\u{3c3}\u{3b1}\u{3c2} i\u{307}"
        );
    }

    #[test]
    fn entities_quotes_and_widths_are_resolved() {
        for (prompt, expected) in [
            ("salt &amp;amp;amp; pepper", "salt & pepper"),
            ("1 < 2 &amp;amp; &amp;lt;", "1 < 2 & <"),
            ("P&EACUTE;REZ", "p\u{e9}rez"),
            (
                "this&notit; &notanentity &#x41;&#65",
                "this\u{ac}it; \u{ac}anentity aa",
            ),
            ("\u{201c}it\u{2019}s\u{201d}", "\"it's\""),
            (
                "\u{ff2c}\u{ff2f}\u{ff35}\u{ff24}\u{3000}\u{fb02}u\u{fb03}e",
                "loud fluffie",
            ),
            (
                "cafe\u{301} \u{1b}[36;44mblue\u{1b}[0m \u{93}x\u{94}",
                "caf\u{e9} blue \"x\"",
            ),
            ("a\u{0}b\u{feff}c", "abc"),
        ] {
            assert_eq!(cleaned(prompt), expected, "{prompt}");
        }
    }
}
