//! The arms that `for_each` asks for: every combination of values, or those that are listed.

use mitune_stages::contract::reference::is_name;

use super::arm::Arm;
use crate::document::{DocumentError, Entry, Node, Tree, Variables, scalar_text};

/// More than any sensible pipeline has; a slip must not fill the memory.
pub(super) const LIMIT: usize = 10_000;

/// Where an arm of a list has variables that do not name it.
const WITH: &str = "with";

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
            Err(for_each.wrong(expected))
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
        arms = extended(&arms, &entry.key, &values, for_each)?;
    }
    Ok(arms)
}

/// The arms of each map of a list; all have the same variables, in the order of the first.
fn listed(items: &[Node]) -> Result<Vec<ArmWithVariables>, DocumentError> {
    let mut arms: Vec<ArmWithVariables> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let inside = |error: DocumentError| error.inside(index.to_string(), item.mark);
        for (arm, variables) in arms_of(item).map_err(inside)? {
            let arm = match arms.first() {
                Some((first, _)) => ordered(item, arm, first).map_err(inside)?,
                None => arm,
            };
            if arms.iter().any(|(other, _)| *other == arm) {
                return Err(DocumentError::rule(item.mark, "This arm is listed twice"));
            }
            arms.push((arm, variables));
            if arms.len() > LIMIT {
                return Err(DocumentError::rule(item.mark, format!("More than {LIMIT} arms")));
            }
        }
    }
    Ok(arms)
}

/// The arms of one map: one, or every combination where variables have lists of values.
///
/// Variables in its `with` hold in the arm and are no part of its name.
fn arms_of(item: &Node) -> Result<Vec<ArmWithVariables>, DocumentError> {
    if !matches!(item.tree, Tree::Map(_)) || item.entries().is_empty() {
        return Err(item.wrong("a map of variables to values"));
    }
    let mut arms = vec![ArmWithVariables::default()];
    let mut unnamed: Vec<&Entry> = Vec::new();
    for entry in item.entries() {
        let inside = |error: DocumentError| error.inside(&entry.key, entry.mark);
        if entry.key == WITH && matches!(entry.value.tree, Tree::Map(_)) {
            unnamed = entry.value.entries().iter().collect();
            unnamed
                .iter()
                .try_for_each(|entry| variable(entry))
                .map_err(inside)?;
            continue;
        }
        variable(entry)?;
        let values = match &entry.value.tree {
            Tree::List(_) => values(entry).map_err(inside)?,
            tree => vec![(tree.clone(), value_text(&entry.value).map_err(inside)?)],
        };
        arms = extended(&arms, &entry.key, &values, item)?;
    }
    for (arm, variables) in &mut arms {
        for entry in &unnamed {
            if arm.0.iter().any(|(name, _)| *name == entry.key) {
                let message = format!("Variable `{}` stands in the arm and in its `{WITH}`", entry.key);
                return Err(DocumentError::rule(entry.mark, message));
            }
            variables.insert(entry.key.clone(), entry.value.tree.clone());
        }
    }
    Ok(arms)
}

/// Every arm with every value of one more variable.
fn extended(
    arms: &[ArmWithVariables],
    name: &str,
    values: &[(Tree, String)],
    place: &Node,
) -> Result<Vec<ArmWithVariables>, DocumentError> {
    if arms.len() * values.len() > LIMIT {
        return Err(DocumentError::rule(place.mark, format!("More than {LIMIT} arms")));
    }
    let with = |(arm, variables): &ArmWithVariables, (value, text): &(Tree, String)| {
        let (mut arm, mut variables) = (arm.clone(), variables.clone());
        arm.0.push((name.to_owned(), text.clone()));
        variables.insert(name.to_owned(), value.clone());
        (arm, variables)
    };
    Ok(arms
        .iter()
        .flat_map(|arm| values.iter().map(move |value| with(arm, value)))
        .collect())
}

/// Puts the variables of an arm into the order of the first.
fn ordered(item: &Node, mut arm: Arm, first: &Arm) -> Result<Arm, DocumentError> {
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
        None => Ok(Arm(ordered)),
    }
}

/// Returns the values of one variable with the texts that name them.
fn values(entry: &Entry) -> Result<Vec<(Tree, String)>, DocumentError> {
    variable(entry)?;
    let items = match &entry.value.tree {
        Tree::List(items) if !items.is_empty() => items,
        _ => return Err(entry.value.wrong("a list of at least one value")),
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
    let text = scalar_text(&item.tree).ok_or_else(|| item.wrong("a text or number"))?;
    if text.is_empty() || text.contains(['/', ':', '*', '@']) || text.contains(char::is_whitespace) {
        let message = format!("`{text}` cannot name an arm: it is empty or holds a space or one of `/:*@`");
        return Err(DocumentError::rule(item.mark, message));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{load, substitute};

    /// The names of the arms, and what a text becomes in each.
    fn arms_of(for_each: &str, text: &str) -> Result<Vec<(String, Tree)>, String> {
        let root = load(for_each).unwrap();
        let arms = arms(Some(&root)).map_err(|error| error.to_string())?;
        let text = load(text).unwrap();
        let name = |arm: &Arm| {
            let values: Vec<&str> = arm.0.iter().map(|(_, value)| value.as_str()).collect();
            values.join("/")
        };
        Ok(arms
            .iter()
            .map(|(arm, variables)| (name(arm), substitute(&text, variables).unwrap().tree))
            .collect())
    }

    #[test]
    fn a_listed_arm_may_have_lists_and_variables_that_do_not_name_it() {
        let for_each = "[{arm: a, seed: [1, 2], with: {by: mi, judge: null}}, \
                        {arm: b, seed: [1, 2], with: {by: itm, judge: previous.adapter}}]";
        let by = arms_of(for_each, "${by}").unwrap();
        let text = |name: &str, value: &str| (name.to_owned(), Tree::Text(value.to_owned()));
        assert_eq!(
            by,
            [
                text("a/1", "mi"),
                text("a/2", "mi"),
                text("b/1", "itm"),
                text("b/2", "itm")
            ]
        );
        let judge = arms_of(for_each, "${judge}").unwrap();
        assert_eq!(
            (&judge[0].1, &judge[3].1),
            (&Tree::Null, &Tree::Text("previous.adapter".to_owned()))
        );
        assert_eq!(
            arms_of(for_each, "${seed}").unwrap()[1].1,
            Tree::Integer(2.into())
        );
        // A variable of that name is one where its value is no map.
        assert_eq!(arms_of("[{with: x}]", "${with}").unwrap(), [text("x", "x")]);
    }

    #[test]
    fn arms_that_clash_are_refused() {
        for (for_each, said) in [
            (
                "[{a: 1, with: {a: 2}}]",
                "Variable `a` stands in the arm and in its `with`",
            ),
            ("[{a: [1, 2]}, {a: 2}]", "This arm is listed twice"),
            ("[{a: []}]", "at least one value"),
            (
                "[{a: 1, with: {round: 2}}]",
                "`round` cannot be the name of a variable",
            ),
        ] {
            let error = arms_of(for_each, "x").unwrap_err();
            assert!(error.contains(said), "{for_each}: {error}");
        }
    }
}
