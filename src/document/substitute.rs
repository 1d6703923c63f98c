//! `${name}` inside texts.

use super::error::DocumentError;
use super::node::{Entry, Node, Tree};

/// The variables that hold in a part of a document.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    values: Vec<(String, Tree)>,
}

impl Variables {
    /// Adds a variable.
    pub fn insert(&mut self, name: impl Into<String>, value: Tree) {
        self.values.push((name.into(), value));
    }

    /// Adds other variables.
    pub fn add(&mut self, others: &Self) {
        self.values.extend(others.values.iter().cloned());
    }

    /// Says whether there is a variable of a name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Tree> {
        self.values
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }
}

/// Returns the tree with every `${name}` replaced.
///
/// A text that is nothing but `${name}` becomes the value with its type; inside a longer text the value is written
/// out. `$$` stands for `$`.
///
/// # Errors
/// [`DocumentError`] if a variable is unknown or a `${` is not closed.
pub fn substitute(node: &Node, variables: &Variables) -> Result<Node, DocumentError> {
    let tree = match &node.tree {
        Tree::Text(text) => {
            replace(text, variables).map_err(|message| DocumentError::rule(node.mark, message))?
        }
        Tree::List(items) => Tree::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    substitute(item, variables).map_err(|error| error.inside(index.to_string(), None))
                })
                .collect::<Result<_, _>>()?,
        ),
        Tree::Map(entries) => Tree::Map(
            entries
                .iter()
                .map(|entry| {
                    let value = substitute(&entry.value, variables)
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
            let value = variables.get(name).ok_or_else(|| unknown(name, variables))?;
            rest = &inside[end + 1..];
            if result.is_empty() && rest.is_empty() && start == 0 && text.len() == name.len() + 3 {
                return Ok(value.clone());
            }
            result.push_str(&scalar_text(value).ok_or_else(|| {
                format!(
                    "`${{{name}}}` is {}, which cannot stand inside a text",
                    value.describe()
                )
            })?);
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    Ok(Tree::Text(result))
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
        None if names.is_empty() => format!("Unknown variable `{name}`: variables exist only in `rounds`"),
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
