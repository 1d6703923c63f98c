//! What can be wrong with a document, and where.

use std::fmt;

use super::node::Mark;

/// A mistake in a document with its position and path.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentError {
    /// Where it stands; `None` if the value did not come from a file.
    pub mark: Option<Mark>,
    /// Keys and list positions from the root, outermost first.
    pub path: Vec<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// A mistake.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The text is not YAML, or YAML that is refused here.
    Syntax {
        /// The parser's words.
        message: String,
    },
    /// A value has the wrong type or range.
    Type {
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A key that nothing reads.
    UnknownKey {
        /// The key.
        key: String,
        /// The keys that are read here.
        known: Vec<String>,
    },
    /// A key that must be there.
    MissingKey {
        /// The key.
        key: String,
    },
    /// One of a fixed set of names was expected.
    UnknownName {
        /// What it should name, such as `output`.
        what: &'static str,
        /// The name.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A reference to a stage that does not exist.
    UnknownStage {
        /// The name in the reference.
        name: String,
        /// The stages that exist.
        known: Vec<String>,
    },
    /// A kind of stage that does not exist.
    UnknownKind {
        /// The kind.
        name: String,
        /// The kinds that exist.
        known: Vec<String>,
    },
    /// Any other rule.
    Rule {
        /// The rule that is broken.
        message: String,
    },
}

impl DocumentError {
    /// Makes an error without a path.
    pub fn new(mark: Option<Mark>, problem: Problem) -> Self {
        Self {
            mark,
            path: Vec::new(),
            problem,
        }
    }

    /// Makes an error about a broken rule.
    pub fn rule(mark: Option<Mark>, message: impl Into<String>) -> Self {
        Self::new(
            mark,
            Problem::Rule {
                message: message.into(),
            },
        )
    }

    /// Adds an outer key or list position, and the position if none is known yet.
    #[must_use]
    pub fn inside(mut self, step: impl Into<String>, mark: Option<Mark>) -> Self {
        self.path.insert(0, step.into());
        self.mark = self.mark.or(mark);
        self
    }

    /// Adds several outer steps, outermost first.
    #[must_use]
    pub fn within(mut self, path: Vec<String>) -> Self {
        self.path.splice(0..0, path);
        self
    }

    /// Returns what to do about it, if a near miss or the list of choices can tell.
    pub fn hint(&self) -> Option<String> {
        let (name, known, choices) = match &self.problem {
            Problem::UnknownKey { key, known } => (key, known, "Settings here are"),
            Problem::UnknownName { name, known, .. } => (name, known, "Choices are"),
            Problem::UnknownStage { name, known } => (name, known, "Stages are"),
            Problem::UnknownKind { name, known } => (name, known, "Kinds are"),
            _ => return None,
        };
        if let Some(close) = crate::suggestion::closest(name, known.iter().map(String::as_str)) {
            return Some(format!("Did you mean `{close}`?"));
        }
        let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        (!list.is_empty()).then(|| format!("{choices} {}", list.join(", ")))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message } | Self::Rule { message } => formatter.write_str(message),
            Self::Type { expected, found } => write!(formatter, "Expected {expected}, found {found}"),
            Self::UnknownKey { key, .. } => write!(formatter, "Unknown key `{key}`"),
            Self::MissingKey { key } => write!(formatter, "Missing key `{key}`"),
            Self::UnknownName { what, name, .. } => write!(formatter, "Unknown {what} `{name}`"),
            Self::UnknownStage { name, .. } => write!(formatter, "Unknown stage `{name}`"),
            Self::UnknownKind { name, .. } => write!(formatter, "Unknown kind of stage `{name}`"),
        }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(formatter)?;
        if !self.path.is_empty() {
            write!(formatter, " at `{}`", self.path.join("."))?;
        }
        Ok(())
    }
}

impl std::error::Error for DocumentError {}

impl serde::de::Error for DocumentError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::rule(None, message.to_string())
    }

    fn invalid_type(unexpected: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(
            None,
            Problem::Type {
                expected: expected.to_string(),
                found: unexpected.to_string(),
            },
        )
    }

    fn invalid_value(unexpected: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(
            None,
            Problem::UnknownKey {
                key: key.to_owned(),
                known: owned(known),
            },
        )
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(None, Problem::MissingKey { key: key.to_owned() })
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self::new(
            None,
            Problem::UnknownName {
                what: "choice",
                name: name.to_owned(),
                known: owned(known),
            },
        )
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
