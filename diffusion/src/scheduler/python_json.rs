//! JSON as Python writes it.

/// Replaces the bare words for infinities, which Python writes, by null: where diffusers uses them
/// they are its defaults. `NaN` stays and is an error: no setting means anything with it.
pub(super) fn without_infinities(text: &str) -> String {
    const WORDS: [&str; 2] = ["-Infinity", "Infinity"];
    let mut plain = String::with_capacity(text.len());
    let (mut rest, mut quoted) = (text, false);
    while let Some(character) = rest.chars().next() {
        let word = WORDS.into_iter().find(|word| !quoted && rest.starts_with(word));
        let length = match (word, character) {
            (Some(word), _) => {
                plain.push_str("null");
                rest = &rest[word.len()..];
                continue;
            }
            // An escape covers the character after it.
            (None, '\\') => rest.chars().take(2).map(char::len_utf8).sum(),
            (None, '"') => {
                quoted = !quoted;
                1
            }
            (None, character) => character.len_utf8(),
        };
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    plain
}
