//! Values replaced from the command line: `--set rounds.count=3`.

use std::str::FromStr;

use super::error::DocumentError;
use super::load::load;
use super::node::{Entry, Node, Tree};

/// One `--set path=value`.
///
/// The path is made of keys and list positions separated by dots. The value is YAML, so `7` is a number, `[a, b]` a
/// list and anything else a text. A key that is not there yet is added, so a misspelt one is then reported as unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    path: Vec<String>,
    value: Node,
}

/// Why an assignment makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum AssignmentError {
    /// There is no `=`, or nothing before it.
    #[error("`{text}` is not of the form `path=value`")]
    Form {
        /// The assignment.
        text: String,
    },
    /// What follows the `=` is not YAML.
    #[error("The value of `{text}` cannot be read")]
    Value {
        /// The assignment.
        text: String,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// The path leads through something that is not a map or list.
    #[error("`{path}` leads into {found}")]
    Path {
        /// The path.
        path: String,
        /// What is in the way.
        found: String,
    },
    /// The path names a variable that the document does not have.
    #[error("There is no variable `{name}` in `{place}`{}", meant(.suggestion))]
    Variable {
        /// The variable.
        name: String,
        /// The map it would stand in.
        place: &'static str,
        /// The variable that was meant, perhaps.
        suggestion: Option<String>,
    },
}

fn meant(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

impl FromStr for Assignment {
    type Err = AssignmentError;

    fn from_str(text: &str) -> Result<Self, AssignmentError> {
        let form = || AssignmentError::Form {
            text: text.to_owned(),
        };
        let (path, value) = text.split_once('=').ok_or_else(form)?;
        let path: Vec<String> = path.trim().split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(form());
        }
        let mut value = if value.trim().is_empty() {
            Node {
                mark: None,
                tree: Tree::Null,
            }
        } else {
            load(value).map_err(|source| AssignmentError::Value {
                text: text.to_owned(),
                source,
            })?
        };
        forget_marks(&mut value);
        Ok(Self { path, value })
    }
}

impl Assignment {
    /// Returns the keys and list positions that lead to the value.
    pub(crate) fn path(&self) -> &[String] {
        &self.path
    }

    /// Replaces or adds the value in a tree.
    ///
    /// # Errors
    /// [`AssignmentError::Path`] if the path leads through a value that has no parts, or past the end of a list.
    pub fn apply(&self, root: &mut Node) -> Result<(), AssignmentError> {
        let mut node = root;
        for step in &self.path {
            let found = node.tree.describe();
            let error = move || AssignmentError::Path {
                path: self.path.join("."),
                found,
            };
            if node.tree == Tree::Null {
                node.tree = Tree::Map(Vec::new());
            }
            node = match &mut node.tree {
                Tree::Map(entries) => {
                    let index = entries
                        .iter()
                        .position(|entry| entry.key == *step)
                        .unwrap_or(entries.len());
                    if index == entries.len() {
                        let value = Node {
                            mark: None,
                            tree: Tree::Null,
                        };
                        entries.push(Entry {
                            mark: None,
                            key: step.clone(),
                            value,
                        });
                    }
                    &mut entries[index].value
                }
                Tree::List(items) => {
                    let index: Option<usize> = step.parse().ok();
                    index.and_then(|index| items.get_mut(index)).ok_or_else(error)?
                }
                _ => return Err(error()),
            };
        }
        *node = self.value.clone();
        Ok(())
    }
}

/// Removes positions, which would point into the command line.
fn forget_marks(node: &mut Node) {
    node.mark = None;
    match &mut node.tree {
        Tree::List(items) => items.iter_mut().for_each(forget_marks),
        Tree::Map(entries) => {
            for entry in entries {
                entry.mark = None;
                forget_marks(&mut entry.value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(text: &str, assignment: &str) -> Result<Node, AssignmentError> {
        let mut root = load(text).unwrap();
        assignment.parse::<Assignment>()?.apply(&mut root)?;
        forget_marks(&mut root);
        Ok(root)
    }

    #[test]
    fn values_are_replaced_and_added_at_their_path() {
        for (before, assignment, after) in [
            ("a: 1\nb: {c: 2}\n", "b.c=3", "a: 1\nb: {c: 3}\n"),
            ("a: 1\n", "b.c=x y", "a: 1\nb: {c: x y}\n"),
            ("a: [1, 2]\n", "a.1=[3, {d: 4}]", "a: [1, [3, {d: 4}]]\n"),
            ("a: 1\n", "a=", "a: ~\n"),
            ("a: ~\n", "a.b=k=v", "a: {b: k=v}\n"),
        ] {
            let mut expected = load(after).unwrap();
            forget_marks(&mut expected);
            assert_eq!(assigned(before, assignment).unwrap(), expected, "{assignment}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (assignment, message) in [
            ("a", "not of the form"),
            ("=1", "not of the form"),
            ("a..b=1", "not of the form"),
            ("a=[", "cannot be read"),
            ("a.b=1", "`a.b` leads into number `1`"),
            ("list.5=1", "`list.5` leads into a list of 2"),
        ] {
            let error = assigned("a: 1\nlist: [1, 2]\n", assignment).unwrap_err();
            assert!(error.to_string().contains(message), "{assignment}: {error}");
        }
    }
}
