//! References from one stage to the output of another, as written in a pipeline.
//!
//! ```text
//! reference = [ "previous." ] stage [ "@" round ] { "/" arm } [ ":" output ]
//! round     = number from 1 | "first" | "last" | "*"
//! arm       = value of a `for_each` variable, in their order | "*"
//! ```
//!
//! Every character may stand in a plain YAML scalar, so references need no quotes.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A reference to an output of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// True for `previous.stage`: the same stage one round earlier.
    pub previous: bool,
    /// Name of the stage.
    pub stage: String,
    /// Which round, for stages of the `rounds` block.
    pub round: Option<RoundSelector>,
    /// Which arm: one value per `for_each` variable, `*` for all. Empty means unspecified.
    pub arms: Vec<String>,
    /// Name of the output; `None` is the first.
    pub output: Option<String>,
}

/// Chooses rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoundSelector {
    /// One round, counted from 1.
    Number(u32),
    /// The first round.
    First,
    /// The last round.
    Last,
    /// Every round.
    All,
}

impl Reference {
    /// Returns true if the reference may stand for several artifacts.
    pub fn has_wildcard(&self) -> bool {
        self.round == Some(RoundSelector::All) || self.arms.iter().any(|arm| arm == "*")
    }
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a reference: {reason}")]
pub struct ReferenceError {
    /// The text.
    pub text: String,
    /// What is wrong.
    pub reason: &'static str,
}

/// Returns true for names of stages and outputs: a letter, then letters, digits, `_` and `-`.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let error = |reason| ReferenceError {
            text: text.to_owned(),
            reason,
        };
        let (previous, rest) = match text.strip_prefix("previous.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (rest, output) = match rest.split_once(':') {
            Some((rest, output)) => (rest, Some(output)),
            None => (rest, None),
        };
        let mut parts = rest.split('/');
        let head = parts.next().unwrap_or_default();
        let arms: Vec<String> = parts.map(str::to_owned).collect();
        let (stage, round) = match head.split_once('@') {
            Some((stage, round)) => (stage, Some(round)),
            None => (head, None),
        };
        if !is_name(stage) {
            return Err(error(
                "a stage name is a letter followed by letters, digits, `_` and `-`",
            ));
        }
        if output.is_some_and(|output| !is_name(output)) {
            return Err(error(
                "an output name is a letter followed by letters, digits, `_` and `-`",
            ));
        }
        if arms.iter().any(String::is_empty) {
            return Err(error("an arm between `/` must not be empty"));
        }
        if previous && (round.is_some() || !arms.is_empty()) {
            return Err(error("`previous.` already says which round and arm"));
        }
        let round = match round {
            None => None,
            Some("first") => Some(RoundSelector::First),
            Some("last") => Some(RoundSelector::Last),
            Some("*") => Some(RoundSelector::All),
            Some(number) => match number.parse() {
                Ok(number) if number > 0 => Some(RoundSelector::Number(number)),
                _ => return Err(error("a round is a number from 1, `first`, `last` or `*`")),
            },
        };
        Ok(Self {
            previous,
            stage: stage.to_owned(),
            round,
            arms,
            output: output.map(str::to_owned),
        })
    }
}

impl fmt::Display for RoundSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "{number}"),
            Self::First => formatter.write_str("first"),
            Self::Last => formatter.write_str("last"),
            Self::All => formatter.write_str("*"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.previous {
            formatter.write_str("previous.")?;
        }
        formatter.write_str(&self.stage)?;
        if let Some(round) = self.round {
            write!(formatter, "@{round}")?;
        }
        for arm in &self.arms {
            write!(formatter, "/{arm}")?;
        }
        if let Some(output) = &self.output {
            write!(formatter, ":{output}")?;
        }
        Ok(())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Reference {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Reference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Output of another stage: `stage`, `stage:output`, `previous.stage`, `stage@2`, \
                            `stage@last/arm`.",
            "pattern": "^(previous\\.)?[A-Za-z][A-Za-z0-9_-]*(@([1-9][0-9]*|first|last|\\*))?(/[^/:]+)*\
                        (:[A-Za-z][A-Za-z0-9_-]*)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_survive_parsing_and_printing() {
        for text in [
            "prompts",
            "previous.adapter",
            "previous.adapter:weights",
            "evaluation@2/mi_signed:rows",
            "evaluation@last/*",
            "evaluation@*/0.5/random",
            "a-b_c@first",
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
        let reference: Reference = "evaluation@2/0.5/mi:rows".parse().unwrap();
        assert_eq!(reference.stage, "evaluation");
        assert_eq!(reference.round, Some(RoundSelector::Number(2)));
        assert_eq!(reference.arms, ["0.5", "mi"]);
        assert_eq!(reference.output.as_deref(), Some("rows"));
        assert!(!reference.has_wildcard());
        assert!("evaluation@*".parse::<Reference>().unwrap().has_wildcard());
    }

    #[test]
    fn texts_that_are_no_references_are_refused_with_a_reason() {
        for (text, reason) in [
            ("", "stage name"),
            ("2nd", "stage name"),
            ("a.b", "stage name"),
            ("a:", "output name"),
            ("a@0", "round is a number"),
            ("a@next", "round is a number"),
            ("a//b", "must not be empty"),
            ("previous.a@1", "already says"),
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }
}
