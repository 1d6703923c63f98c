//! Why a text is not the JSON it should be, in words of no parser.

use serde_json::Value;

/// What is wrong with a text that should be JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// It ends too early.
    #[error("It ends in the middle, as if cut off")]
    Cut,
    /// Bytes that no character begins with.
    #[error("It holds bytes that are no text")]
    NotText,
    /// It goes on with zeros.
    #[error("It holds zeros from line {line}, column {column} on, as a download that broke off leaves")]
    Zeros {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A word that Python writes in place of a number.
    #[error(
        "{}`{word}`, which is no number in JSON (line {line}, column {column})",
        subject(key)
    )]
    NotANumber {
        /// The name before it, where there is one.
        key: Option<String>,
        /// The word.
        word: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Braces and brackets in each other without end.
    #[error("Its braces and brackets are nested deeper than 127 levels (line {line}, column {column})")]
    Deep {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A list or a single value.
    #[error("It holds {found}, expected names with their values in braces")]
    NotAnObject {
        /// What it holds.
        found: &'static str,
    },
    /// It is written in some other way than JSON is.
    #[error("{reason} (line {line}, column {column})")]
    Syntax {
        /// What is wrong.
        reason: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 for the end of the line before.
        column: usize,
    },
}

/// How the parser's reasons begin, and what they mean.
const REASONS: [(&str, &str); 12] = [
    ("expected value", "A value is missing or is none of JSON"),
    ("expected ident", "A word is none of `true`, `false` and `null`"),
    ("expected `:`", "A colon is missing"),
    ("expected `,` or `]`", "A comma or the end of a list is missing"),
    ("expected `,` or `}`", "A comma or a closing brace is missing"),
    ("trailing comma", "A comma stands before a closing bracket"),
    ("trailing characters", "Something follows after the end"),
    ("key must be a string", "A name is not in double quotes"),
    (
        "control character",
        "A text holds a line break or another control character",
    ),
    (
        "invalid escape",
        "A text holds a backslash with something unknown after it",
    ),
    ("invalid number", "A number is not written as JSON has it"),
    ("number out of range", "A number is too large"),
];

impl JsonProblem {
    /// What the failure to parse a text means.
    pub(crate) fn of(text: &str, error: &serde_json::Error) -> Self {
        if error.is_eof() {
            return Self::Cut;
        }
        let (line, column) = (error.line(), error.column());
        let place = offset(text, line, column).and_then(|offset| text.split_at_checked(offset));
        let (before, rest) = place.unwrap_or((text, ""));
        if rest.starts_with('\0') {
            return Self::Zeros { line, column };
        }
        if let Some((word, before)) = number_word(before, rest) {
            return Self::NotANumber {
                key: key_before(before).map(str::to_owned),
                word,
                line,
                column,
            };
        }
        let told = error.to_string();
        if told.starts_with("recursion limit") {
            return Self::Deep { line, column };
        }
        let known = REASONS.iter().find(|(start, _)| told.starts_with(start));
        Self::Syntax {
            reason: known.map_or("It is not written as JSON is", |(_, reason)| *reason),
            line,
            column,
        }
    }

    /// What is wrong with JSON that is no object.
    pub(crate) fn not_an_object(value: &Value) -> Self {
        Self::NotAnObject {
            found: kind_of(value),
        }
    }
}

/// What a value is, with its article.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Where a line and a column are, in bytes, which the parser counts too.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let above = text.split_inclusive('\n').take(line.checked_sub(1)?);
    let start: usize = above.map(str::len).sum();
    start.checked_add(column.checked_sub(1)?)
}

/// The word of Python that the parser stumbled over, and what stands before it.
fn number_word<'a>(before: &'a str, rest: &str) -> Option<(&'static str, &'a str)> {
    if rest.starts_with("NaN") {
        return Some(("NaN", before));
    }
    if !rest.starts_with("Infinity") {
        return None;
    }
    Some(match before.strip_suffix('-') {
        Some(before) => ("-Infinity", before),
        None => ("Infinity", before),
    })
}

/// The name whose value would follow; none in a list, and none with quotes in it.
fn key_before(text: &str) -> Option<&str> {
    let quoted = text.trim_end().strip_suffix(':')?.trim_end().strip_suffix('"')?;
    let (before, key) = quoted.rsplit_once('"')?;
    (!before.ends_with('\\')).then_some(key)
}

fn subject(key: &Option<String>) -> String {
    match key {
        Some(key) => format!("`{key}` is "),
        None => "There is ".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let error = serde_json::from_str::<Value>(text).unwrap_err();
        JsonProblem::of(text, &error).to_string()
    }

    #[test]
    fn what_python_and_downloads_leave_is_named_with_its_place() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for (text, expected) in [
            (
                "{\"a\": 1,\n \"b\" : NaN}",
                "`b` is `NaN`, which is no number in JSON (line 2, column 8)",
            ),
            (
                "{\"a\": -Infinity}",
                "`a` is `-Infinity`, which is no number in JSON (line 1, column 8)",
            ),
            (
                "{\"\u{e9}\": Infinity}",
                "`\u{e9}` is `Infinity`, which is no number in JSON (line 1, column 8)",
            ),
            (
                "{\"a\": [1, NaN]}",
                "There is `NaN`, which is no number in JSON (line 1, column 11)",
            ),
            (
                "{\"a\\\"b\": NaN}",
                "There is `NaN`, which is no number in JSON (line 1, column 10)",
            ),
            (
                "{\"a\0\0",
                "It holds zeros from line 1, column 4 on, as a download that broke off leaves",
            ),
            (
                "{\"a\": \0\0",
                "It holds zeros from line 1, column 7 on, as a download that broke off leaves",
            ),
            (
                "{}\0\0",
                "It holds zeros from line 1, column 3 on, as a download that broke off leaves",
            ),
            (
                deep.as_str(),
                "Its braces and brackets are nested deeper than 127 levels (line 1, column 128)",
            ),
            ("{\"a\": ", "It ends in the middle, as if cut off"),
            (
                "{\"a\": 1,}",
                "A comma stands before a closing bracket (line 1, column 9)",
            ),
            ("{'a': 1}", "A name is not in double quotes (line 1, column 2)"),
            (
                "{\"a\": True}",
                "A value is missing or is none of JSON (line 1, column 7)",
            ),
            ("{} {}", "Something follows after the end (line 1, column 4)"),
            (
                "{\"a\": \"b\n\"}",
                "A text holds a line break or another control character (line 2, column 0)",
            ),
        ] {
            assert_eq!(problem(text), expected);
        }
    }

    /// A parser of another version may find other words.
    #[test]
    fn no_reason_of_the_parser_is_passed_on() {
        let texts = [
            "[tru]",
            "[1 2]",
            "{\"a\" 1}",
            "{\"a\": 1 \"b\"}",
            "[1,]",
            "[\"\\x\"]",
            "[01]",
            "[1e999]",
            "{1: 2}",
            "[\"\\ud800\"]",
            "x",
        ];
        for text in texts {
            let told = problem(text);
            assert!(told.contains("(line 1, column "), "{told}");
            assert_eq!(
                told.contains("It is not written"),
                text.contains("ud800"),
                "{text}: {told}"
            );
        }
    }
}
