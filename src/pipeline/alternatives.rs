//! Stages that only some arms have, and stages that are different things in different arms.
//!
//! Methods that are compared do not all take the same steps. `when: {method: dpo}` among the settings of a stage says in
//! which arms it stands; a list of settings under one name says what the stage is where, so that what follows refers to
//! one name whatever made it.

use std::borrow::Cow;
use std::slice;

use crate::document::{DocumentError, Entry, Mark, Node, Problem, Tree, Variables, scalar_text};

/// The key of a stage that says in which arms it stands.
pub(super) const WHEN: &str = "when";

/// What a stage is in one arm.
pub(super) struct Alternative<'n> {
    /// The settings without `when`.
    pub(super) settings: Cow<'n, Node>,
    /// Place in the list of alternatives, where there is one.
    pub(super) place: Option<usize>,
}

/// Finds what a stage is where the variables have these values: the first alternative whose `when` holds, if any does.
pub(super) fn choose<'n>(
    entry: &'n Entry,
    variables: &Variables,
) -> Result<Option<Alternative<'n>>, DocumentError> {
    let Tree::List(alternatives) = &entry.value.tree else {
        let holds = holds(&entry.value, variables)?;
        return Ok(holds.then(|| Alternative::of(&entry.value, None)));
    };
    if alternatives.is_empty() {
        return Err(entry
            .value
            .wrong("settings such as `{kind: ...}`, or a list of them"));
    }
    let mut chosen = None;
    // All of them are looked at, so that a slip in a later one is found too.
    for (place, settings) in alternatives.iter().enumerate() {
        let holds =
            holds(settings, variables).map_err(|error| error.inside(place.to_string(), settings.mark))?;
        if holds && chosen.is_none() {
            chosen = Some(Alternative::of(settings, Some(place)));
        }
    }
    Ok(chosen)
}

impl<'n> Alternative<'n> {
    fn of(settings: &'n Node, place: Option<usize>) -> Self {
        let settings = match settings.get(WHEN) {
            Some(_) => Cow::Owned(settings.without(WHEN)),
            None => Cow::Borrowed(settings),
        };
        Self { settings, place }
    }
}

/// Whether all variables have one of the values that `when` names; true without it.
fn holds(settings: &Node, variables: &Variables) -> Result<bool, DocumentError> {
    let Some(when) = settings.get(WHEN) else {
        return Ok(true);
    };
    let here = |error: DocumentError| error.inside(WHEN, when.mark);
    let Tree::Map(conditions) = &when.tree else {
        return Err(here(
            when.wrong("a map of variables to values, such as `{method: dpo}`"),
        ));
    };
    let mut all = true;
    for condition in conditions {
        all &= is_met(condition, variables)
            .map_err(|error| here(error.inside(&condition.key, condition.mark)))?;
    }
    Ok(all)
}

fn is_met(condition: &Entry, variables: &Variables) -> Result<bool, DocumentError> {
    let value = variables
        .value(&condition.key)
        .map_err(|message| DocumentError::rule(condition.mark, message))?;
    let value = scalar_text(value);
    let wanted = match &condition.value.tree {
        Tree::List(items) => items.as_slice(),
        _ => slice::from_ref(&condition.value),
    };
    let mut met = false;
    for wanted in wanted {
        let text = scalar_text(&wanted.tree)
            .ok_or_else(|| wanted.wrong("a text, a number, a truth value or a list of these"))?;
        met |= value.as_ref() == Some(&text);
    }
    Ok(met)
}

/// The alternatives of `rounds.stages` that no arm has chosen yet.
pub(super) struct Unchosen<'n> {
    left: Vec<(&'n str, Option<usize>, Option<Mark>)>,
}

impl<'n> Unchosen<'n> {
    /// Lists the stages with `when` and all alternatives.
    pub(super) fn of(stages: Option<&'n Node>) -> Self {
        let entries = stages.map_or(&[][..], Node::entries);
        let left = entries.iter().flat_map(|entry| {
            let key = entry.key.as_str();
            match &entry.value.tree {
                Tree::List(items) => {
                    let places = items.iter().enumerate();
                    places
                        .map(|(place, item)| (key, Some(place), item.mark))
                        .collect()
                }
                _ if entry.value.get(WHEN).is_some() => vec![(key, None, entry.mark)],
                _ => Vec::new(),
            }
        });
        Self { left: left.collect() }
    }

    /// Takes out what an arm has.
    pub(super) fn remove(&mut self, stage: &str, place: Option<usize>) {
        self.left.retain(|(key, left, _)| (*key, *left) != (stage, place));
    }

    /// Refuses what no arm has: a value in `when` is misspelled, or an alternative before it takes all arms.
    pub(super) fn check(self) -> Result<(), DocumentError> {
        let Some((stage, place, mark)) = self.left.into_iter().next() else {
            return Ok(());
        };
        let message = "No arm has this stage: `when` names a value that no arm has, or an alternative before it holds \
                       wherever it does";
        let problem = Problem::Rule {
            message: message.to_owned(),
        };
        let path = [Some(stage.to_owned()), place.map(|place| place.to_string())];
        Err(DocumentError::new(mark, problem).within(path.into_iter().flatten().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;

    fn variables(method: &str) -> Variables {
        let mut variables = Variables::default();
        variables.insert("method", Tree::Text(method.to_owned()));
        variables.insert("seed", Tree::Integer(3.into()));
        variables
    }

    /// The kind of the stage where `method` is this, if it stands there.
    fn kind(stage: &str, method: &str) -> Result<Option<String>, String> {
        let root = load(stage).unwrap();
        let chosen = choose(&root.entries()[0], &variables(method)).map_err(|error| error.to_string())?;
        Ok(chosen.map(|alternative| {
            assert!(alternative.settings.get(WHEN).is_none());
            scalar_text(&alternative.settings.get("kind").unwrap().tree).unwrap()
        }))
    }

    #[test]
    fn a_stage_stands_where_every_variable_has_a_named_value() {
        let stage = "adapter: {kind: finetune, when: {method: [dpo, sft], seed: 3}}\n";
        assert_eq!(kind(stage, "dpo").unwrap().as_deref(), Some("finetune"));
        assert_eq!(kind(stage, "base").unwrap(), None);
        let other_seed = "adapter: {kind: finetune, when: {method: dpo, seed: [1, 2]}}\n";
        assert_eq!(kind(other_seed, "dpo").unwrap(), None);
        assert_eq!(kind("a: {kind: x}\n", "anything").unwrap().as_deref(), Some("x"));
    }

    #[test]
    fn the_first_alternative_that_holds_is_the_stage() {
        let stage = "adapter:\n  - {kind: policy_gradient, when: {method: dpok}}\n  - {kind: finetune, when: {seed: 3}}\n";
        assert_eq!(kind(stage, "dpok").unwrap().as_deref(), Some("policy_gradient"));
        assert_eq!(kind(stage, "dpo").unwrap().as_deref(), Some("finetune"));
    }

    #[test]
    fn slips_are_found_wherever_they_stand() {
        for (stage, message) in [
            (
                "a:\n  - {kind: x}\n  - {kind: y, when: {methods: dpo}}\n",
                "Unknown variable `methods`; did you mean `method`? at `1.when.methods`",
            ),
            ("a: {kind: x, when: dpo}\n", "a map of variables to values"),
            ("a: {kind: x, when: {method: {}}}\n", "a truth value or a list"),
            ("a: []\n", "or a list of them"),
        ] {
            let error = kind(stage, "dpo").unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn what_no_arm_has_is_refused() {
        let stages =
            load("a: [{kind: x}, {kind: y}]\nb: {kind: z, when: {method: dppo}}\nc: {kind: z}\n").unwrap();
        let mut unchosen = Unchosen::of(Some(&stages));
        unchosen.remove("a", Some(0));
        unchosen.remove("c", None);
        let error = unchosen.check().unwrap_err().to_string();
        assert!(
            error.contains("No arm has this stage") && error.contains("`a.1`"),
            "{error}"
        );
    }
}
