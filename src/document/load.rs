//! Reading a tree from text.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::error::{DocumentError, Problem};
use super::node::{Entry, Mark, Node, Tree};
use super::syntax;
use super::written::remember_spellings;

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
                message: syntax::message(error),
            },
        )
    })?;
    let mut root = node(spanned);
    remember_spellings(&mut root, text);
    Ok(root)
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
        Ok(Tree::Integer(i128::from(value).into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Integer(i128::from(value).into()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value.into()))
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
                Tree::Integer(1.into()),
                Tree::Float(1e-4.into()),
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
            Tree::Integer(5.into())
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
                !message.contains(" line ") && !message.is_empty(),
                "{text:?}: {message}"
            );
        }
    }
}
