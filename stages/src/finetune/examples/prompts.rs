//! Prompts of examples, each text once.

use std::collections::BTreeMap;

/// Prompts in the order in which they are first met.
#[derive(Clone, Debug, Default)]
pub(in crate::finetune) struct Prompts {
    texts: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Prompts {
    /// Returns the place of a text, which is added where it is new.
    pub(in crate::finetune) fn place(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), self.texts.len() - 1);
        self.texts.len() - 1
    }

    /// The text at a place.
    pub(in crate::finetune) fn text(&self, place: usize) -> &str {
        &self.texts[place]
    }

    /// Counts the texts.
    pub(in crate::finetune) fn len(&self) -> usize {
        self.texts.len()
    }
}
