//! What judges said of an image, under it.

use super::format::{number, short};
use super::markup::Markup;
use crate::inspect::report::model::{ImageJudgement, Said};

/// Characters that are shown of the name of a column, of its meaning and of a word.
const NAME: usize = 60;
pub(super) const MEANING: usize = 200;
const WORD: usize = 80;

/// Adds a line for each column; what the column means is its title.
pub(super) fn judgements(markup: &mut Markup, judgements: &[ImageJudgement]) {
    if judgements.is_empty() {
        return;
    }
    markup.element("span", &[("class", &"judged")], |markup| {
        for one in judgements {
            let meaning = short(&one.meaning, MEANING);
            markup.element("span", &[("title", &meaning)], |markup| {
                markup.leaf("code", &[], short(&one.column, NAME)).raw(" ");
                match &one.said {
                    Said::Number(value) => markup.text(number(*value)),
                    Said::Word(Some(word)) => markup.text(short(word, WORD)),
                    Said::Word(None) => markup.raw("&ndash;"),
                };
            });
        }
    });
}
