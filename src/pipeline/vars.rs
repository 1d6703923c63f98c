//! The values that a pipeline names once for all of its stages.

use mitune_stages::contract::reference::is_name;

use super::arm::Arm;
use crate::document::{
    Assignment, AssignmentError, DocumentError, Entry, Node, Tree, Variables, scalar_text, substitute,
    variable_in,
};

/// The key of the file.
const VARS: &str = "vars";

/// Lists the variables of `vars`; none if there is no such key.
pub(super) fn vars(root: &Node) -> Result<Variables, DocumentError> {
    let mut variables = Variables::default();
    let Some(vars) = root.get(VARS) else {
        return Ok(variables);
    };
    let here = |error: DocumentError| error.within(vec![VARS.to_owned()]);
    if !matches!(vars.tree, Tree::Map(_) | Tree::Null) {
        return Err(here(vars.wrong("a map of names to values")));
    }
    for entry in vars.entries() {
        check(entry).map_err(|error| here(error.inside(&entry.key, entry.mark)))?;
        variables.insert(entry.key.clone(), entry.value.tree.clone());
    }
    Ok(variables)
}

fn check(entry: &Entry) -> Result<(), DocumentError> {
    let why = match entry.key.as_str() {
        "round" => "it stands for the number of the round",
        key if !is_name(key) => "a name is a letter followed by letters, digits, `_` and `-`",
        _ => "",
    };
    if !why.is_empty() {
        let message = format!("`{}` cannot be the name of a variable: {why}", entry.key);
        return Err(DocumentError::rule(entry.mark, message));
    }
    match scalar_text(&entry.value.tree) {
        Some(_) => Ok(()),
        None => Err(entry.value.wrong("a text, a number or a truth value")),
    }
}

/// Refuses a `--set` of a variable that the document does not have, which nothing would use.
pub(super) fn check_assignment(root: &Node, assignment: &Assignment) -> Result<(), AssignmentError> {
    let path: Vec<&str> = assignment.path().iter().map(String::as_str).collect();
    let for_each = || root.get("rounds").and_then(|rounds| rounds.get("for_each"));
    let (name, place, variables) = match path[..] {
        [VARS, name] => (name, VARS, root.get(VARS)),
        ["rounds", "for_each", name] => (name, "rounds.for_each", for_each()),
        _ => return Ok(()),
    };
    // What is neither a map nor absent is told of when it is read.
    if variables.is_some_and(|node| !matches!(node.tree, Tree::Map(_) | Tree::Null)) {
        return Ok(());
    }
    let entries = variables.map_or(&[][..], Node::entries);
    if entries.iter().any(|entry| entry.key == name) {
        return Ok(());
    }
    let known = entries.iter().map(|entry| entry.key.as_str());
    Err(AssignmentError::Variable {
        name: name.to_owned(),
        place,
        suggestion: crate::suggestion::closest(name, known).map(str::to_owned),
    })
}

/// Fills `vars` into the settings outside of stages that take them, and refuses variables in the others.
pub(super) fn substitute_outside_stages(root: &mut Node) -> Result<(), DocumentError> {
    let variables = vars(root)?;
    let Tree::Map(entries) = &mut root.tree else {
        return Ok(());
    };
    for entry in entries {
        let (mark, key) = (entry.mark, entry.key.clone());
        let substituted = match key.as_str() {
            "model" | "seed" if has_variable(&entry.value) => {
                substitute(&entry.value, &variables).map(|value| entry.value = value)
            }
            // Free text, and stages, whose variables are filled in for each round and arm.
            "description" | "stages" | "finally" => Ok(()),
            _ => refuse_variables(&entry.value, key == "rounds"),
        };
        substituted.map_err(|error| error.inside(key, mark))?;
    }
    Ok(())
}

fn has_variable(node: &Node) -> bool {
    matches!(&node.tree, Tree::Text(text) if variable_in(text).is_some())
}

/// Refuses variables in a setting; those of `rounds.stages` are left alone.
fn refuse_variables(node: &Node, is_rounds: bool) -> Result<(), DocumentError> {
    match &node.tree {
        Tree::Text(text) => match variable_in(text) {
            Some(name) => {
                let message = format!(
                    "`${{{name}}}` cannot stand here: variables stand in stages, and those of `{VARS}` in `model` \
                     and `seed`"
                );
                Err(DocumentError::rule(node.mark, message))
            }
            None => Ok(()),
        },
        Tree::List(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            refuse_variables(item, false).map_err(|error| error.inside(index.to_string(), None))
        }),
        Tree::Map(entries) => entries
            .iter()
            .filter(|entry| !(is_rounds && entry.key == "stages"))
            .try_for_each(|entry| {
                refuse_variables(&entry.value, false).map_err(|error| error.inside(&entry.key, entry.mark))
            }),
        Tree::Null | Tree::Bool(_) | Tree::Integer(_) | Tree::Float(_) => Ok(()),
    }
}

/// Refuses a variable of `for_each` that has the name of one of `vars`: a setting could mean either.
pub(super) fn check_apart(
    root: &Node,
    vars: &Variables,
    own: &Variables,
    arm: &Arm,
) -> Result<(), DocumentError> {
    let both = root.get(VARS).map_or(&[][..], Node::entries);
    let both = both
        .iter()
        .find(|entry| vars.has(&entry.key) && own.has(&entry.key));
    match both {
        None => Ok(()),
        Some(entry) => {
            let place = match arm.0.iter().any(|(name, _)| *name == entry.key) {
                true => "`for_each`",
                false => "`with` of an arm",
            };
            let message = format!("Variable `{}` stands in `{VARS}` and in {place}", entry.key);
            Err(DocumentError::rule(entry.mark, message).within(vec![VARS.to_owned(), entry.key.clone()]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;

    #[test]
    fn values_stand_for_their_names() {
        let text = "vars: {folder: ../models/x, count: 3}\nstages: {a: '${folder}/${count}', b: '${count}'}";
        let root = load(text).unwrap();
        let variables = vars(&root).unwrap();
        let stages = substitute(root.get("stages").unwrap(), &variables).unwrap();
        assert_eq!(
            stages.get("a").unwrap().tree,
            Tree::Text("../models/x/3".to_owned())
        );
        assert_eq!(stages.get("b").unwrap().tree.describe(), "number `3`");
        assert!(!vars(&load("name: x").unwrap()).unwrap().has("folder"));
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        for (text, message) in [
            ("vars: [a]", "vars"),
            ("vars: {round: 1}", "`round` cannot be the name of a variable"),
            ("vars: {1x: 1}", "`1x` cannot be the name of a variable"),
            ("vars: {a: [1]}", "vars.a"),
        ] {
            let error = vars(&load(text).unwrap()).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_misspelt_variable_is_not_added_by_an_assignment() {
        let root = load("vars: {seed: 1}\nrounds: {for_each: {by: [mi]}}").unwrap();
        let check = |text: &str| {
            let checked = check_assignment(&root, &text.parse().unwrap());
            checked.map_err(|error| error.to_string())
        };
        for good in ["vars.seed=5", "vars={x: 1}", "rounds.for_each.by=[a]", "name=x"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let said = "There is no variable `sed` in `vars`; did you mean `seed`?".to_owned();
        assert_eq!(check("vars.sed=5"), Err(said));
        let said = "There is no variable `judge` in `rounds.for_each`".to_owned();
        assert_eq!(check("rounds.for_each.judge=[a]"), Err(said));
    }

    #[test]
    fn outside_of_stages_variables_stand_in_model_and_seed() {
        let mut root =
            load("vars: {m: dir, s: 3}\nmodel: '${m}/x'\nseed: ${s}\nstages: {a: '${b}'}").unwrap();
        substitute_outside_stages(&mut root).unwrap();
        assert_eq!(root.get("model").unwrap().tree, Tree::Text("dir/x".to_owned()));
        assert_eq!(root.get("seed").unwrap().tree, Tree::Integer(3.into()));
        for (text, path) in [
            ("name: 'x ${m}'", "name"),
            ("salt: '${m}'", "salt"),
            ("rounds: {count: '${m}', stages: {a: '${b}'}}", "rounds.count"),
            (
                "rounds: {for_each: [{a: 1, with: {b: '${m}'}}]}",
                "rounds.for_each.0.with.b",
            ),
            ("vars: {a: '${m}'}", "vars.a"),
        ] {
            let error = substitute_outside_stages(&mut load(text).unwrap()).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with("`${m}` cannot stand here"), "{text}: {said}");
            assert!(said.ends_with(&format!(" at `{path}`")), "{text}: {said}");
        }
    }

    #[test]
    fn a_variable_has_one_place() {
        let root = load("vars: {by: mi}").unwrap();
        let mut own = Variables::default();
        own.insert("by", Tree::Bool(true));
        let arm = Arm(vec![("by".to_owned(), "true".to_owned())]);
        let error = check_apart(&root, &vars(&root).unwrap(), &own, &arm).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("Variable `by` stands in `vars` and in `for_each`"),
            "{error}"
        );
        assert!(check_apart(&root, &vars(&root).unwrap(), &Variables::default(), &arm).is_ok());
    }
}
