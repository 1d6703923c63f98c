//! Arms, and the names of stages in their rounds and arms.

use std::fmt;

use mitune_stages::reference::is_name;
use serde::{Serialize, Serializer};

use crate::document::{DocumentError, Entry, Node, Problem, Tree, Variables, scalar_text};

/// More than any sensible pipeline has; a slip must not fill the memory.
pub(super) const LIMIT: usize = 10_000;

/// One combination of the values of `for_each`: variables and values as texts, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arm(pub Vec<(String, String)>);

/// The name of a stage in its round and arm: `stage`, `stage@round` or `stage@round/value/...`, as references spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageName {
    /// Name in the file.
    pub stage: String,
    /// Round from 1, for stages in `rounds`.
    pub round: Option<u32>,
    /// Arm, for stages in `rounds` with `for_each`.
    pub arm: Arm,
}

impl fmt::Display for StageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.stage)?;
        if let Some(round) = self.round {
            write!(formatter, "@{round}")?;
        }
        self.arm
            .0
            .iter()
            .try_for_each(|(_, value)| write!(formatter, "/{value}"))
    }
}

impl Serialize for StageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Lists the arms of `for_each` with their variables; one without variables if there is no `for_each`.
pub(super) fn arms(for_each: Option<&Node>) -> Result<Vec<(Arm, Variables)>, DocumentError> {
    let mut arms = vec![(Arm::default(), Variables::default())];
    let Some(for_each) = for_each else { return Ok(arms) };
    if !matches!(for_each.tree, Tree::Map(_) | Tree::Null) {
        return Err(wrong(for_each, "a map of variables to lists of values"));
    }
    for entry in for_each.entries() {
        let values = values(entry).map_err(|error| error.inside(&entry.key, entry.mark))?;
        if arms.len() * values.len() > LIMIT {
            return Err(DocumentError::rule(entry.mark, format!("More than {LIMIT} arms")));
        }
        arms = arms
            .iter()
            .flat_map(|(arm, variables)| {
                values.iter().map(|(value, text)| {
                    let (mut arm, mut variables) = (arm.clone(), variables.clone());
                    arm.0.push((entry.key.clone(), text.clone()));
                    variables.insert(entry.key.clone(), value.clone());
                    (arm, variables)
                })
            })
            .collect();
    }
    Ok(arms)
}

/// Returns the values of one variable with the texts that name them.
fn values(entry: &Entry) -> Result<Vec<(Tree, String)>, DocumentError> {
    if !is_name(&entry.key) || entry.key == "round" {
        return Err(DocumentError::rule(
            entry.mark,
            format!("`{}` cannot be the name of a variable", entry.key),
        ));
    }
    let items = match &entry.value.tree {
        Tree::List(items) if !items.is_empty() => items,
        _ => return Err(wrong(&entry.value, "a list of at least one value")),
    };
    let mut values: Vec<(Tree, String)> = Vec::new();
    for item in items {
        let text = scalar_text(&item.tree).ok_or_else(|| wrong(item, "a text or number"))?;
        if text.is_empty() || text.contains(['/', ':', '*', '@']) || text.contains(char::is_whitespace) {
            let message =
                format!("`{text}` cannot name an arm: it is empty or holds a space or one of `/:*@`");
            return Err(DocumentError::rule(item.mark, message));
        }
        if values.iter().any(|(_, other)| *other == text) {
            return Err(DocumentError::rule(
                item.mark,
                format!("Value `{text}` is listed twice"),
            ));
        }
        values.push((item.tree.clone(), text));
    }
    Ok(values)
}

pub(super) fn wrong(node: &Node, expected: &str) -> DocumentError {
    DocumentError::new(
        node.mark,
        Problem::Type {
            expected: expected.to_owned(),
            found: node.tree.describe(),
        },
    )
}
