//! Names of the arms that a stage sets side by side: in its result each stands once, on a line of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::known_inputs::KnownInputs;

/// Names that arms cannot have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArmNameError {
    #[error("Setting `names` has `{0}` twice")]
    Twice(String),
    #[error("Setting `names[{position}]` {found}, expected one line of text")]
    NoLine { position: usize, found: &'static str },
    #[error("{first} and {second} would be arms of one name; give each arm another one in `names`")]
    OneStage { first: String, second: String },
}

/// Checks the names that the setting `names` gives.
pub(crate) fn check_names(names: &[String]) -> Result<(), ArmNameError> {
    let mut seen = BTreeSet::new();
    for (position, name) in names.iter().enumerate() {
        let found = match name {
            name if name.trim().is_empty() => Some("is empty"),
            name if name.contains(char::is_control) => Some("has control characters"),
            _ => None,
        };
        if let Some(found) = found {
            return Err(ArmNameError::NoLine { position, found });
        }
        if !seen.insert(name) {
            return Err(ArmNameError::Twice(name.clone()));
        }
    }
    Ok(())
}

/// Names the arms on a port after the stages they come from.
pub(crate) fn derived_names(inputs: &KnownInputs, port: &str) -> Result<Vec<String>, ArmNameError> {
    let arms = inputs.of(port);
    let mut seen = BTreeMap::new();
    for (position, arm) in arms.iter().enumerate() {
        if let Some(first) = seen.insert(&arm.stage, position) {
            return Err(ArmNameError::OneStage {
                first: inputs.name_in_list(port, first),
                second: inputs.name_in_list(port, position),
            });
        }
    }
    Ok(arms.iter().map(|arm| arm.stage.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::KnownInput;

    #[test]
    fn names_are_lines_of_text_and_stand_once() {
        let told = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            check_names(&names).map_err(|error| error.to_string())
        };
        assert_eq!(told(&[]), Ok(()));
        assert_eq!(told(&["a b", "c"]), Ok(()));
        for (names, message) in [
            (["a", "a"], "Setting `names` has `a` twice"),
            (
                ["a", ""],
                "Setting `names[1]` is empty, expected one line of text",
            ),
            (
                [" ", "a"],
                "Setting `names[0]` is empty, expected one line of text",
            ),
            (
                ["a", "b\u{1b}[2J"],
                "Setting `names[1]` has control characters, expected one line of text",
            ),
            (
                ["a\nb", "c"],
                "Setting `names[0]` has control characters, expected one line of text",
            ),
        ] {
            assert_eq!(told(&names), Err(message.to_owned()));
        }
    }

    #[test]
    fn arms_of_one_stage_cannot_be_named_after_it() {
        let derived = |stages: &[&str]| {
            let input = |stage: &&str| KnownInput {
                stage: (*stage).to_owned(),
                columns: None,
                candidates: None,
            };
            let mut inputs = KnownInputs::default();
            inputs.add("tables", stages.iter().map(input).collect());
            derived_names(&inputs, "tables").map_err(|error| error.to_string())
        };
        assert_eq!(
            derived(&["a@1", "a@2"]),
            Ok(vec!["a@1".to_owned(), "a@2".to_owned()])
        );
        assert_eq!(
            derived(&["a", "b", "a"]),
            Err(
                "`tables[0]` (stage `a`) and `tables[2]` (stage `a`) would be arms of one name; give each arm another \
                 one in `names`"
                    .to_owned()
            )
        );
    }
}
