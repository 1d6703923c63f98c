//! What the YAML parser complains of, in words about the file rather than about the parser.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

/// Says what is wrong with the text, without the position that the parser appends.
pub(super) fn message(error: &Error) -> String {
    let text = match error {
        Error::DuplicateMappingKey { key, .. } => {
            return format!(
                "Key `{}` stands here a second time",
                key.as_deref().unwrap_or("null")
            );
        }
        Error::NonFiniteFloat { value, .. } => return format!("`{value}` is not a finite number"),
        Error::MultipleDocuments { .. } => {
            "A second document begins here, and a file holds one; remove the `---` \
                                            or what follows it"
        }
        Error::Eof { .. } => "The text ends before its value does",
        Error::Budget { breach, .. } => over_budget(breach),
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => TOO_MANY_ALIASES,
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "A value stands inside itself through its own alias"
        }
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            "`<<` merges a map or a list of maps, found another value"
        }
        Error::UnknownAnchor { .. } => "There is no anchor of this name above; `&name` makes one",
        Error::NullIntoString { .. } | Error::InvalidCharNull { .. } => {
            "A key is missing: `null` and nothing are no keys"
        }
        Error::TaggedScalarCannotDeserializeIntoString { .. }
        | Error::BytesNotSupportedMissingBinaryTag { .. }
        | Error::InvalidBinaryBase64 { .. }
        | Error::BinaryNotUtf8 { .. } => "Binary values have no place here; write text or a number",
        Error::InvalidBooleanStrict { .. } => "Expected `true` or `false`",
        // A mistake behind an alias comes with both places; the mistake is the same.
        Error::AliasError { error, .. } => return message(error),
        Error::Unexpected { expected, .. } => return format!("Expected {}", plain_words(expected)),
        Error::InvalidUtf8Input => "The text is not UTF-8",
        Error::InvalidScalar { ty, .. } => return format!("This cannot be read as {}", plain_type(ty)),
        other => return words(&other.to_string(), error),
    };
    text.to_owned()
}

const TOO_MANY_ALIASES: &str = "Aliases repeat so many values that the file would fill the memory";

/// What there is too much of.
fn over_budget(breach: &BudgetBreach) -> &'static str {
    match breach {
        BudgetBreach::Depth { .. } => "Values stand too deep inside each other",
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::Nodes { .. }
        | BudgetBreach::Events { .. }
        | BudgetBreach::MergeKeys { .. } => TOO_MANY_ALIASES,
        BudgetBreach::Documents { .. } => "There are more documents than one",
        _ => "The file is larger than a pipeline may be",
    }
}

/// The parser's words for what should stand somewhere.
fn plain_words(expected: &str) -> String {
    expected
        .replace("string scalar", "a text")
        .replace("scalar", "a single value")
}

/// The names of types are the parser's own.
fn plain_type(name: &str) -> &'static str {
    match name {
        name if name.contains("float") || name.starts_with('f') => "a number",
        name if name.starts_with(['i', 'u']) => "a whole number",
        _ => "a value of its tag",
    }
}

/// The parser's first line, without the position, beginning with a capital.
fn words(text: &str, error: &Error) -> String {
    let mut message = text.lines().next().unwrap_or_default().to_owned();
    if let Some(at) = error.location() {
        for comma in [", ", " "] {
            let position = format!(" at line {}{comma}column {}", at.line(), at.column());
            message = message.replace(&position, "");
        }
    }
    let message = message
        .trim_start_matches("error:")
        .trim()
        .replace("scalar", "text");
    let message = even_quotes(&message);
    let mut letters = message.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The parser quotes characters `x'.
fn even_quotes(message: &str) -> String {
    let odd = message.matches('`').count() % 2 == 1;
    match message.rfind('\'') {
        Some(end) if odd => format!("{}`{}", &message[..end], &message[end + 1..]),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;

    #[test]
    fn characters_are_quoted_evenly() {
        assert_eq!(
            super::even_quotes("Unexpected character: `%'"),
            "Unexpected character: `%`"
        );
        assert_eq!(super::even_quotes("`a` isn't b"), "`a` isn't b");
    }

    /// Texts of every kind of mistake that the parser tells apart.
    fn mistakes() -> Vec<String> {
        let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (name, before) in ["b", "c", "d", "e", "f", "g", "h"]
            .iter()
            .zip(["a", "b", "c", "d", "e", "f", "g"])
        {
            let items = vec![format!("*{before}"); 9].join(",");
            bomb += &format!("{name}: &{name} [{items}]\n");
        }
        let deep = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
        let many = format!("a: &a x\nb: [{}]", vec!["*a"; 200_000].join(","));
        let texts = [
            "---\na: 1\n---\nb: 2\n",
            "a: *x\n",
            "a: &a [*a]\n",
            "a: {<<: 5}\n",
            "a: {<<: [5]}\n",
            "~: 1\n",
            "[a]: 1\n",
            "{a: 1}: 1\n",
            "a: !!binary ===\n",
            "a: !!int x\n",
            "a: !!float x\n",
            "a: !!bool x\n",
            "a: !!str x\n",
            "a: !!null x\n",
            "a: [1\n",
            "a: {b\n",
            "a: 'x\n",
            "a: \"x\n",
            "a: \"\\q\"\n",
            "a: b: c\n",
            "a:\n\tb: 1\n",
            "a\nb: 1\n",
            "- a\nb: 1\n",
            "a: |x\n  y\n",
            "a: @x\n",
            "a: `x`\n",
            "a: %x\n",
            "? \n",
            ": 1\n",
            "a: ]\n",
            "%YAML 9.9\n---\na: 1\n",
            "a: !include x\n",
            "a: !!set {x}\n",
            "a: &\n",
            "a: *\n",
            "a: .inf\n",
            "a: -.Inf\n",
            "a: 1e999\n",
            "a: !!float 1e999\n",
            "a: 1\na: 2\n",
            "a: {b: 1, b: 2}\n",
            "\0",
            "a: \u{7}\n",
        ];
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .chain([bomb, deep, many])
            .collect()
    }

    #[test]
    fn no_message_shows_the_parser() {
        let mut refused = 0;
        for text in mistakes() {
            let Err(error) = load(&text) else { continue };
            refused += 1;
            let message = error.to_string();
            let start: String = text.chars().take(40).collect();
            for inner in [
                "from_str",
                "from_multiple",
                "Options",
                "Policy",
                "Option<",
                "::",
                "serde",
                "visit",
                "deserial",
                "i64",
                "u64",
                "f64",
                "Nodes {",
                "Depth {",
                "{ ",
                "unit ",
                "enum",
                "scalar",
                "internal",
            ] {
                assert!(!message.contains(inner), "{start:?}: {message}");
            }
            assert!(
                message.starts_with(|first: char| first.is_uppercase() || first == '`'),
                "{start:?}: {message}"
            );
        }
        assert!(refused > 30, "{refused}");
    }
}
