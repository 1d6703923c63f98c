//! The tree itself.

use std::fmt;

use serde_saphyr::Location;

use super::written::Written;

/// A position in the file, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl Mark {
    pub(super) fn at(location: Location) -> Option<Self> {
        (location.line() > 0).then(|| Self {
            line: location.line(),
            column: location.column(),
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Position of the value; `None` for values that came from `--set`.
    pub mark: Option<Mark>,
    /// The value.
    pub tree: Tree,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(Written<i128>),
    /// A finite number with a fraction or exponent, or a whole one too large for an integer.
    Float(Written<f64>),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Settings in the order of the file; keys differ from each other.
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Position of the key.
    pub mark: Option<Mark>,
    /// The key.
    pub key: String,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Returns the value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// Returns the entries of a map, nothing for other values.
    pub fn entries(&self) -> &[Entry] {
        match &self.tree {
            Tree::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the same map without a key; other values stay as they are.
    #[must_use]
    pub fn without(&self, key: &str) -> Self {
        let tree = match &self.tree {
            Tree::Map(entries) => {
                let others = entries.iter().filter(|entry| entry.key != key);
                Tree::Map(others.cloned().collect())
            }
            other => other.clone(),
        };
        Self {
            mark: self.mark,
            tree,
        }
    }

    /// Follows a path of map keys and list positions as far as it goes, returning the last position known on it.
    pub fn mark_of<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<Mark> {
        let mut node = self;
        let mut mark = self.mark;
        for step in path {
            let next = match &node.tree {
                Tree::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => node.get(step),
            };
            let Some(next) = next else { break };
            node = next;
            mark = node.mark.or(mark);
        }
        mark
    }
}

impl Tree {
    /// Describes the value for a message, as in "found text `abc`".
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Integer(value) => format!("number `{value}`"),
            Self::Float(value) => format!("number `{value}`"),
            Self::Text(value) => format!("text `{value}`"),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Map(entries) => format!("a map of {}", entries.len()),
        }
    }
}
