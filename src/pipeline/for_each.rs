//! The arms that `for_each` asks for: every combination of values, or those that are listed.

use mitune_stages::reference::is_name;

use super::arm::{Arm, wrong};
use crate::document::{DocumentError, Entry, Node, Tree, Variables, scalar_text};

/// More than any sensible pipeline has; a slip must not fill the memory.
pub(super) const LIMIT: usize = 10_000;

type ArmWithVariables = (Arm, Variables);

/// Lists the arms of `for_each` with their variables; one without variables if there is no `for_each`.
pub(super) fn arms(for_each: Option<&Node>) -> Result<Vec<ArmWithVariables>, DocumentError> {
    let Some(for_each) = for_each else {
        return Ok(vec![ArmWithVariables::default()]);
    };
    match &for_each.tree {
        Tree::Map(_) | Tree::Null => combinations(for_each),
        Tree::List(items) if !items.is_empty() => listed(items),
        _ => {
            let expected = "a map of variables to lists of values, or a list of maps of variables to values";
            Err(wrong(for_each, expected))
        }
    }
}

/// Every combination of the values of every variable.
fn combinations(for_each: &Node) -> Result<Vec<ArmWithVariables>, DocumentError> {
    let mut arms = vec![ArmWithVariables::default()];
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

/// One arm for each map of a list; all have the same variables, in the order of the first.
fn listed(items: &[Node]) -> Result<Vec<ArmWithVariables>, DocumentError> {
    if items.len() > LIMIT {
        return Err(DocumentError::rule(
            items[0].mark,
            format!("More than {LIMIT} arms"),
        ));
    }
    let mut arms: Vec<ArmWithVariables> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let (arm, variables) = one_arm(item, arms.first().map(|(arm, _)| arm))
            .map_err(|error| error.inside(index.to_string(), item.mark))?;
        if arms.iter().any(|(other, _)| *other == arm) {
            return Err(DocumentError::rule(item.mark, "This arm is listed twice"));
        }
        arms.push((arm, variables));
    }
    Ok(arms)
}

fn one_arm(item: &Node, first: Option<&Arm>) -> Result<ArmWithVariables, DocumentError> {
    if !matches!(item.tree, Tree::Map(_)) || item.entries().is_empty() {
        return Err(wrong(item, "a map of variables to values"));
    }
    let (mut arm, mut variables) = ArmWithVariables::default();
    for entry in item.entries() {
        let inside = |error: DocumentError| error.inside(&entry.key, entry.mark);
        variable(entry)?;
        arm.0
            .push((entry.key.clone(), value_text(&entry.value).map_err(inside)?));
        variables.insert(entry.key.clone(), entry.value.tree.clone());
    }
    let Some(first) = first else {
        return Ok((arm, variables));
    };
    let mut ordered = Vec::with_capacity(first.0.len());
    for (name, _) in &first.0 {
        let position = arm.0.iter().position(|(other, _)| other == name);
        let Some(position) = position else {
            return Err(DocumentError::rule(
                item.mark,
                format!("Variable `{name}` of the first arm is missing"),
            ));
        };
        ordered.push(arm.0.swap_remove(position));
    }
    match arm.0.first() {
        Some((name, _)) => Err(DocumentError::rule(
            item.mark,
            format!("Variable `{name}` is not one of the first arm"),
        )),
        None => Ok((Arm(ordered), variables)),
    }
}

/// Returns the values of one variable with the texts that name them.
fn values(entry: &Entry) -> Result<Vec<(Tree, String)>, DocumentError> {
    variable(entry)?;
    let items = match &entry.value.tree {
        Tree::List(items) if !items.is_empty() => items,
        _ => return Err(wrong(&entry.value, "a list of at least one value")),
    };
    let mut values: Vec<(Tree, String)> = Vec::new();
    for item in items {
        let text = value_text(item)?;
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

fn variable(entry: &Entry) -> Result<(), DocumentError> {
    if is_name(&entry.key) && entry.key != "round" {
        return Ok(());
    }
    Err(DocumentError::rule(
        entry.mark,
        format!("`{}` cannot be the name of a variable", entry.key),
    ))
}

/// Returns how a value is written in the names of stages.
fn value_text(item: &Node) -> Result<String, DocumentError> {
    let text = scalar_text(&item.tree).ok_or_else(|| wrong(item, "a text or number"))?;
    if text.is_empty() || text.contains(['/', ':', '*', '@']) || text.contains(char::is_whitespace) {
        let message = format!("`{text}` cannot name an arm: it is empty or holds a space or one of `/:*@`");
        return Err(DocumentError::rule(item.mark, message));
    }
    Ok(text)
}
