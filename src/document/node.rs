//! The tree itself, and reading it from text.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::error::{DocumentError, Problem};

/// A position in the file, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl Mark {
    fn at(location: Location) -> Option<Self> {
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
    Integer(i128),
    /// A finite number with a fraction or exponent.
    Float(f64),
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

/// Reads a YAML document.
///
/// Keys must be unique texts, numbers finite, booleans `true` or `false`, and tags are refused.
///
/// # Errors
/// [`DocumentError`] with the position of the first mistake.
pub fn load(text: &str) -> Result<Node, DocumentError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        reject_unsupported_tags: true,
    };
    let spanned: Spanned<Tree> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let mark = error.location().and_then(Mark::at);
        DocumentError::new(
            mark,
            Problem::Syntax {
                message: syntax_message(error),
            },
        )
    })?;
    Ok(node(spanned))
}

/// Returns the message of the parser without the position that it appends.
fn syntax_message(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let mut message = text.lines().next().unwrap_or_default().to_owned();
    if let Some(at) = error.location() {
        for comma in [", ", " "] {
            message = message.replace(
                &format!(" at line {}{comma}column {}", at.line(), at.column()),
                "",
            );
        }
    }
    let message = message.trim_start_matches("error:").trim();
    let mut letters = message.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn node(spanned: Spanned<Tree>) -> Node {
    Node {
        mark: Mark::at(spanned.defined),
        tree: spanned.value,
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Tree>>()? {
            items.push(node(item));
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let value = node(access.next_value::<Spanned<Tree>>()?);
            entries.push(Entry {
                mark: Mark::at(key.defined),
                key: key.value,
                value,
            });
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_type_and_position() {
        let root =
            load("name: a\nlist:\n  - 1\n  - 1e-4 # rate\n  - true\n  - '7'\n  - ~\nmap: {x: no}\n").unwrap();
        assert_eq!(root.get("name").unwrap().tree, Tree::Text("a".into()));
        let Tree::List(items) = &root.get("list").unwrap().tree else {
            panic!("not a list")
        };
        let trees: Vec<_> = items.iter().map(|item| item.tree.clone()).collect();
        assert_eq!(
            trees,
            [
                Tree::Integer(1),
                Tree::Float(1e-4),
                Tree::Bool(true),
                Tree::Text("7".into()),
                Tree::Null
            ]
        );
        assert_eq!(items[1].mark, Some(Mark { line: 4, column: 5 }));
        assert_eq!(root.entries()[2].mark, Some(Mark { line: 8, column: 1 }));
        assert_eq!(root.mark_of(["map", "x"]), Some(Mark { line: 8, column: 10 }));
        assert_eq!(
            root.get("map").unwrap().get("x").unwrap().tree,
            Tree::Text("no".into())
        );
    }

    #[test]
    fn a_value_used_through_an_anchor_points_to_its_definition() {
        let root = load("a: &shared\n  steps: 5\nb: *shared\nc:\n  <<: *shared\n  seed: 1\n").unwrap();
        assert_eq!(root.mark_of(["b", "steps"]), Some(Mark { line: 2, column: 10 }));
        assert_eq!(
            root.get("c").unwrap().get("steps").unwrap().tree,
            Tree::Integer(5)
        );
    }

    #[test]
    fn mistakes_have_a_position_and_a_plain_message() {
        for (text, mark) in [
            ("a: [1, 2\n", None),
            ("a: 1\na: 2\n", Some((2, 1))),
            ("a: 1\n\tb: 2\n", None),
            ("a: .nan\n", Some((1, 4))),
            ("a: !secret 1\n", None),
            ("a: 'x\n", None),
        ] {
            let error = load(text).unwrap_err();
            let found = error
                .mark
                .unwrap_or_else(|| panic!("no position for {text:?}: {error}"));
            if let Some((line, column)) = mark {
                assert_eq!((found.line, found.column), (line, column), "{text:?}: {error}");
            }
            let message = error.to_string();
            assert!(
                !message.contains("line ") && !message.is_empty(),
                "{text:?}: {message}"
            );
        }
    }
}
