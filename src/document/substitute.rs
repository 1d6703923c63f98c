//! `${name}` inside texts.

use std::rc::Rc;

use super::error::DocumentError;
use super::node::{Entry, Node, Tree};

/// Most bytes of a text into which a variable is written.
const MOST_TEXT: usize = 1 << 20;

/// Most bytes of all copies that are made of the parts of a document.
const MOST_COPIES: usize = 256 << 20;

/// What the copies of the parts of one document may still take, so that a slip does not fill the memory.
#[derive(Debug)]
pub struct CopySpace {
    left: usize,
}

impl Default for CopySpace {
    fn default() -> Self {
        Self { left: MOST_COPIES }
    }
}

impl CopySpace {
    fn take(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| {
            let limit = MOST_COPIES >> 20;
            format!("The stages of all rounds and arms with their variables take more than {limit} MiB")
        })?;
        Ok(())
    }
}

/// The variables that hold in a part of a document.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// Shared, since each of many arms has them all.
    values: Vec<(String, Rc<Tree>)>,
}

impl Variables {
    /// Adds a variable.
    pub fn insert(&mut self, name: impl Into<String>, value: Tree) {
        self.values.push((name.into(), Rc::new(value)));
    }

    /// Adds other variables.
    pub fn add(&mut self, others: &Self) {
        self.values.extend(others.values.iter().cloned());
    }

    /// Says whether there is a variable of a name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the value of a variable.
    ///
    /// # Errors
    /// What to say where there is no such variable.
    pub fn value(&self, name: &str) -> Result<&Tree, String> {
        self.get(name).ok_or_else(|| unknown(name, self))
    }

    fn get(&self, name: &str) -> Option<&Tree> {
        self.values
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }
}

/// Returns the tree with every `${name}` replaced.
///
/// A text that is nothing but `${name}` becomes the value with its type; inside a longer text the value is written
/// out. `$$` stands for `$`.
///
/// # Errors
/// [`DocumentError`] if a variable is unknown, a `${` is not closed or a text becomes too long.
pub fn substitute(node: &Node, variables: &Variables) -> Result<Node, DocumentError> {
    substitute_within(node, variables, &mut CopySpace::default())
}

/// Does the same as [`substitute`] for one of many parts of a document.
///
/// # Errors
/// Those of [`substitute`], and [`DocumentError`] if all parts together become too large.
pub fn substitute_within(
    node: &Node,
    variables: &Variables,
    space: &mut CopySpace,
) -> Result<Node, DocumentError> {
    let rule = |message: String| DocumentError::rule(node.mark, message);
    space.take(size_of::<Node>()).map_err(rule)?;
    let tree = match &node.tree {
        Tree::Text(text) => {
            let tree = replace(text, variables).map_err(rule)?;
            space
                .take(weight(&tree))
                .map_err(|message| match variable_in(text) {
                    Some(name) => rule(format!("{message}, here with `${{{name}}}`")),
                    None => rule(message),
                })?;
            tree
        }
        Tree::List(items) => Tree::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    substitute_within(item, variables, space)
                        .map_err(|error| error.inside(index.to_string(), None))
                })
                .collect::<Result<_, _>>()?,
        ),
        Tree::Map(entries) => Tree::Map(
            entries
                .iter()
                .map(|entry| {
                    space.take(entry.key.len()).map_err(rule)?;
                    let value = substitute_within(&entry.value, variables, space)
                        .map_err(|error| error.inside(&entry.key, entry.mark))?;
                    Ok(Entry {
                        mark: entry.mark,
                        key: entry.key.clone(),
                        value,
                    })
                })
                .collect::<Result<_, DocumentError>>()?,
        ),
        other => other.clone(),
    };
    Ok(Node {
        mark: node.mark,
        tree,
    })
}

fn replace(text: &str, variables: &Variables) -> Result<Tree, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        result.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some(inside) = after.strip_prefix('{') {
            let end = inside
                .find('}')
                .ok_or_else(|| format!("`${{` without `}}` in `{text}`"))?;
            let name = &inside[..end];
            let value = variables.value(name)?;
            rest = &inside[end + 1..];
            if result.is_empty() && rest.is_empty() && start == 0 && text.len() == name.len() + 3 {
                return Ok(value.clone());
            }
            let value = scalar_text(value).ok_or_else(|| {
                format!(
                    "`${{{name}}}` is {}, which cannot stand inside a text",
                    value.describe()
                )
            })?;
            if result.len() + value.len() > MOST_TEXT {
                return Err(format!(
                    "`${{{name}}}` makes a text of more than {MOST_TEXT} bytes"
                ));
            }
            result.push_str(&value);
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    Ok(Tree::Text(result))
}

/// Counts the bytes that a value takes besides its node.
fn weight(tree: &Tree) -> usize {
    let node = |node: &Node| size_of::<Node>() + weight(&node.tree);
    match tree {
        Tree::Text(text) => text.len(),
        Tree::List(items) => items.iter().map(node).sum(),
        Tree::Map(entries) => entries
            .iter()
            .map(|entry| entry.key.len() + node(&entry.value))
            .sum(),
        Tree::Null | Tree::Bool(_) | Tree::Integer(_) | Tree::Float(_) => 0,
    }
}

/// Finds the first variable in a text; `$$` stands for `$` there, too.
pub(crate) fn variable_in(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let after = &rest[start + 1..];
        if let Some(inside) = after.strip_prefix('{') {
            return inside.find('}').map(|end| &inside[..end]);
        }
        rest = after.strip_prefix('$').unwrap_or(after);
    }
    None
}

/// Writes a scalar as the pipeline would; `None` for lists, maps and nothing.
pub(crate) fn scalar_text(value: &Tree) -> Option<String> {
    match value {
        Tree::Bool(value) => Some(value.to_string()),
        Tree::Integer(value) => Some(value.value.to_string()),
        Tree::Float(value) => Some(value.value.to_string()),
        Tree::Text(value) => Some(value.clone()),
        Tree::Null | Tree::List(_) | Tree::Map(_) => None,
    }
}

fn unknown(name: &str, variables: &Variables) -> String {
    let names: Vec<&str> = variables.values.iter().map(|(known, _)| known.as_str()).collect();
    match crate::suggestion::closest(name, names.iter().copied()) {
        Some(close) => format!("Unknown variable `{name}`; did you mean `{close}`?"),
        None if name == "round" => format!("Variable `{name}` exists only in `rounds.stages`"),
        None if names.is_empty() => {
            format!("Unknown variable `{name}`: there are none here; `vars` of the pipeline names them")
        }
        None => format!("Unknown variable `{name}`: known are `{}`", names.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.insert("by", Tree::Text("mi".into()));
        variables.insert("k", Tree::Integer(2.into()));
        variables
    }

    #[test]
    fn whole_texts_keep_the_type_and_parts_are_written_out() {
        let node = load("a: ${by}\nb: ['${k}', 'top-${k}-${by}', '$$${k}', '$5', '$${k}']\n").unwrap();
        let replaced = substitute(&node, &variables()).unwrap();
        assert_eq!(replaced.get("a").unwrap().tree, Tree::Text("mi".into()));
        let Tree::List(items) = &replaced.get("b").unwrap().tree else {
            panic!("not a list")
        };
        let trees: Vec<Tree> = items.iter().map(|item| item.tree.clone()).collect();
        let text = |text: &str| Tree::Text(text.into());
        assert_eq!(
            trees,
            [
                Tree::Integer(2.into()),
                text("top-2-mi"),
                text("$2"),
                text("$5"),
                text("${k}")
            ]
        );
    }

    #[test]
    fn texts_and_their_sum_are_bounded() {
        let mut variables = Variables::default();
        variables.insert("m", Tree::Text("x".repeat(1 << 16)));
        let text = |count: usize| load(&format!("a: '{}'\n", "${m}".repeat(count))).unwrap();
        assert!(substitute(&text(16), &variables).is_ok());
        let error = substitute(&text(100_000), &variables).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`${m}` makes a text of more than 1048576 bytes at `a`"
        );
        assert!(error.mark.is_some());
        let mut space = CopySpace { left: 3 << 20 };
        let mut copies = (0..4).map(|_| substitute_within(&text(16), &variables, &mut space));
        assert!(copies.next().unwrap().is_ok());
        let error = copies.find_map(Result::err).unwrap();
        assert!(
            error.to_string().contains("MiB, here with `${m}` at `a`"),
            "{error}"
        );
        assert!(error.mark.is_some());
    }

    #[test]
    fn a_doubled_sign_is_no_variable() {
        assert_eq!(variable_in("a $5 $${x} ${y} ${z}"), Some("y"));
        assert_eq!(variable_in("$${x} $$"), None);
        assert_eq!(variable_in("$$${x}"), Some("x"));
    }

    #[test]
    fn unknown_and_open_variables_are_errors_with_a_place() {
        for (text, message) in [
            (
                "a: {b: '${bye}'}\n",
                "Unknown variable `bye`; did you mean `by`? at `a.b`",
            ),
            (
                "a: {b: '${seed}'}\n",
                "Unknown variable `seed`: known are `by`, `k` at `a.b`",
            ),
            ("a: {b: '${by'}\n", "`${` without `}` in `${by` at `a.b`"),
        ] {
            let error = substitute(&load(text).unwrap(), &variables()).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert!(error.mark.is_some());
        }
    }
}
