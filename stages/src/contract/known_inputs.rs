//! What is known of the inputs of a stage before anything is computed.

use std::collections::BTreeMap;

use arrow_schema::SchemaRef;

/// One input of a stage.
#[derive(Clone, Debug)]
pub struct KnownInput {
    /// The stage it comes from, with round and arm, as references spell it.
    pub stage: String,
    /// The columns it will have, if it is a table of which that is known.
    pub columns: Option<SchemaRef>,
    /// The stage whose candidates it is, or is about, if that is known; spelled like `stage`.
    pub candidates: Option<String>,
}

/// The inputs of a stage by port, in the order in which the stage gets them.
///
/// With it mistakes can be told before anything runs, and later with the place they are in.
#[derive(Clone, Debug, Default)]
pub struct KnownInputs(BTreeMap<&'static str, Vec<KnownInput>>);

impl KnownInputs {
    /// Adds what is connected to a port.
    pub fn add(&mut self, port: &'static str, inputs: Vec<KnownInput>) {
        self.0.insert(port, inputs);
    }

    /// Returns the inputs on a port, none if nothing is known of it.
    pub fn of(&self, port: &str) -> &[KnownInput] {
        self.0.get(port).map_or(&[], Vec::as_slice)
    }

    /// Names an input of a port that takes a list in a message, such as "`scores[1]` (stage `itm@2`)".
    pub fn name_in_list(&self, port: &str, position: usize) -> String {
        named(&format!("{port}[{position}]"), self.of(port).get(position))
    }

    /// Names the input of a port that takes one in a message, such as "`baseline` (stage `judged@1`)".
    pub fn name(&self, port: &str) -> String {
        named(port, self.of(port).first())
    }
}

fn named(place: &str, input: Option<&KnownInput>) -> String {
    match input {
        Some(input) => format!("`{place}` (stage `{}`)", input.stage),
        None => format!("`{place}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_named_by_port_position_and_stage() {
        let input = |stage: &str| KnownInput {
            stage: stage.to_owned(),
            columns: None,
            candidates: None,
        };
        let mut inputs = KnownInputs::default();
        assert_eq!(inputs.name_in_list("tables", 1), "`tables[1]`");
        assert_eq!(inputs.name("baseline"), "`baseline`");
        inputs.add("tables", vec![input("a@1"), input("a@2/x")]);
        inputs.add("baseline", vec![input("b")]);
        assert_eq!(inputs.name_in_list("tables", 1), "`tables[1]` (stage `a@2/x`)");
        assert_eq!(inputs.name("baseline"), "`baseline` (stage `b`)");
        assert_eq!(inputs.of("tables").len(), 2);
        assert!(inputs.of("other").is_empty());
    }
}
