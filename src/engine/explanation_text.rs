//! Explanations in words.

use mitune_store::{Difference, Value};

use super::explanation::{Cause, Explanation};

/// Names that a line lists before it only counts.
const LISTED: usize = 3;

/// Characters of a value before it is cut.
const VALUE_WIDTH: usize = 60;

impl Explanation {
    /// Says in one line why a stage computes.
    pub fn summary(&self) -> String {
        match &self.cause {
            Cause::New => "never computed".to_owned(),
            Cause::Lost(reason) => reason.to_string(),
            Cause::Changed(differences) => match differences.as_slice() {
                [difference] => change(difference),
                many => {
                    let paths: Vec<String> = many.iter().map(|difference| difference.path.clone()).collect();
                    format!("changed: {}", shortened(&paths))
                }
            },
        }
    }

    /// Says why a stage computes, one line for each part of the key that changed.
    pub fn lines(&self) -> Vec<String> {
        match &self.cause {
            Cause::Changed(differences) => differences.iter().map(change).collect(),
            _ => vec![self.summary()],
        }
    }
}

/// Writes one change as `path: before -> now`.
pub fn change(difference: &Difference) -> String {
    let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "absent".to_owned(), readable);
    let (before, now) = (side(&difference.left), side(&difference.right));
    format!("{}: {before} -> {now}", difference.path)
}

/// Joins names, giving only the number of those after the third.
pub fn shortened(names: &[String]) -> String {
    let shown = names.len().min(LISTED);
    let more = names.len() - shown;
    let list = names[..shown].join(", ");
    if more > 0 {
        format!("{list} and {more} more")
    } else {
        list
    }
}

/// Writes a value in one line; digests are cut to 12 digits and long values to their beginning.
fn readable(value: &Value) -> String {
    if let Value::Text(text) = value
        && text.len() == 64
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return text[..12].to_owned();
    }
    let text = serde_json::to_string(value).unwrap_or_else(|error| error.to_string());
    if text.chars().count() <= VALUE_WIDTH {
        return text;
    }
    let start: String = text.chars().take(VALUE_WIDTH - 3).collect();
    format!("{start}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(path: &str, left: Option<Value>, right: Option<Value>) -> Difference {
        Difference {
            path: path.to_owned(),
            left,
            right,
        }
    }

    #[test]
    fn changes_are_short() {
        let digest = "ab".repeat(32);
        let long = Value::Text("x".repeat(100));
        for (left, right, text) in [
            (
                Some(Value::Int(20)),
                Some(Value::Int(25)),
                "p: 20 -> 25".to_owned(),
            ),
            (None, Some("a".into()), "p: absent -> \"a\"".to_owned()),
            (
                Some(digest.as_str().into()),
                None,
                "p: abababababab -> absent".to_owned(),
            ),
            (Some(long), None, format!("p: \"{}... -> absent", "x".repeat(56))),
        ] {
            assert_eq!(change(&difference("p", left, right)), text);
        }
    }

    #[test]
    fn many_changes_are_counted() {
        let changes = |count: usize| Explanation {
            cause: Cause::Changed(
                (0..count)
                    .map(|n| difference(&format!("p{n}"), None, None))
                    .collect(),
            ),
            cost: None,
        };
        assert_eq!(changes(5).summary(), "changed: p0, p1, p2 and 2 more");
        assert_eq!(changes(2).summary(), "changed: p0, p1");
        assert_eq!(changes(5).lines().len(), 5);
    }
}
