//! The values that a pipeline names once for all of its stages.

use mitune_stages::reference::is_name;

use super::arm::Arm;
use crate::document::{DocumentError, Entry, Node, Tree, Variables, scalar_text};

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
    if !is_name(&entry.key) || entry.key == "round" {
        let message = format!("`{}` cannot be the name of a variable", entry.key);
        return Err(DocumentError::rule(entry.mark, message));
    }
    match scalar_text(&entry.value.tree) {
        Some(_) => Ok(()),
        None => Err(entry.value.wrong("a text or number")),
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
    use crate::document::{load, substitute};

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
